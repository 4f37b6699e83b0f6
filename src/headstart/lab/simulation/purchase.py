"""One payment page and its money, as the payment service has them: what may happen to it, and all
that did."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from headstart.app.ports import (
    CaptureMode,
    CheckoutSession,
    Intake,
    PaymentIntent,
    PaymentsRefused,
    Refund,
    RefusedBecause,
)
from headstart.lab.checkers import Plain
from headstart.lab.simulation.database import seconds

US, DASHBOARD, BANK = "us", "dashboard", "bank"
A_HOLD_LASTS = timedelta(days=7)


def refused(because: RefusedBecause) -> PaymentsRefused:
    """Stripe's no."""
    return PaymentsRefused(status=402, code=because.value, param=None, because=because)


@dataclass(slots=True)
class Purchase:
    """``status`` is of the page; ``money`` is none, held, taken or cancelled.

    ``acts`` is the honest record of what moved money or tried to, by whom, and what came of it.
    """

    intake: Intake
    opened_at: datetime
    expires_at: datetime
    status: str = "open"
    money: str = "none"
    taken: int = 0  # less than the price, when somebody has captured a part of a hold
    paid_at: datetime | None = None
    refunds: dict[str, Refund] = field(default_factory=dict)
    refunders: dict[str, str] = field(default_factory=dict)
    reason: str | None = None
    disputed: bool = False
    acts: list[Plain] = field(default_factory=list)
    page_id: str = field(init=False)
    payment_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.page_id, self.payment_id = f"cs_{self.intake.id}", f"pi_{self.intake.id}"

    @property
    def returned(self) -> int:
        """What was sent back, and has not come back to us."""
        return sum(one.amount for one in self.refunds.values() if one.status != "failed")

    @property
    def left(self) -> int:
        """What was taken and not returned."""
        return self.taken - self.returned

    def note(self, act: str, by: str, at: datetime, key: str | None, outcome: str) -> None:
        """For the judge."""
        told = {"act": act, "by": by, "at_s": seconds(at), "key": key, "outcome": outcome}
        self.acts.append(told)

    def pay(self, at: datetime) -> bool:
        """At the page; False when it is closed."""
        if self.status != "open" or at >= self.expires_at:
            return False
        self.status, self.paid_at = "complete", at
        if self.intake.capture is CaptureMode.HOLD:
            self.money = "held"
        else:
            self.money, self.taken = "taken", self.intake.amount
        return True

    def capture(self, amount: int) -> None:
        """Take this much of what is held, and let go of the rest."""
        if self.money == "taken":
            raise refused(RefusedBecause.ALREADY_CAPTURED)
        if self.money != "held":
            raise refused(RefusedBecause.UNEXPECTED_STATE)
        self.money, self.taken = "taken", amount

    def let_go(self, reason: str) -> None:
        """Of what is held."""
        if self.money != "held":
            raise refused(RefusedBecause.UNEXPECTED_STATE)
        self.money, self.reason = "cancelled", reason

    def refund(self, amount: int, by: str) -> Refund:
        """Send some of it back."""
        if self.disputed:
            raise refused(RefusedBecause.DISPUTED)
        if self.left <= 0:
            raise refused(RefusedBecause.ALREADY_REFUNDED)
        if amount > self.left:
            raise refused(RefusedBecause.OTHER)
        id_ = f"re_{self.intake.id}_{len(self.refunds)}"
        made = Refund(id_, amount, self.intake.currency, "succeeded", self.payment_id, None, {})
        self.refunds[id_], self.refunders[id_] = made, by
        return made

    def as_page(self, *, with_payment: bool) -> CheckoutSession:
        """As the payment service shows the page: fetched, or in an event."""
        taken = self.status == "complete" and self.money != "held"
        return CheckoutSession(
            id=self.page_id,
            url=None,
            status=self.status,
            payment_status="paid" if taken else "unpaid",
            amount_total=self.intake.amount,
            currency=self.intake.currency,
            payment_intent_id=self.payment_id if self.paid_at else None,
            metadata={"intake_id": str(self.intake.id)},
            client_reference_id=str(self.intake.id),
            livemode=False,
            expires_at=self.expires_at,
            payment=self.as_payment() if with_payment and self.paid_at else None,
        )

    def as_payment(self) -> PaymentIntent:
        """As the payment service shows the money."""
        amount, held = self.intake.amount, self.money == "held"
        status = {"held": "requires_capture", "taken": "succeeded", "cancelled": "canceled"}
        on_hold = self.intake.capture is CaptureMode.HOLD and self.paid_at is not None
        return PaymentIntent(
            id=self.payment_id,
            status=status.get(self.money, "requires_payment_method"),
            capture=self.intake.capture,
            amount=amount,
            currency=self.intake.currency,
            amount_capturable=amount if held else 0,
            amount_received=self.taken,
            amount_refunded=self.returned,
            capture_before=self.paid_at + A_HOLD_LASTS if on_hold and self.paid_at else None,
            canceled_at=None,
            cancellation_reason=self.reason,
            disputed=self.disputed,
            livemode=False,
            charge_id=None,
            metadata={"intake_id": str(self.intake.id)},
        )

    def as_plain(self) -> Plain:
        """For the judge: what a customer would find on their statement, and how it came to that."""
        refunds = self.refunds.values()
        given_back = sum(
            one.amount for one in refunds if one.status != "failed" and self.refunders[one.id] == US
        )
        return {
            "checkout": self.page_id,
            "payment": self.payment_id,
            "customer": str(self.intake.customer),
            "amount": self.intake.amount,
            "mode": self.intake.capture.value,
            "opened_s": seconds(self.opened_at),
            "paid_s": seconds(self.paid_at) if self.paid_at else None,
            "money": self.money,
            "taken": self.taken,
            "returned": self.returned,
            "returned_by_us": given_back,
            "came_back": any(one.status == "failed" for one in refunds),
            "disputed": self.disputed,
            "acts": self.acts,
        }
