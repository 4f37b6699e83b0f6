"""A model of the payment service: pages, payments, idempotency keys, and webhooks that get lost.

Calls take time, fail before their effect or after it, unseen. Banks change their minds, people
press buttons in the Dashboard, a refund comes back now and then.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from headstart.app.ports import (
    CaptureMode,
    CheckoutOrder,
    CheckoutSession,
    Intake,
    PaymentEvent,
    PaymentIntent,
    PaymentsRefused,
    PaymentsUnavailable,
    Refund,
    RefundReason,
    RefusedBecause,
    Unavailable,
)
from headstart.core.request import IntakeId
from headstart.lab.checkers import Plain
from headstart.lab.simulation.purchase import BANK, DASHBOARD, US, Purchase, refused
from headstart.lab.simulation.town import Town

Answer = TypeVar("Answer")

TRIP_S_MAX = 0.4
DELIVERED_S_MAX = 4.0
A_PAGE_LASTS = timedelta(seconds=40)
LIFE_S_MAX = (3.0, 12.0, 30.0)  # within which banks and the Dashboard do something to a payment
COMES_BACK_S_MAX = 6.0
NO_BALANCE_TIMES = 2


class Stripe:
    """The port ``Money``; and what customers, banks and people in the Dashboard do there."""

    def __init__(self, town: Town) -> None:
        self._town = town
        chance = town.random.choice
        self.fails = chance((0.0, 0.03, 0.1))
        self._lost = chance((0.0, 0.05, 0.3))  # webhooks that never get through
        self._modes = chance(
            ((CaptureMode.CHARGE,), (CaptureMode.HOLD,), (CaptureMode.CHARGE, CaptureMode.HOLD))
        )
        self._whims = chance((0.0, 0.06, 0.06, 0.2))  # of banks and of the Dashboard
        self._answers: dict[str, tuple[object, object]] = {}
        self._of_intake: dict[IntakeId, Purchase] = {}
        self._known: dict[str, Purchase] = {}  # by the page, and by the payment
        self._undelivered: dict[str, PaymentEvent] = {}
        self._short_of_money: dict[str, int] = {}
        self._events = 0
        self.under_way = 0  # webhooks and whims that are still to come

    # --- what others do there ------------------------------------------------------------

    def open_page(self, intake: Intake) -> Intake:
        """A payment page for an intake; answers with the intake as it is now."""
        mode = self._town.random.choice(self._modes)
        now = self._town.database.now()
        expires_at = now + A_PAGE_LASTS
        purchase = Purchase(replace(intake, capture=mode), now, expires_at)
        self._of_intake[intake.id] = purchase
        self._known |= {purchase.page_id: purchase, purchase.payment_id: purchase}
        return replace(
            purchase.intake,
            status="checkout",
            checkout_session_id=purchase.page_id,
            checkout_expires_at=expires_at,
        )

    def pay(self, intake_id: IntakeId) -> CheckoutSession | None:
        """Press the button; None when the page is closed."""
        purchase = self._of_intake[intake_id]
        if not purchase.pay(self._town.database.now()):
            return None
        page = purchase.as_page(with_payment=False)
        payment: Plain = {"checkout": page.id, "acknowledged": False}
        self._town.history.payments.append(payment)
        copies = self._town.random.choice((1, 1, 2, 3))
        self._announce("checkout.session.completed", purchase, payment, copies)
        if purchase.money == "held":
            self._announce("payment_intent.amount_capturable_updated", purchase)
        if self._town.chance(self._whims):
            self._spawn(self._have_a_whim(purchase))
        return page

    def _spawn(self, life: Any) -> None:
        self.under_way += 1
        self._town.start(life).add_done_callback(self._is_over)

    def _is_over(self, _: "asyncio.Task[None]") -> None:
        self.under_way -= 1

    async def _have_a_whim(self, purchase: Purchase) -> None:
        """The bank lets go of a hold, or takes the money back; somebody uses the Dashboard."""
        await self._town.pause(self._town.random.choice(LIFE_S_MAX))
        now, dice = self._town.database.now(), self._town.random.random()
        if purchase.money == "held" and dice < 0.15:
            purchase.capture(purchase.intake.amount // 2)
            purchase.note("capture", DASHBOARD, now, None, "done")
            self._announce("payment_intent.succeeded", purchase)
        elif purchase.money == "held":
            by = DASHBOARD if dice < 0.6 else BANK
            purchase.let_go("requested_by_customer" if by is DASHBOARD else "expired")
            purchase.note("cancel", by, now, None, "done")
            self._announce("payment_intent.canceled", purchase)
        elif purchase.money == "taken" and dice < 0.2:
            purchase.disputed = True
            purchase.note("dispute", BANK, now, None, "done")
            self._announce("charge.dispute.created", purchase)
        else:
            self._return(purchase, purchase.left // 2 if dice < 0.4 else purchase.left)

    def return_by_hand(self, intake_id: IntakeId) -> None:
        """All of it, in the Dashboard, if there is any."""
        purchase = self._of_intake[intake_id]
        self._return(purchase, purchase.left)

    def _return(self, purchase: Purchase, amount: int) -> None:
        if amount > 0 and not purchase.disputed:
            purchase.refund(amount, DASHBOARD)
            purchase.note("refund", DASHBOARD, self._town.database.now(), None, "done")
            self._announce("refund.created", purchase)

    async def _come_back(self, purchase: Purchase, refund: Refund) -> None:
        """The customer's bank does not take the refund."""
        await self._town.pause(COMES_BACK_S_MAX)
        purchase.refunds[refund.id] = replace(refund, status="failed")
        purchase.note("refund_came_back", BANK, self._town.database.now(), None, "done")
        self._announce("refund.failed", purchase)

    def ledger(self) -> list[Plain]:
        """Every page, paid or not, for the judge."""
        return [one.as_plain() for one in self._of_intake.values()]

    def heal(self) -> None:
        """From here on every call is answered. Banks and people stay as they are."""
        self.fails = 0.0

    # --- webhooks ------------------------------------------------------------------------

    def _announce(
        self, kind: str, purchase: Purchase, payment: Plain | None = None, copies: int = 1
    ) -> None:
        """An event, to be delivered; sometimes once more, sometimes never."""
        page = purchase.as_page(with_payment=False) if kind.startswith("checkout") else None
        for copy in range(copies):
            self._events += copy == 0 or self._town.chance(0.5)  # the same event, or another one
            event = PaymentEvent(
                id=f"evt_{self._events}",
                type=kind,
                object_id=page.id if page else purchase.payment_id,
                livemode=False,
                api_version=None,
                account=None,
                checkout=page,
                payment_intent_id=purchase.payment_id if purchase.paid_at else None,
            )
            self._undelivered[event.id] = event
            self._spawn(self._deliver(event, payment or {}, first=copy == 0))

    async def _deliver(self, event: PaymentEvent, payment: Plain, *, first: bool) -> None:
        """Until it is acknowledged, or given up; in any order."""
        while True:
            await self._town.pause(DELIVERED_S_MAX)
            if self._town.chance(self._lost):
                if first:
                    payment["given_up"] = True
                return
            try:
                await self._town.ask(lambda node: node.fulfilment.receive(event))
            except Unavailable:
                continue
            self._undelivered.pop(event.id, None)
            payment["acknowledged"] = True
            return

    # --- the port ------------------------------------------------------------------------

    async def _call(
        self, work: Callable[[], Answer], key: str | None = None, asked: object = None
    ) -> Answer:
        """There, and back; what was done under a key is not done again."""
        town = self._town
        await town.pause(TRIP_S_MAX)
        if town.chance(self.fails):
            raise PaymentsUnavailable("no connection")
        answer = self._answer(work, key, asked)
        await town.pause(TRIP_S_MAX)
        if town.chance(self.fails):
            raise PaymentsUnavailable("the answer is lost")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _answer(
        self, work: Callable[[], Answer], key: str | None, asked: object
    ) -> Answer | Exception:
        if key is None:
            return work()
        if key in self._answers:
            before, stored = self._answers[key]
            known: Any = stored
            return known if before == asked else refused(RefusedBecause.KEY_REUSED)
        answer = self._first_answer(work)
        self._answers[key] = asked, answer
        return answer

    def _first_answer(self, work: Callable[[], Answer]) -> Answer | Exception:
        """A failure within Stripe is stored, whether the work was done or not."""
        breaks = self._town.chance(self.fails / 3)
        if breaks and self._town.chance(0.5):
            return PaymentsUnavailable("500", stored=True)
        try:
            answer = work()
        except PaymentsRefused as no:
            return no
        return PaymentsUnavailable("500", stored=True) if breaks else answer

    def _of_payment(self, payment_intent_id: str) -> Purchase:
        found = self._find(payment_intent_id)
        if found is None:
            raise refused(RefusedBecause.UNKNOWN_OBJECT)
        return found

    def _find(self, id_: str) -> Purchase | None:
        """By the id of the page or of the payment."""
        return self._known.get(id_)

    async def create_checkout(self, order: CheckoutOrder) -> CheckoutSession:
        """The story begins after this."""
        raise NotImplementedError

    async def retrieve_checkout(self, checkout_session_id: str) -> CheckoutSession | None:
        """As it is when the call arrives."""
        found = self._find(checkout_session_id)
        return await self._call(lambda: found.as_page(with_payment=True)) if found else None

    async def retrieve_payment(self, payment_intent_id: str) -> PaymentIntent | None:
        """As it is when the call arrives."""
        found = self._find(payment_intent_id)
        return await self._call(lambda: found.as_payment()) if found else None

    async def expire_checkout(
        self, checkout_session_id: str, *, idempotency_key: str
    ) -> CheckoutSession | None:
        """Close a page, if nobody has paid at it."""
        found = self._find(checkout_session_id)

        def close() -> CheckoutSession | None:
            if found and found.status == "open":
                found.status = "expired"
                found.note("expire", US, self._town.database.now(), idempotency_key, "done")
                self._announce("checkout.session.expired", found)
            return found.as_page(with_payment=False) if found else None

        return await self._call(close, idempotency_key, checkout_session_id)

    async def capture(
        self, payment_intent_id: str, *, amount: int, idempotency_key: str
    ) -> PaymentIntent:
        """If the bank lets us."""

        def take(purchase: Purchase) -> PaymentIntent:
            if purchase.money == "held":
                self._ask_the_bank(purchase)
            purchase.capture(amount)
            self._announce("payment_intent.succeeded", purchase)
            return purchase.as_payment()

        work = self._recorded("capture", payment_intent_id, idempotency_key, take)
        return await self._call(work, idempotency_key, (payment_intent_id, amount))

    def _ask_the_bank(self, purchase: Purchase) -> None:
        if not self._town.chance(self._whims):
            return
        because = self._town.random.choice(
            (RefusedBecause.HOLD_EXPIRED, RefusedBecause.CARD_REFUSED, RefusedBecause.OTHER)
        )
        if because is RefusedBecause.HOLD_EXPIRED:
            purchase.let_go("expired")
            self._announce("payment_intent.canceled", purchase)
        raise refused(because)

    async def cancel_hold(self, payment_intent_id: str, *, idempotency_key: str) -> PaymentIntent:
        """Let go of what is held."""

        def cancel(purchase: Purchase) -> PaymentIntent:
            purchase.let_go("requested_by_customer")
            self._announce("payment_intent.canceled", purchase)
            return purchase.as_payment()

        work = self._recorded("cancel", payment_intent_id, idempotency_key, cancel)
        return await self._call(work, idempotency_key, payment_intent_id)

    async def refund(
        self,
        payment_intent_id: str,
        *,
        amount: int,
        idempotency_key: str,
        reason: RefundReason | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Refund:
        """If our account has enough; and sometimes the money comes back later."""

        def send(purchase: Purchase) -> Refund:
            if self._are_short_of_money(purchase):
                raise refused(RefusedBecause.NO_BALANCE)
            made = purchase.refund(amount, US)
            self._announce("refund.created", purchase)
            if self._town.chance(self._whims):
                self._spawn(self._come_back(purchase, made))
            return made

        work = self._recorded("refund", payment_intent_id, idempotency_key, send)
        return await self._call(work, idempotency_key, (payment_intent_id, amount))

    def _are_short_of_money(self, purchase: Purchase) -> bool:
        """For one refund or the next."""
        times = NO_BALANCE_TIMES if self._town.chance(self._whims) else 0
        left = self._short_of_money.setdefault(purchase.payment_id, times)
        self._short_of_money[purchase.payment_id] = max(0, left - 1)
        return left > 0

    def _recorded(
        self, act: str, payment_intent_id: str, key: str, work: Callable[[Purchase], Answer]
    ) -> Callable[[], Answer]:
        """What came of it, for the judge: whether we ever hear of it or not."""

        def done() -> Answer:
            purchase, now = self._of_payment(payment_intent_id), self._town.database.now()
            try:
                answer = work(purchase)
            except PaymentsRefused as no:
                purchase.note(act, US, now, key, no.because.value)
                raise
            purchase.note(act, US, now, key, "done")
            return answer

        return done

    async def refunds(self, payment_intent_id: str) -> list[Refund]:
        """Newest first."""
        found = self._of_payment(payment_intent_id)
        return await self._call(lambda: list(reversed(found.refunds.values())))

    async def recent_checkouts(self, since: datetime) -> AsyncIterator[CheckoutSession]:
        """Newest first."""
        pages = await self._call(
            lambda: [one.as_page(with_payment=True) for one in self._of_intake.values()]
        )
        for page in reversed(pages):
            yield page

    async def undelivered_events(self, since: datetime) -> AsyncIterator[PaymentEvent]:
        """Newest first."""
        events = await self._call(lambda: list(self._undelivered.values()))
        for event in reversed(events):
            yield event
