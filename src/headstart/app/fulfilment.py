"""From a paid intake to a session request: one entry, whoever brings the news and however often."""

from enum import StrEnum
from uuid import UUID, uuid5

import structlog

from headstart.app.dispatcher import Dispatcher
from headstart.app.flags import FAVORITES_PRIORITY, is_on_for
from headstart.app.ports import (
    CheckoutSession,
    Intake,
    Intakes,
    PaymentEvent,
    Payments,
    Unavailable,
)
from headstart.app.terms import Terms
from headstart.core.commands import Payment, RequestSession
from headstart.core.request import CustomerId, IntakeId, RequestId, SessionRequest
from headstart.telemetry import PRIORITY_ERRORS, WEBHOOKS

_NAMESPACE = UUID("6d3f2f0c-7a51-5c0e-9f3e-0d6a1c2b4e58")
_PAID_EVENTS = ("checkout.session.completed", "checkout.session.async_payment_succeeded")

log = structlog.get_logger()


class Outcome(StrEnum):
    """What became of news about a payment. The quarantined ones need a person."""

    FULFILLED = "fulfilled"
    DUPLICATE = "duplicate"
    NOT_PAID_YET = "not_paid_yet"
    EXPIRED = "expired"
    IGNORED = "ignored"
    FOREIGN = "foreign"
    FOREIGN_ACCOUNT = "quarantined_account"
    WRONG_MODE = "quarantined_mode"
    WRONG_AMOUNT = "quarantined_amount"
    UNREADABLE = "quarantined_unreadable"
    UNKNOWN_INTAKE = "quarantined_unknown_intake"


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
    ) -> None:
        self._intakes = intakes
        self._dispatcher = dispatcher
        self._payments = payments
        self._terms = terms
        self._livemode = livemode

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
        if outcome.startswith("quarantined"):
            log.error("webhook_quarantined", event_id=event.id, outcome=outcome)
        return outcome

    async def settle(self, checkout_session_id: str) -> Intake | None:
        """The success page's way: ask the payment service, fulfil, and answer with the intake.

        None for a page that is not ours. The intake's status says whether it was paid.
        """
        checkout = (
            await self._payments.retrieve_checkout(checkout_session_id) if self._payments else None
        )
        if checkout is None:
            return None
        async with self._intakes.transaction() as tx:
            await self._fulfil(checkout, tx)
            intake_id = _intake_id(checkout)
            intake = await tx.intake(intake_id) if intake_id else None
        self._dispatcher.announce()
        return intake

    async def fulfil_free(self, intake: Intake) -> SessionRequest:
        """A plan that costs nothing takes the same path without a payment."""
        async with self._intakes.transaction() as tx:
            request = await self._dispatch(intake, Payment(), tx)
        self._dispatcher.announce()
        return request

    async def _heed(self, event: PaymentEvent, tx: Intakes) -> Outcome:
        if event.livemode is not self._livemode:
            return Outcome.WRONG_MODE
        if event.account is not None:
            return Outcome.FOREIGN_ACCOUNT
        if event.checkout is None:
            return Outcome.UNREADABLE if event.type in _PAID_EVENTS else Outcome.IGNORED
        if event.type == "checkout.session.expired":
            return await self._expire(event.checkout, tx)
        return (
            await self._fulfil(event.checkout, tx)
            if event.type in _PAID_EVENTS
            else Outcome.IGNORED
        )

    async def _expire(self, checkout: CheckoutSession, tx: Intakes) -> Outcome:
        intake_id = _intake_id(checkout)
        if intake_id is None:
            return Outcome.FOREIGN
        await tx.conclude(intake_id, "expired")
        return Outcome.EXPIRED

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
        if not checkout.is_paid:
            return Outcome.NOT_PAID_YET
        if (checkout.amount_total, checkout.currency) != (intake.amount, intake.currency):
            return Outcome.WRONG_AMOUNT
        payment = Payment(checkout.id, checkout.payment_intent_id)
        await self._dispatch(intake, payment, tx)
        return Outcome.FULFILLED

    async def _dispatch(self, intake: Intake, payment: Payment, tx: Intakes) -> SessionRequest:
        """The one entry to dispatch, for paid and free bookings alike."""
        plan = await tx.plan(intake.plan_code)
        assert plan, "an intake names an existing plan"
        enabled = await self._priority_enabled(intake.customer, tx)
        command = RequestSession(
            request_id=request_id_of(intake.id, payment.checkout_session),
            customer=intake.customer,
            intake=intake.id,
            plan=plan.code,
            payment=payment,
            routing_type=intake.routing_type,
            chain=self._terms.chain(intake.preferred, plan),
            policy=self._terms.policy(priority_enabled=enabled),
        )
        request = await self._dispatcher.request_session(command, tx.requests)
        await tx.conclude(intake.id, "paid")
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


def _intake_id(checkout: CheckoutSession) -> IntakeId | None:
    """Our own id on the payment page; None when the page is not ours."""
    reference = checkout.client_reference_id or checkout.metadata.get("intake_id")
    try:
        return IntakeId(UUID(reference)) if reference else None
    except ValueError:
        return None
