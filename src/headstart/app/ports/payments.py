"""The payment service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from headstart.core.request import IntakeId


class PaymentsUnavailable(Exception):
    """The payment service could not be asked or did not answer: the same call may succeed later."""


class PaymentsRefused(Exception):
    """Stripe said no for good. Carries codes for people and logs, never a secret or an address."""

    def __init__(self, *, status: int | None, code: str, param: str | None) -> None:
        self.status, self.code, self.param = status, code, param
        about = f" about {param}" if param else ""
        super().__init__(f"Stripe refused: {status} {code}{about}")


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """What the customer is asked to pay, fixed before the first call so that a retry is equal to it
    byte for byte. ``metadata`` is a copy for people and look-ups; the intake row decides."""

    intake_id: IntakeId
    attempt: int
    plan_name: str
    amount: int
    currency: str
    success_url: str
    cancel_url: str
    expires_at: datetime
    customer_email: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def idempotency_key(self) -> str:
        """One page per intake and attempt, however often the call is repeated."""
        return f"cs:{self.intake_id}:{self.attempt}"


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """A payment page as far as it concerns us. ``url`` exists only while it is open."""

    id: str
    url: str | None
    status: str
    payment_status: str
    amount_total: int
    currency: str
    payment_intent_id: str | None
    metadata: Mapping[str, str]
    client_reference_id: str | None
    livemode: bool
    expires_at: datetime

    @property
    def is_paid(self) -> bool:
        """Whether the money is ours: charged, or nothing was due."""
        return self.status == "complete" and self.payment_status in ("paid", "no_payment_required")


@dataclass(frozen=True, slots=True)
class PaymentEvent:
    """Something the payment service reports, verified. ``checkout`` if it is about a page."""

    id: str
    type: str
    object_id: str | None
    livemode: bool
    api_version: str | None
    account: str | None
    checkout: CheckoutSession | None


class Payments(Protocol):
    """The payment service."""

    async def create_checkout(self, order: CheckoutOrder) -> CheckoutSession:
        """A page where this order is paid; the same order gets the same page."""
        ...

    async def retrieve_checkout(self, checkout_session_id: str) -> CheckoutSession | None:
        """A page as it is now; None when there is no such page."""
        ...
