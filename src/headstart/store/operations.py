"""What is owed at the payment service, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from headstart.app.ports import (
    By,
    Conclusion,
    Operation,
    OperationKind,
    PaidRequest,
    PaymentIntent,
)
from headstart.core.request import IntakeId, RequestId
from headstart.store.postgres import Postgres

PATIENCE = timedelta(minutes=2)  # until a webhook counts as late
GIVEN_UP_AFTER = timedelta(days=1)  # after a payment page has closed
HOLD_MARGIN = timedelta(hours=12)  # before a bank lets go of a hold


class OperationStore(Postgres):
    """The ports ``Operations`` and ``MoneyTroubles``."""

    async def claim(self, limit: int, lease: timedelta) -> Sequence[Operation]:
        """Committed at once: no transaction is open while Stripe is asked."""
        rows = await self.rows("claim_operations", limit=limit, lease=lease)
        return [
            Operation(
                id=row["id"],
                key=row["key"],
                kind=OperationKind(row["kind"]),
                subject=row["subject"],
                request=row["request_id"],
                attempts=row["attempts"],
                nudges=row["nudges"],
                key_number=row["key_number"],
            )
            for row in rows
        ]

    async def conclude(
        self, operation: Operation, how: Conclusion, result: str, amount: int | None = None
    ) -> None:
        """Nothing, when somebody else has it by now."""
        await self.rows(
            "conclude_operation",
            id=operation.id,
            attempts=operation.attempts,
            nudges=operation.nudges,
            state=how,
            result=result,
            amount=amount,
        )

    async def postpone(
        self, operation: Operation, wait: timedelta, result: str, *, new_key: bool = False
    ) -> None:
        """Nothing, when somebody else has it by now."""
        await self.rows(
            "postpone_operation",
            id=operation.id,
            attempts=operation.attempts,
            nudges=operation.nudges,
            wait=wait,
            result=result,
            new_key=new_key,
        )

    async def ask_for(self, kind: OperationKind, subject: str) -> None:
        """One row for each subject, however often it is asked for."""
        await self.rows("ask_for_operation", key=f"{kind}:{subject}", kind=kind, subject=subject)

    async def contradict(self, request: RequestId, seen_at: datetime) -> bool:
        """True for the one that noticed."""
        found = await self.value("contradict_give_back", request_id=request, seen_at=seen_at)
        return found is not None

    async def next_due_s(self) -> float | None:
        """Negative when overdue."""
        wait_s: float | None = await self.value("next_operation")
        return wait_s

    async def keep_payment(
        self, payment: PaymentIntent, checkout_session_id: str | None, seen_at: datetime
    ) -> None:
        """The newest sight wins."""
        await self.rows(
            "keep_payment",
            id=payment.id,
            checkout_session_id=checkout_session_id,
            status=payment.status,
            amount=payment.amount,
            currency=payment.currency,
            amount_capturable=payment.amount_capturable,
            amount_received=payment.amount_received,
            amount_refunded=payment.amount_refunded,
            capture_before=payment.capture_before,
            disputed=payment.disputed,
            seen_at=seen_at,
        )

    async def is_gone(self, payment_intent_id: str) -> bool:
        """False for one that was never fetched."""
        gone = await self.value("payment_is_gone", payment_intent_id=payment_intent_id)
        return gone is not None

    async def request_of_payment(self, payment_intent_id: str) -> PaidRequest | None:
        """By the payment that it was created with."""
        row = await self.row("request_of_payment", payment_intent_id=payment_intent_id)
        return PaidRequest(**row) if row else None

    async def doubtful(self, limit: int) -> Sequence[str]:
        """Oldest first."""
        rows = await self.rows(
            "doubtful_money",
            limit=limit,
            patience=PATIENCE,
            given_up_after=GIVEN_UP_AFTER,
            hold_margin=HOLD_MARGIN,
        )
        return [row["subject"] for row in rows]

    async def unpaid_among(self, intakes: Sequence[IntakeId]) -> frozenset[IntakeId]:
        """Those of ours that are not paid."""
        rows = await self.rows("unpaid_intakes_among", ids=intakes)
        return frozenset(row["id"] for row in rows)

    async def clock(self) -> datetime:
        """The database's."""
        now: datetime = await self.value("read_clock")
        return now

    async def troubles(self, limit: int) -> Sequence[dict[str, Any]]:
        """Newest first."""
        return [
            dict(row)
            for row in await self.rows("money_troubles", limit=limit, hold_margin=HOLD_MARGIN)
        ]

    async def dismiss(self, trouble_id: str, *, actor: str, reason: str) -> bool:
        """The first one's word counts."""
        return None is not await self.value(
            "dismiss_trouble",
            trouble_id=trouble_id,
            actor=actor,
            reason=reason,
            hold_margin=HOLD_MARGIN,
        )

    async def dismissed(self, limit: int) -> Sequence[dict[str, Any]]:
        """Newest first."""
        return [dict(row) for row in await self.rows("dismissed_troubles", limit=limit)]

    async def operations_of(self, request_id: RequestId) -> Sequence[dict[str, Any]]:
        """In the order in which they became owed."""
        return [dict(row) for row in await self.rows("operations_of", request_id=request_id)]

    async def try_again(self, operation_id: int, *, by: By) -> bool:
        """With a new key: the old one may repeat the refusal."""
        tried = await self.value(
            "try_operation_again", id=operation_id, actor=by.actor, reason=by.reason
        )
        return tried is not None
