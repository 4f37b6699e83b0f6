"""Where plans, intakes, flags and received payment events live."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from headstart.app.ports.audit import By
from headstart.app.ports.operations import Operations
from headstart.app.ports.payments import CaptureMode, PaymentEvent
from headstart.app.ports.requests import Requests
from headstart.core.request import CustomerId, IntakeId, MechanicId, RequestId, RoutingType


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sold. Amounts in the minor unit of the currency."""

    code: str
    name: str
    minutes: int
    amount: int
    specialist_premium: int
    currency: str
    priority_window: timedelta | None
    active: bool
    capture: CaptureMode = CaptureMode.CHARGE

    def price(self, *, specialist: bool) -> int:
        """What the customer pays, the specialist premium included."""
        return self.amount + (self.specialist_premium if specialist else 0)


@dataclass(frozen=True, slots=True)
class Intake:
    """What the customer filled in before paying; the record that decides."""

    id: IntakeId
    customer: CustomerId
    plan_code: str
    amount: int
    currency: str
    routing_type: RoutingType
    preferred: tuple[MechanicId, ...]
    specialist: bool
    urgent: bool
    concern: str
    vehicle: str
    contact_email: str
    contact_phone: str
    fingerprint: str
    capture: CaptureMode = CaptureMode.CHARGE
    status: str = "draft"
    checkout_session_id: str | None = None
    checkout_url: str | None = None
    checkout_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Flag:
    """A switch, and for how many in a hundred customers it is on."""

    name: str
    enabled: bool
    rollout_percentage: int


class Intakes(Protocol):
    """Where plans, intakes, flags and received payment events live."""

    def transaction(self) -> AbstractAsyncContextManager["Intakes"]:
        """Everything done on the result commits together, or not at all."""
        ...

    @property
    def requests(self) -> Requests:
        """Session requests, in the same transaction."""
        ...

    @property
    def operations(self) -> Operations:
        """What is owed at the payment service, in the same transaction."""
        ...

    async def plan(self, code: str) -> Plan | None:
        """A plan, on sale or not; None if there never was one."""
        ...

    async def flag(self, name: str) -> Flag:
        """A switch as it stands now."""
        ...

    async def keep(
        self, intake: Intake, idempotency_key: str | None, checkout_lifetime: timedelta
    ) -> Intake:
        """Store a new intake, or find the one that this customer's key made before."""
        ...

    async def intake(self, intake_id: IntakeId) -> Intake | None:
        """One intake."""
        ...

    async def unpaid(self, customer: CustomerId) -> Intake | None:
        """The booking whose payment page this customer has left open, if there is one."""
        ...

    async def at_checkout(self, intake_id: IntakeId, checkout_session_id: str, url: str) -> None:
        """Note where the customer pays."""
        ...

    async def conclude(self, intake_id: IntakeId, status: str) -> None:
        """Note that an intake was paid for, or expired, or failed. ``paid`` is never undone."""
        ...

    async def lock_customer(self, customer: CustomerId) -> None:
        """Two purchases of one customer happen one after the other."""
        ...

    async def live_request_of(self, customer: CustomerId, *, but: RequestId) -> RequestId | None:
        """A request of this customer that has not ended, other than this one."""
        ...

    async def expire_other_pages(self, customer: CustomerId, *, but: IntakeId) -> None:
        """Have the payment pages closed that this customer has left open, while a request of theirs
        has not ended: else they may be trying again."""
        ...

    async def first_receipt(self, event: PaymentEvent) -> bool:
        """Record a received payment event; False if it came before."""
        ...

    async def conclude_receipt(self, event_id: str, outcome: str) -> None:
        """Note what became of it."""
        ...


class Switchboard(Protocol):
    """What operators do with flags, and what is on sale."""

    async def plans(self) -> Sequence[Plan]:
        """Everything on sale, cheapest first."""
        ...

    async def flag(self, name: str) -> Flag:
        """A switch as it stands now; LookupError when it was never introduced."""
        ...

    async def set_flag(
        self, name: str, *, enabled: bool, rollout_percentage: int | None, by: By
    ) -> Flag:
        """Recorded with who, when, why, old and new. No percentage keeps the present one."""
        ...

    async def flag_changes(self, name: str, limit: int) -> Sequence[dict[str, Any]]:
        """The history of a switch, newest first."""
        ...
