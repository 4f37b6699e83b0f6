"""Plans, flags, intakes and received payment events in PostgreSQL."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg

from headstart.app.ports import By, CaptureMode, Flag, Intake, PaymentEvent, Plan
from headstart.core.request import CustomerId, IntakeId, MechanicId, RequestId, RoutingType
from headstart.store.operations import OperationStore
from headstart.store.postgres import Postgres
from headstart.store.requests import RequestStore


class IntakeStore(Postgres):
    """The port ``Intakes``, and what operators do with flags."""

    @property
    def requests(self) -> RequestStore:
        """In the same transaction as this."""
        return RequestStore(self._executor)

    @property
    def operations(self) -> OperationStore:
        """In the same transaction as this."""
        return OperationStore(self._executor)

    async def plan(self, code: str) -> Plan | None:
        """On sale or not."""
        row = await self.row("plan", code=code)
        return _plan(row) if row else None

    async def plans(self) -> Sequence[Plan]:
        """Everything on sale."""
        return [_plan(row) for row in await self.rows("plans")]

    async def flag(self, name: str) -> Flag:
        """LookupError for a flag that was never introduced: missing is not the same as off."""
        row = await self.row("flag", name=name)
        if row is None:
            raise LookupError(f"there is no flag called {name}")
        return Flag(**row)

    async def introduce_flag(self, name: str, *, enabled: bool) -> None:
        """The first value, unless there is one."""
        await self.rows("introduce_flag", name=name, enabled=enabled)

    async def set_flag(
        self, name: str, *, enabled: bool, rollout_percentage: int | None, by: By
    ) -> Flag:
        """Recorded with who, when, why, old and new. No percentage keeps the present one."""
        row = await self.row(
            "set_flag",
            name=name,
            enabled=enabled,
            rollout_percentage=rollout_percentage,
            actor=by.actor,
            reason=by.reason,
        )
        assert row is not None, "setting a flag answers with it"
        return Flag(**row)

    async def flag_changes(self, name: str, limit: int) -> Sequence[dict[str, Any]]:
        """Newest first."""
        return [dict(row) for row in await self.rows("flag_changes", name=name, limit=limit)]

    async def keep(
        self, intake: Intake, idempotency_key: str | None, checkout_lifetime: timedelta
    ) -> Intake:
        """Insert, or find the intake of this key."""
        row = await self.row(
            "keep_intake",
            id=intake.id,
            customer_id=intake.customer,
            plan_code=intake.plan_code,
            amount=intake.amount,
            currency=intake.currency,
            routing_type=intake.routing_type,
            preferred_mechanic_ids=intake.preferred,
            specialist=intake.specialist,
            urgent=intake.urgent,
            concern=intake.concern,
            vehicle=intake.vehicle,
            contact_email=intake.contact_email,
            contact_phone=intake.contact_phone,
            fingerprint=intake.fingerprint,
            capture=intake.capture,
            idempotency_key=idempotency_key,
            checkout_lifetime=checkout_lifetime,
        )
        if row is None:
            row = await self.row(
                "intake_by_key", customer_id=intake.customer, idempotency_key=idempotency_key
            )
            assert row is not None, "an intake that cannot be kept exists"
        return _intake(row)

    async def intake(self, intake_id: IntakeId) -> Intake | None:
        """One intake."""
        row = await self.row("intake", id=intake_id)
        return _intake(row) if row else None

    async def unpaid(self, customer: CustomerId) -> Intake | None:
        """The newest."""
        row = await self.row("unpaid_intake", customer_id=customer)
        return _intake(row) if row else None

    async def at_checkout(self, intake_id: IntakeId, checkout_session_id: str, url: str) -> None:
        """Note the page."""
        await self.rows(
            "intake_at_checkout",
            id=intake_id,
            checkout_session_id=checkout_session_id,
            checkout_url=url,
        )

    async def conclude(self, intake_id: IntakeId, status: str) -> None:
        """Paid, expired or failed."""
        await self.rows("conclude_intake", id=intake_id, status=status)

    async def lock_customer(self, customer: CustomerId) -> None:
        """Until the end of this transaction."""
        await self.rows("lock_customer", id=customer)

    async def live_request_of(self, customer: CustomerId, *, but: RequestId) -> RequestId | None:
        """The newest."""
        found: RequestId | None = await self.value("live_request_of", customer_id=customer, but=but)
        return found

    async def expire_other_pages(self, customer: CustomerId, *, but: IntakeId) -> None:
        """Each once."""
        await self.rows("expire_other_pages", customer_id=customer, but=but)

    async def first_receipt(self, event: PaymentEvent) -> bool:
        """True for the one that inserted the row."""
        inserted = await self.value(
            "first_receipt",
            id=event.id,
            type=event.type,
            object_id=event.object_id or "",
            livemode=event.livemode,
            api_version=event.api_version,
            payment_intent_id=event.payment_intent_id,
        )
        return inserted is not None

    async def conclude_receipt(self, event_id: str, outcome: str) -> None:
        """What became of it."""
        await self.rows("conclude_receipt", id=event_id, outcome=outcome)


def _plan(row: asyncpg.Record) -> Plan:
    minutes = row["priority_window_minutes"]
    return Plan(
        code=row["code"],
        name=row["name"],
        minutes=row["minutes"],
        amount=row["amount"],
        specialist_premium=row["specialist_premium"],
        currency=row["currency"],
        priority_window=None if minutes is None else timedelta(minutes=float(minutes)),
        active=row["active"],
        capture=CaptureMode(row["capture"]),
    )


def _intake(row: asyncpg.Record) -> Intake:
    return Intake(
        id=row["id"],
        customer=row["customer_id"],
        plan_code=row["plan_code"],
        amount=row["amount"],
        currency=row["currency"],
        routing_type=RoutingType(row["routing_type"]),
        preferred=tuple(MechanicId(one) for one in row["preferred_mechanic_ids"]),
        specialist=row["specialist"],
        urgent=row["urgent"],
        concern=row["concern"],
        vehicle=row["vehicle"],
        contact_email=row["contact_email"],
        contact_phone=row["contact_phone"],
        fingerprint=row["fingerprint"],
        capture=CaptureMode(row["capture"]),
        status=row["status"],
        checkout_session_id=row["checkout_session_id"],
        checkout_url=row["checkout_url"],
        checkout_expires_at=row["checkout_expires_at"],
    )
