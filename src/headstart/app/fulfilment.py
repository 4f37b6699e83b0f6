"""From a paid intake to a session request: one entry, whoever brings the news and however often."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

import structlog

from headstart.app.dispatcher import Dispatcher
from headstart.app.flags import FAVORITES_PRIORITY, is_on_for
from headstart.app.ports import (
    HEEDED_EVENTS,
    CaptureMode,
    CheckoutSession,
    Intake,
    Intakes,
    OperationKind,
    PaymentEvent,
    Payments,
    Unavailable,
)
from headstart.app.terms import Terms
from headstart.core.commands import Payment, RequestSession
from headstart.core.request import (
    CancelReason,
    CustomerId,
    IntakeId,
    RequestId,
    SessionRequest,
)
from headstart.telemetry import PRIORITY_ERRORS, WEBHOOKS

_NAMESPACE = UUID("6d3f2f0c-7a51-5c0e-9f3e-0d6a1c2b4e58")
_PAID_EVENTS = ("checkout.session.completed", "checkout.session.async_payment_succeeded")
_NOTED_EVENTS = ("payment_intent.payment_failed",)  # the page stays open, the next try may succeed

log = structlog.get_logger()


class Outcome(StrEnum):
    """What became of news about a payment. The quarantined ones need a person."""

    FULFILLED = "fulfilled"
    DUPLICATE = "duplicate"
    NOT_PAID_YET = "not_paid_yet"
    NOT_PAID = "not_paid"
    TAKEN_BACK = "taken_back"
    TO_BE_LOOKED_AT = "to_be_looked_at"
    EXPIRED = "expired"
    IGNORED = "ignored"
    FOREIGN = "foreign"
    FOREIGN_ACCOUNT = "quarantined_account"
    WRONG_MODE = "quarantined_mode"
    WRONG_AMOUNT = "quarantined_amount"
    UNREADABLE = "quarantined_unreadable"
    UNKNOWN_INTAKE = "quarantined_unknown_intake"

    @property
    def needs_a_person(self) -> bool:
        """Nothing was dispatched, and money may be involved."""
        return self.startswith("quarantined")


@dataclass(frozen=True, slots=True)
class Settled:
    """A payment page as it was fetched, and what came of it."""

    checkout: CheckoutSession
    intake: Intake | None
    outcome: Outcome
    seen_at: datetime


def request_id_of(intake_id: IntakeId, checkout_session_id: str | None) -> RequestId:
    """The same purchase is the same request: a repeated webhook becomes the same command."""
    name = f"checkout:{checkout_session_id}" if checkout_session_id else f"intake:{intake_id}"
    return RequestId(uuid5(_NAMESPACE, name))


class Fulfilment:
    """Creates each paid request exactly once, in one transaction with what caused it."""

    def __init__(
        self,
        intakes: Intakes,
        dispatcher: Dispatcher,
        payments: Payments | None,
        terms: Terms,
        *,
        livemode: bool,
        api_version: str | None = None,
    ) -> None:
        self._intakes = intakes
        self._dispatcher = dispatcher
        self._payments = payments
        self._terms = terms
        self._livemode = livemode
        self._api_version = api_version

    async def receive(self, event: PaymentEvent) -> Outcome:
        """Take in a verified webhook event. Committed when this returns.

        A repeat is a no-op, unless the first one was quarantined: what kept it there may have been
        put right since.
        """
        async with self._intakes.transaction() as tx:
            if await tx.first_receipt(event):
                outcome = await self._heed(event, tx)
                await tx.conclude_receipt(event.id, outcome)
            else:
                outcome = Outcome.DUPLICATE
        self._dispatcher.announce()
        WEBHOOKS.labels(outcome).inc()
        if outcome.needs_a_person:
            log.error("webhook_quarantined", event_id=event.id, outcome=outcome)
        if event.api_version not in (None, self._api_version):
            log.warning("webhook_api_version_differs", event_version=event.api_version)
        return outcome

    async def settle(self, checkout_session_id: str) -> Settled | None:
        """Ask the payment service how a page stands, remember its payment, and fulfil.

        None for a page that does not exist. The intake's status says whether it was paid.
        """
        seen_at = await self._intakes.requests.clock()
        checkout = (
            await self._payments.retrieve_checkout(checkout_session_id) if self._payments else None
        )
        if checkout is None:
            return None
        async with self._intakes.transaction() as tx:
            outcome = await self._fulfil(checkout, tx)
            intake_id = _intake_id(checkout)
            intake = await tx.intake(intake_id) if intake_id else None
            if intake and checkout.payment:
                await tx.operations.keep_payment(checkout.payment, checkout.id, seen_at)
        self._dispatcher.announce()
        return Settled(checkout, intake, outcome, seen_at)

    async def page_of_intake(self, metadata: Mapping[str, str]) -> str | None:
        """The payment page of the intake that a payment names."""
        intake_id = intake_id_of(metadata)
        intake = await self._intakes.intake(intake_id) if intake_id else None
        return intake.checkout_session_id if intake else None

    async def fulfil_free(self, intake: Intake) -> SessionRequest:
        """A plan that costs nothing takes the same path without a payment."""
        async with self._intakes.transaction() as tx:
            await tx.lock_customer(intake.customer)
            request = await self._dispatch(intake, Payment(), tx)
        self._dispatcher.announce()
        return request

    async def _heed(self, event: PaymentEvent, tx: Intakes) -> Outcome:
        if event.livemode is not self._livemode:
            return Outcome.WRONG_MODE
        if event.account is not None:
            return Outcome.FOREIGN_ACCOUNT
        if event.type not in HEEDED_EVENTS or event.type in _NOTED_EVENTS:
            return Outcome.IGNORED
        if event.checkout is None:
            return await self._have_it_looked_at(event, tx)
        if event.type == "checkout.session.expired":
            return await self._close(event.checkout, tx, "expired", Outcome.EXPIRED)
        if event.type == "checkout.session.async_payment_failed":
            return await self._close(event.checkout, tx, "failed", Outcome.NOT_PAID)
        return await self._fulfil(event.checkout, tx)

    async def _have_it_looked_at(self, event: PaymentEvent, tx: Intakes) -> Outcome:
        """News about money only say where to look: they may be old, or overtaken."""
        if event.type in _PAID_EVENTS:
            return Outcome.UNREADABLE
        if event.payment_intent_id is None:
            return Outcome.IGNORED
        await tx.operations.ask_for(OperationKind.LOOK, event.payment_intent_id)
        return Outcome.TO_BE_LOOKED_AT

    async def _close(
        self, checkout: CheckoutSession, tx: Intakes, status: str, outcome: Outcome
    ) -> Outcome:
        intake_id = _intake_id(checkout)
        if intake_id is None:
            return Outcome.FOREIGN
        await tx.conclude(intake_id, status)
        return outcome

    async def _fulfil(self, checkout: CheckoutSession, tx: Intakes) -> Outcome:
        """The intake decides; everything the payment says is only compared with it."""
        intake_id = _intake_id(checkout)
        if intake_id is None:
            return Outcome.FOREIGN
        intake = await tx.intake(intake_id)
        if intake is None:
            return Outcome.UNKNOWN_INTAKE if checkout.is_paid else Outcome.FOREIGN
        if checkout.livemode is not self._livemode:
            return Outcome.WRONG_MODE
        if intake.capture is CaptureMode.HOLD and checkout.payment is None:
            return await self._look_at_the_hold(checkout, tx)
        await tx.lock_customer(intake.customer)  # so that this and a look see each other
        payment = _payment_for(intake, checkout)
        if isinstance(payment, Outcome):
            return payment
        if await self._is_gone(checkout, tx):
            await self._dispatch(intake, payment, tx, void=CancelReason.CASHIER)
            return Outcome.TAKEN_BACK
        await self._dispatch(intake, payment, tx)
        return Outcome.FULFILLED

    async def _is_gone(self, checkout: CheckoutSession, tx: Intakes) -> bool:
        """Was the money there, and is there no longer? News of a payment may be older than that."""
        if checkout.payment:
            return checkout.payment.is_gone
        payment_id = checkout.payment_intent_id
        return payment_id is not None and await tx.operations.is_gone(payment_id)

    async def _look_at_the_hold(self, checkout: CheckoutSession, tx: Intakes) -> Outcome:
        """A page does not say whether money is held; the payment does, and is fetched later."""
        if not checkout.is_complete:
            return Outcome.NOT_PAID_YET
        await tx.operations.ask_for(OperationKind.LOOK, checkout.id)
        return Outcome.TO_BE_LOOKED_AT

    async def _dispatch(
        self, intake: Intake, payment: Payment, tx: Intakes, void: CancelReason | None = None
    ) -> SessionRequest:
        """The one entry to dispatch, for paid and free bookings alike."""
        plan = await tx.plan(intake.plan_code)
        assert plan, "an intake names an existing plan"
        enabled = await self._priority_enabled(intake.customer, tx)
        request_id = request_id_of(intake.id, payment.checkout_session)
        if await tx.live_request_of(intake.customer, but=request_id):
            void = CancelReason.SECOND_PURCHASE
        command = RequestSession(
            request_id=request_id,
            customer=intake.customer,
            intake=intake.id,
            plan=plan.code,
            payment=payment,
            routing_type=intake.routing_type,
            chain=self._terms.chain(intake.preferred, plan),
            policy=self._terms.policy(priority_enabled=enabled),
            void=void,
        )
        request = await self._dispatcher.request_session(command, tx.requests)
        await tx.conclude(intake.id, "paid")
        await tx.expire_other_pages(intake.customer, but=intake.id)
        return request

    async def _priority_enabled(self, customer: CustomerId, tx: Intakes) -> bool:
        """A flag that cannot be read is off: the job is dispatched in any case, and counted."""
        try:
            async with tx.transaction() as attempt:
                return is_on_for(await attempt.flag(FAVORITES_PRIORITY), customer)
        except Unavailable:
            raise
        except Exception:
            log.exception("flag_unreadable", flag=FAVORITES_PRIORITY)
            PRIORITY_ERRORS.inc()
            return False


def _payment_for(intake: Intake, checkout: CheckoutSession) -> Payment | Outcome:
    """The money behind a page: taken, or held, or gone again. Else what is wrong with it."""
    money = checkout.payment
    came = checkout.is_complete and (money.has_come if money else checkout.is_paid)
    if not came:
        return Outcome.NOT_PAID_YET
    held = money is not None and money.is_held
    short = held and money is not None and money.amount_capturable < intake.amount
    if short or (checkout.amount_total, checkout.currency) != (intake.amount, intake.currency):
        return Outcome.WRONG_AMOUNT
    return Payment(checkout.id, checkout.payment_intent_id, hold=held)


def _intake_id(checkout: CheckoutSession) -> IntakeId | None:
    """Our own id on the payment page; None when the page is not ours."""
    return _as_intake_id(checkout.client_reference_id) or intake_id_of(checkout.metadata)


def intake_id_of(metadata: Mapping[str, str]) -> IntakeId | None:
    """Our own id on something that we have given our metadata to."""
    return _as_intake_id(metadata.get("intake_id"))


def _as_intake_id(reference: str | None) -> IntakeId | None:
    try:
        return IntakeId(UUID(reference)) if reference else None
    except ValueError:
        return None
