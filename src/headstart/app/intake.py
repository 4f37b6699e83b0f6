"""Before the payment: check the booking, keep it, and open the page where it is paid."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Self
from urllib.parse import urlencode
from uuid import UUID

from headstart.app.flags import FAVORITES_PRIORITY, is_on_for
from headstart.app.fulfilment import Fulfilment, request_id_of
from headstart.app.ports import (
    CheckoutOrder,
    CheckoutSession,
    Intake,
    Intakes,
    Payments,
    PaymentsUnavailable,
    Plan,
)
from headstart.app.terms import Terms
from headstart.core.commands import Payment, RequestSession
from headstart.core.decide import decide
from headstart.core.events import RequestReserved
from headstart.core.policy import CHAIN_STEPS_MAX, PolicyError, require_room_to_broadcast
from headstart.core.refusals import Refusal
from headstart.core.request import CustomerId, IntakeId, MechanicId, RequestId, RoutingType

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")  # the payment service checks the rest
CHARACTERS_MAX = {
    "plan": 40,
    "concern": 2_000,
    "vehicle": 200,
    "contact_email": 320,
    "contact_phone": 40,
}
CHECKOUT_ATTEMPTS_MAX = 3  # of one call; each but the last ended in a failure that is kept
NOBODYS = UUID(int=0)  # for a request that is only imagined


class BadIntake(Exception):
    """A booking that cannot be taken: which field, and why, in words for the person who booked."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class CheckoutExpired(Exception):
    """The idempotency key leads to a payment page that nobody used in time."""


class AlreadyBooked(Exception):
    """One request at a time: the customer's other one has not ended. Nothing was paid."""

    def __init__(self, request_id: RequestId) -> None:
        super().__init__(str(request_id))
        self.request_id = request_id


class KeyReused(Exception):
    """The idempotency key came before, with another booking."""


