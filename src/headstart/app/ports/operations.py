"""What is still to be done at the payment service, and what was seen there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from headstart.app.ports.audit import By
from headstart.app.ports.payments import PaymentIntent
from headstart.core.request import IntakeId, RequestId


class OperationKind(StrEnum):
    """``give_back`` ends a hold or refunds a payment, whichever it needs by then."""

    LOOK = "look"
    CAPTURE = "capture"
    GIVE_BACK = "give_back"
    EXPIRE = "expire"


class Conclusion(StrEnum):
    """How an operation ended. A refused one needs a person."""

    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing to do, taken for a while. ``subject`` is a payment or a payment page.

    ``key_number`` makes a new idempotency key where the old one would only repeat a failure.
    """

    id: int
    key: str
    kind: OperationKind
    subject: str
    request: RequestId | None
    attempts: int
    nudges: int
    key_number: int

    @property
    def idempotency_key(self) -> str:
        """The same for every repeat whose outcome is not known."""
        return f"{self.key}:{self.key_number}"


@dataclass(frozen=True, slots=True)
class PaidRequest:
    """The request behind a payment."""

    id: RequestId
    checkout_session_id: str | None
    status: str


class Operations(Protocol):
    """Rows that survive every crash. Taking one is a lease: what is not concluded falls due again,
    and who comes back too late concludes nothing."""

    async def claim(self, limit: int, lease: timedelta) -> Sequence[Operation]:
        """Take what is due."""
        ...

    async def conclude(
        self, operation: Operation, how: Conclusion, result: str, amount: int | None = None
    ) -> None:
        """Write down what came of it."""
        ...

    async def postpone(
        self, operation: Operation, wait: timedelta, result: str, *, new_key: bool = False
    ) -> None:
        """Try again later."""
        ...

    async def ask_for(self, kind: OperationKind, subject: str) -> None:
        """Have something looked at or closed; asked again, it is done again."""
        ...

    async def contradict(self, request: RequestId, seen_at: datetime) -> bool:
        """The money was given back before ``seen_at``, and yet was seen there: a person must see
        to it. False when it was not given back by then."""
        ...

    async def next_due_s(self) -> float | None:
        """Seconds until something is due; None when nothing waits."""
        ...

    async def keep_payment(
        self, payment: PaymentIntent, checkout_session_id: str | None, seen_at: datetime
    ) -> None:
        """Remember a payment as it was fetched, unless it was fetched later than that before."""
        ...

    async def is_gone(self, payment_intent_id: str) -> bool:
        """Whether a payment, as it was fetched last, had money and has none any more."""
        ...

    async def request_of_payment(self, payment_intent_id: str) -> PaidRequest | None:
        """Whose payment this is."""
        ...

    async def doubtful(self, limit: int) -> Sequence[str]:
        """Payments and pages that do not fit what we did about them."""
        ...

    async def unpaid_among(self, intakes: Sequence[IntakeId]) -> frozenset[IntakeId]:
        """Which of these intakes we do not know to be paid."""
        ...

    async def clock(self) -> datetime:
        """What time it is."""
        ...


class MoneyTroubles(Protocol):
    """What operators see of money, and do about it."""

    async def troubles(self, limit: int) -> Sequence[dict[str, Any]]:
        """What a person must look at."""
        ...

    async def dismiss(self, trouble_id: str, *, actor: str, reason: str) -> bool:
        """Show a trouble no more; kept with who, when and why. False if it is not shown."""
        ...

    async def dismissed(self, limit: int) -> Sequence[dict[str, Any]]:
        """What was dismissed, by whom and why, newest first."""
        ...

    async def operations_of(self, request_id: RequestId) -> Sequence[dict[str, Any]]:
        """Everything that was to be done for one request."""
        ...

    async def try_again(self, operation_id: int, *, by: By) -> bool:
        """Have a refused operation tried once more; False if there is none."""
        ...
