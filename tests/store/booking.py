"""Bookings for tests: an intake that exists, and the command that turns it into a request."""

from datetime import timedelta
from uuid import uuid4

from headstart.app.dispatcher import Dispatcher
from headstart.app.ports import CaptureMode, Intake, PaymentIntent
from headstart.core.commands import Actor, Payment, RequestSession
from headstart.core.policy import OfflinePolicy, Policy
from headstart.core.request import (
    ChainStep,
    CustomerId,
    IntakeId,
    MechanicId,
    RequestId,
    RoutingType,
    SessionRequest,
)
from headstart.store.intakes import IntakeStore

POLICY = Policy(
    priority_enabled=True,
    offline=OfflinePolicy.WAIT,
    offline_window=timedelta(minutes=2),
    overall_limit=timedelta(minutes=30),
    broadcast_minimum=timedelta(minutes=5),
    join_limit=None,
)
WINDOW = timedelta(minutes=10)


def mechanic_actor(mechanic: MechanicId) -> Actor:
    """A mechanic, as named on events."""
    return Actor("mechanic", str(mechanic))


async def booking(
    intakes: IntakeStore,
    customer: CustomerId,
    *favorites: MechanicId,
    policy: Policy = POLICY,
    window: timedelta = WINDOW,
) -> RequestSession:
    """A paid booking that asks for these favourites in order; none: a plain broadcast."""
    routing = RoutingType.PRIORITY_BROADCAST if favorites else RoutingType.BROADCAST
    intake_id = IntakeId(uuid4())
    intake = Intake(
        id=intake_id,
        customer=customer,
        plan_code="standard",
        amount=2999,
        currency="cad",
        routing_type=routing,
        preferred=favorites,
        specialist=False,
        urgent=False,
        concern="The brakes squeal",
        vehicle="2015 Honda Civic",
        contact_email="",
        contact_phone="",
        fingerprint="",
    )
    await intakes.keep(intake, None, timedelta(minutes=30))
    return RequestSession(
        request_id=RequestId(uuid4()),
        customer=customer,
        intake=intake_id,
        plan="standard",
        payment=Payment(f"cs_test_{intake_id}", f"pi_{intake_id}"),
        routing_type=routing,
        chain=tuple(ChainStep(favorite, window) for favorite in favorites),
        policy=policy,
    )


async def book(
    dispatcher: Dispatcher, intakes: IntakeStore, customer: CustomerId, *favorites: MechanicId
) -> SessionRequest:
    """A dispatched booking."""
    command = await booking(intakes, customer, *favorites)
    return await dispatcher.request_session(command, intakes.requests)


def money(payment: str, status: str = "succeeded", returned: int = 0) -> PaymentIntent:
    """A payment as it may be seen."""
    held, taken = status == "requires_capture", status == "succeeded"
    return PaymentIntent(
        id=payment,
        status=status,
        capture=CaptureMode.HOLD,
        amount=2999,
        currency="cad",
        amount_capturable=2999 if held else 0,
        amount_received=2999 if taken else 0,
        amount_refunded=returned,
        capture_before=None,
        canceled_at=None,
        cancellation_reason=None,
        disputed=False,
        livemode=False,
        charge_id=None,
        metadata={},
    )