@dataclass(frozen=True, slots=True)
class Booking:
    """What the customer chose."""

    plan: str
    routing_type: RoutingType = RoutingType.BROADCAST
    preferred: tuple[MechanicId, ...] = ()
    specialist: bool = False
    urgent: bool = False
    concern: str = ""
    vehicle: str = ""
    contact_email: str = ""
    contact_phone: str = ""

    @property
    def fingerprint(self) -> str:
        """Equal bookings have equal fingerprints."""
        return hashlib.sha256(json.dumps(asdict(self), default=str).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Submitted:
    """A kept booking: pay at ``checkout_url``, or, when it is free, watch ``request_id``."""

    intake_id: IntakeId
    checkout_url: str | None = None
    request_id: RequestId | None = None


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the payment page sends the customer."""

    base: str

    @property
    def success(self) -> str:
        """With the placeholder that Stripe fills in; encoded braces would not be recognised."""
        return f"{self.base}/intake/success?session_id={{CHECKOUT_SESSION_ID}}"

    def cancel(self, booking: Booking) -> str:
        """Back to the same intake, with everything that was chosen."""
        chosen: list[tuple[str, str]] = [("plan", booking.plan)]
        if booking.preferred:
            chosen.append(("preferred_mechanic_id", str(booking.preferred[0])))
        if booking.routing_type is not RoutingType.BROADCAST:
            chosen.append(("routing_type", booking.routing_type))
        chosen += [(name, "true") for name in ("specialist", "urgent") if getattr(booking, name)]
        return f"{self.base}/intake?{urlencode(chosen)}"


class IntakeDesk:
    """Takes bookings."""

    def __init__(
        self,
        intakes: Intakes,
        fulfilment: Fulfilment,
        payments: Payments | None,
        terms: Terms,
        *,
        addresses: Addresses,
        checkout_lifetime: timedelta,
        new_id: Callable[[], UUID],
    ) -> None:
        self._intakes = intakes
        self._fulfilment = fulfilment
        self._payments = payments
        self._terms = terms
        self._addresses = addresses
        self._checkout_lifetime = checkout_lifetime
        self._new_id = new_id

    def returning_to(self, addresses: Addresses) -> Self:
        """The same desk, whose payment pages send customers back to these addresses."""
        other = copy(self)
        other._addresses = addresses
        return other

    async def submit(
        self, customer: CustomerId, booking: Booking, idempotency_key: str | None
    ) -> Submitted:
        """Commit the intake, then open the payment page, or dispatch at once when it is free.

        Raises BadIntake, AlreadyBooked, KeyReused, CheckoutExpired and PaymentsUnavailable; after
        the last, the same key goes on where this call stopped.
        """
        plan = await self._checked_plan(booking)
        fresh = _intake(IntakeId(self._new_id()), customer, booking, plan)
        async with self._intakes.transaction() as tx:  # who is refused leaves nothing behind
            intake = await tx.keep(fresh, idempotency_key, self._checkout_lifetime)
            if intake.fingerprint != fresh.fingerprint:
                raise KeyReused
            if intake.status != "paid":
                await _refuse_a_second(intake, tx)
        if intake.amount == 0:
            await self._fulfilment.fulfil_free(intake)
            return Submitted(intake.id, request_id=request_id_of(intake.id, None))
        return Submitted(intake.id, checkout_url=await self._checkout_url(intake, plan, booking))

    async def promise(
        self, customer: CustomerId, mechanic: MechanicId, plan: Plan
    ) -> timedelta | None:
        """The window this favourite would get if the booking were paid now; None when everybody
        would be asked at once. Screens may promise this and nothing else: it is the rules' own
        answer."""
        flag = await self._intakes.flag(FAVORITES_PRIORITY)
        seen = await self._intakes.requests.see_facts(customer, [mechanic])
        command = RequestSession(
            request_id=RequestId(NOBODYS),
            customer=customer,
            intake=IntakeId(NOBODYS),
            plan=plan.code,
            payment=Payment(),
            routing_type=RoutingType.PRIORITY_BROADCAST,
            chain=self._terms.chain((mechanic,), plan),
            policy=self._terms.policy(priority_enabled=is_on_for(flag, customer)),
        )
        events = decide(None, command, seen.facts, now=seen.now)
        assert not isinstance(events, Refusal), "a new request is never refused"
        return next((one.window for one in events if isinstance(one, RequestReserved)), None)

    async def unpaid(self, customer: CustomerId) -> Intake | None:
        """A booking that only waits for its payment; none while another request goes on, since
        that would be refused."""
        unpaid = await self._intakes.unpaid(customer)
        if unpaid is None:
            return None
        own = request_id_of(unpaid.id, unpaid.checkout_session_id)
        busy = await self._intakes.live_request_of(customer, but=own)
        return None if busy else unpaid

    async def plan(self, code: str) -> Plan:
        """A plan on sale; BadIntake for anything else."""
        plan = await self._intakes.plan(code)
        if plan is None or not plan.active:
            raise BadIntake("plan", f"There is no plan called “{code[:40]}”.")
        return plan

    async def _checked_plan(self, booking: Booking) -> Plan:
        _check_texts(booking)
        plan = await self.plan(booking.plan)
        if len(booking.preferred) > CHAIN_STEPS_MAX:
            raise BadIntake(
                "preferred_mechanic_id", f"Name {CHAIN_STEPS_MAX} favourites at the most."
            )
        windows = [step.window for step in self._terms.chain(booking.preferred, plan)]
        try:
            require_room_to_broadcast(self._terms.base_policy, *windows)
        except PolicyError as error:
            if len(windows) > 1:  # one alone that does not fit is not the customer's mistake
                message = f"Too many favourites: {error}."
                raise BadIntake("preferred_mechanic_id", message) from error
        return plan

    async def _checkout_url(self, intake: Intake, plan: Plan, booking: Booking) -> str:
        if intake.status == "expired":
            raise CheckoutExpired
        if intake.checkout_url is not None:
            return intake.checkout_url
        if self._payments is None or intake.checkout_expires_at is None:
            raise PaymentsUnavailable("no payment service is configured")
        checkout = await self._open_page(
            self._payments,
            CheckoutOrder(
                intake_id=intake.id,
                attempt=1,
                plan_name=plan.name,
                amount=intake.amount,
                currency=intake.currency,
                success_url=self._addresses.success,
                cancel_url=self._addresses.cancel(booking),
                expires_at=intake.checkout_expires_at,
                customer_email=intake.contact_email or None,
                metadata=checkout_metadata(intake),
                capture=intake.capture,
            ),
        )
        if checkout.url is None:
            raise PaymentsUnavailable(f"the payment page is {checkout.status}")
        await self._intakes.at_checkout(intake.id, checkout.id, checkout.url)
        return checkout.url

    async def _open_page(self, payments: Payments, order: CheckoutOrder) -> CheckoutSession:
        """A failure that is kept under the key is repeated to it for a day; the next attempt has
        another key. A page that was made behind such a failure is known to nobody, and expires."""
        try:
            return await payments.create_checkout(order)
        except PaymentsUnavailable as error:
            if not error.stored or order.attempt == CHECKOUT_ATTEMPTS_MAX:
                raise
        return await self._open_page(payments, replace(order, attempt=order.attempt + 1))


async def _refuse_a_second(intake: Intake, tx: Intakes) -> None:
    """Before anything is paid. Two pages paid at once are settled when the second pays."""
    own = request_id_of(intake.id, intake.checkout_session_id)
    other = await tx.live_request_of(intake.customer, but=own)
    if other is not None:
        raise AlreadyBooked(other)


def checkout_metadata(intake: Intake) -> Mapping[str, str]:
    """A copy, under the plan's keys, for people and look-ups. The intake decides."""
    metadata = {
        "intake_id": str(intake.id),
        "plan": intake.plan_code,
        "specialist": str(intake.specialist).lower(),
        "urgent": str(intake.urgent).lower(),
        "routing_type": intake.routing_type.value,
    }
    if intake.preferred:
        metadata["preferred_mechanic_id"] = str(intake.preferred[0])
    return metadata


def _intake(intake_id: IntakeId, customer: CustomerId, booking: Booking, plan: Plan) -> Intake:
    return Intake(
        id=intake_id,
        customer=customer,
        plan_code=plan.code,
        amount=plan.price(specialist=booking.specialist),
        currency=plan.currency,
        routing_type=booking.routing_type,
        preferred=booking.preferred,
        specialist=booking.specialist,
        urgent=booking.urgent,
        concern=booking.concern.strip(),
        vehicle=booking.vehicle.strip(),
        contact_email=booking.contact_email.strip(),
        contact_phone=booking.contact_phone.strip(),
        fingerprint=booking.fingerprint,
        capture=plan.capture,
    )


def _check_texts(booking: Booking) -> None:
    for name, most in CHARACTERS_MAX.items():
        text: str = getattr(booking, name)
        if len(text) > most:
            raise BadIntake(name, f"Please use {most} characters at the most.")
        if not _can_be_kept(text):
            raise BadIntake(name, "This contains a character that cannot be kept.")
    if booking.contact_email and not EMAIL.fullmatch(booking.contact_email):
        raise BadIntake("contact_email", "This does not look like an e-mail address.")


def _can_be_kept(text: str) -> bool:
    """PostgreSQL keeps neither NUL nor half a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= one <= "\udfff" for one in text)
