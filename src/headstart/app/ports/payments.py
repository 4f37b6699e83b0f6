"""The payment service."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, Protocol

from headstart.core.request import IntakeId

HEEDED_EVENTS: Final = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.amount_capturable_updated",
    "payment_intent.succeeded",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "charge.captured",
    "charge.expired",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.closed",
    "radar.early_fraud_warning.created",
    "review.opened",
    "review.closed",
)
"""What we want to hear about. A webhook endpoint subscribes to these, and lost ones are looked for
by these types; the payment service takes twenty of them in one question."""


class PaymentsUnavailable(Exception):
    """The payment service could not be asked or did not answer: the same call may succeed later.

    Nothing is known about what it did. ``stored``: this failure is kept under the idempotency key
    and will be repeated to it for a day. Only a new key gets another answer; look first, with
    ``retrieve_payment`` or ``refunds``, whether the thing was done.
    """

    def __init__(self, message: str = "", *, stored: bool = False) -> None:
        self.stored = stored
        super().__init__(message)


class RefusedBecause(StrEnum):
    """Why the payment service said no, as far as it makes a difference to us."""

    UNEXPECTED_STATE = "unexpected_state"
    """Captured, cancelled or never confirmed: fetch the payment and decide on what it says."""
    ALREADY_CAPTURED = "already_captured"
    ALREADY_REFUNDED = "already_refunded"
    """Nothing is left to send back."""
    HOLD_EXPIRED = "hold_expired"
    """The bank has let go of the money; it cannot be captured any more."""
    CARD_REFUSED = "card_refused"
    """The bank says no, with the code that it gave."""
    DISPUTED = "disputed"
    """The bank has taken the money back and decides; it cannot be refunded meanwhile."""
    NO_BALANCE = "no_balance"
    """Our account has too little for this refund. The same refund, with a new key, may pass
    later."""
    UNKNOWN_OBJECT = "unknown_object"
    KEY_REUSED = "key_reused"
    """Our mistake: the idempotency key was used for another request."""
    NOT_ALLOWED = "not_allowed"
    """The secret key is wrong or may not do this."""
    OTHER = "other"


class PaymentsRefused(Exception):
    """Stripe said no for good. Carries codes for people and logs, never a secret or an address."""

    def __init__(
        self,
        *,
        status: int | None,
        code: str,
        param: str | None,
        because: RefusedBecause = RefusedBecause.OTHER,
    ) -> None:
        self.status, self.code, self.param, self.because = status, code, param, because
        about = f" about {param}" if param else ""
        super().__init__(f"Stripe refused: {status} {code}{about}")


class CaptureMode(StrEnum):
    """When the money becomes ours."""

    CHARGE = "charge"
    """While the customer pays. Returned by a refund."""
    HOLD = "hold"
    """When it is captured; until then it is only held, and cancelling the hold costs nothing."""


RefundReason = Literal["duplicate", "fraudulent", "requested_by_customer"]


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
    capture: CaptureMode = CaptureMode.CHARGE

    @property
    def idempotency_key(self) -> str:
        """One page per intake and attempt, however often the call is repeated."""
        return f"cs:{self.intake_id}:{self.attempt}"


@dataclass(frozen=True, slots=True)
class PaymentIntent:
    """The money of one payment page, and all that became of it. Amounts in minor units.

    ``amount_refunded`` counts refunds on their way, too, until they fail. ``capture_before`` is
    when the bank lets go of a hold; None when nothing was held. ``charge_id`` is of the latest
    attempt to pay.
    """

    id: str
    status: str
    capture: CaptureMode
    amount: int
    currency: str
    amount_capturable: int
    amount_received: int
    amount_refunded: int
    capture_before: datetime | None
    canceled_at: datetime | None
    cancellation_reason: str | None
    disputed: bool
    livemode: bool
    charge_id: str | None
    metadata: Mapping[str, str]

    @property
    def is_held(self) -> bool:
        """Whether money is waiting to be captured."""
        return self.status == "requires_capture"

    @property
    def is_captured(self) -> bool:
        """Whether money was received, however much of it was returned since."""
        return self.status == "succeeded"

    @property
    def is_canceled(self) -> bool:
        """Whether the hold is gone, for good; ``cancellation_reason`` says "expired" when nobody
        let go of it in time."""
        return self.status == "canceled"

    @property
    def is_gone(self) -> bool:
        """Whether there was money, and is none any more."""
        return self.is_canceled or (self.is_captured and self.amount_kept <= 0)

    @property
    def has_come(self) -> bool:
        """Whether there is money, or was."""
        return self.is_held or self.is_captured or self.is_canceled

    @property
    def amount_kept(self) -> int:
        """What is ours now: received and not returned."""
        return self.amount_received - self.amount_refunded


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """A payment page as far as it concerns us. ``url`` exists only while it is open.

    ``payment`` is there when the page was fetched and somebody tried to pay, and absent when a
    webhook told of the page: what that says about money is old by the time it is read.
    """

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
    payment: PaymentIntent | None = None

    @property
    def is_paid(self) -> bool:
        """Whether the money is ours: charged, or nothing was due. A hold is not; there the
        payment decides."""
        return self.is_complete and self.payment_status in ("paid", "no_payment_required")

    @property
    def is_complete(self) -> bool:
        """Whether the customer went through with it: paid, held, or on the way."""
        return self.status == "complete"


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back. ``status`` is pending, requires_action, succeeded, failed or canceled;
    "succeeded" means that Stripe has sent it, not that the bank has shown it."""

    id: str
    amount: int
    currency: str
    status: str
    payment_intent_id: str | None
    failure_reason: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PaymentEvent:
    """Something the payment service reports, verified. ``checkout`` if it is about a page.

    The ids are of what to fetch: an event says what was so when it was made, comes in any order,
    and is never news about now. A reference that cannot be an id is None. ``refund_id`` and
    ``charge_id`` tell several refunds of one charge apart.
    """

    id: str
    type: str
    object_id: str | None
    livemode: bool
    api_version: str | None
    account: str | None
    checkout: CheckoutSession | None
    payment_intent_id: str | None = None
    charge_id: str | None = None
    refund_id: str | None = None


class Payments(Protocol):
    """The payment service, as far as booking needs it. Every call may raise PaymentsUnavailable
    and PaymentsRefused."""

    async def create_checkout(self, order: CheckoutOrder) -> CheckoutSession:
        """A page where this order is paid; the same order gets the same page."""
        ...

    async def retrieve_checkout(self, checkout_session_id: str) -> CheckoutSession | None:
        """A page as it is now, with its payment; None when there is no such page."""
        ...


class Money(Payments, Protocol):
    """The payment service in full.

    Every change takes an idempotency key from a committed row and may be repeated with it. The
    answer to a repeat may be a stored one: it says what was so when the thing was done, for as
    long as the key is kept, which is a day. ``retrieve_payment`` says what is so now.
    """

    async def expire_checkout(
        self, checkout_session_id: str, *, idempotency_key: str
    ) -> CheckoutSession | None:
        """Close a page, and say how it stands then: expired, or complete if the customer was
        faster. None when there is no such page."""
        ...

    async def retrieve_payment(self, payment_intent_id: str) -> PaymentIntent | None:
        """The money as it is now; None when there is no such payment."""
        ...

    async def capture(
        self, payment_intent_id: str, *, amount: int, idempotency_key: str
    ) -> PaymentIntent:
        """Take this much of what is held; the rest is let go. Refused with UNEXPECTED_STATE or
        ALREADY_CAPTURED when nothing is held, HOLD_EXPIRED or CARD_REFUSED when the bank does not
        give it."""
        ...

    async def cancel_hold(self, payment_intent_id: str, *, idempotency_key: str) -> PaymentIntent:
        """Let go of what is held. Refused with UNEXPECTED_STATE when nothing is, whether it was
        captured or cancelled before."""
        ...

    async def refund(
        self,
        payment_intent_id: str,
        *,
        amount: int,
        idempotency_key: str,
        reason: RefundReason | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Refund:
        """Send this much back. Refused with ALREADY_REFUNDED when nothing is left, with OTHER when
        less is left, and with DISPUTED or NO_BALANCE."""
        ...

    async def refunds(self, payment_intent_id: str) -> list[Refund]:
        """Everything sent back of one payment, by whomever, newest first."""
        ...

    def recent_checkouts(self, since: datetime) -> AsyncIterator[CheckoutSession]:
        """Pages made since then, with their payments, newest first, up to a bound."""
        ...

    def undelivered_events(self, since: datetime) -> AsyncIterator[PaymentEvent]:
        """Events that we did not acknowledge, newest first, up to a bound."""
        ...
