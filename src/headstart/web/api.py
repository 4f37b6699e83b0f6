"""The HTTP API, version 1. Names are promises; who may do what is ``core.access``."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Path
from pydantic import BaseModel, ConfigDict, Field

from headstart.app.intake import Booking
from headstart.app.ports import Unavailable
from headstart.app.views import Payload, customer_view, extension_minutes, offer_card
from headstart.core import commands
from headstart.core.access import ORDERED_BY, Operation, Principal, Role, may, relation
from headstart.core.commands import Actor
from headstart.core.refusals import Refusal
from headstart.core.request import (
    CustomerId,
    Matched,
    MechanicId,
    RequestId,
    RoutingType,
    SessionRequest,
)
from headstart.web.doors import door
from headstart.web.people import Headstart, SignedIn
from headstart.web.problems import Problem
from headstart.web.reasons import Reason
from headstart.web.service import Service

IDEMPOTENCY_KEY_CHARACTERS_MAX = 255

router = APIRouter(prefix="/api/v1", tags=["api"])

IdempotencyKey = Annotated[
    str | None,
    Header(max_length=IDEMPOTENCY_KEY_CHARACTERS_MAX, pattern=r"^[\x21-\x7e]+$"),
]
RequestPath = Annotated[UUID, Path(alias="request_id")]


class NewIntake(BaseModel):
    """A booking before payment. The price comes from the plan and from nowhere else."""

    model_config = ConfigDict(extra="ignore")

    plan: str = Field(max_length=40)
    preferred_mechanic_id: UUID | None = None
    preferred_mechanic_ids: list[UUID] = Field(default=[], max_length=20)
    routing_type: RoutingType | None = None
    specialist: bool = False
    urgent: bool = False
    concern: str = ""
    vehicle: str = ""
    contact_email: str = Field(default="", max_length=320)
    contact_phone: str = Field(default="", max_length=40)

    def booking(self) -> Booking:
        """Favourites in order, each once. Without a routing type a favourite asks for priority."""
        named = [self.preferred_mechanic_id] if self.preferred_mechanic_id else []
        preferred = tuple(
            dict.fromkeys(MechanicId(one) for one in named + self.preferred_mechanic_ids)
        )
        implied = RoutingType.PRIORITY_BROADCAST if preferred else RoutingType.BROADCAST
        return Booking(
            plan=self.plan,
            routing_type=self.routing_type or implied,
            preferred=preferred,
            specialist=self.specialist,
            urgent=self.urgent,
            concern=self.concern,
            vehicle=self.vehicle,
            contact_email=self.contact_email,
            contact_phone=self.contact_phone,
        )


class Said(BaseModel):
    """Why. Operators have to say it; of others it is not kept."""

    reason: Reason | None = None


class Assignment(BaseModel):
    """Who has agreed to come, and how an operator knows."""

    mechanic_id: UUID
    reason: Reason


class NewPresence(BaseModel):
    """Going on or off duty. A ``heartbeat`` only proves being there: nobody comes on duty by it."""

    on_duty: bool
    heartbeat: bool = False


@router.post(
    "/intakes", status_code=HTTPStatus.CREATED, dependencies=[door(Operation.INTAKE_CREATE)]
)
async def create_intake(
    body: NewIntake, who: SignedIn, service: Headstart, idempotency_key: IdempotencyKey = None
) -> Payload:
    """Keep a booking and say where it is paid (or, when it is free, where it can be watched)."""
    customer = CustomerId(who.id)
    booking = body.booking()
    submitted = await service.desk.submit(customer, booking, idempotency_key)
    page = f"{service.settings.address}/requests/{submitted.request_id}"
    return {
        "intake_id": str(submitted.intake_id),
        "checkout_url": submitted.checkout_url or page,
        "session_id": str(submitted.request_id) if submitted.request_id else None,
    }


@router.get("/session-requests/{request_id}", dependencies=[door(Operation.REQUEST_READ)])
async def read_request(request_id: RequestPath, who: SignedIn, service: Headstart) -> Payload:
    """One request, as this person may see it."""
    return await request_view(service, who, RequestId(request_id))


async def request_view(service: Service, who: Principal, request_id: RequestId) -> Payload:
    """The view for a person's role; 404 for those who may not know that it exists."""
    asking = [MechanicId(who.id)] if who.role is Role.MECHANIC else []
    found = await service.requests.see([request_id], concerned=asking)
    request = found[0].request if found else None
    if request is None or not may(
        who, Operation.REQUEST_READ, relation(who, request, found[0].facts)
    ):
        raise Problem.of_refusal(Refusal.UNKNOWN_REQUEST)
    async with service.views.on_behalf_of(who) as views:
        of_a_mechanic = who.role is Role.MECHANIC
        read = views.offer_card if of_a_mechanic else views.customer_view
        row = await read(request_id)
    if row is None:  # taken from their sight between the two readings, or a rule that is wrong
        raise Problem.of_refusal(Refusal.UNKNOWN_REQUEST)
    if of_a_mechanic:
        return offer_card(row, found[0].now) | summary(request, who)
    more = extension_minutes(found[0])
    return customer_view(row, found[0].now) | {"extension_minutes": more}


def summary(request: SessionRequest, who: Principal) -> Payload:
    """Where a request stands. A mechanic learns who won only when it was them."""
    state = request.state
    winner = state.mechanic if isinstance(state, Matched) else None
    names_winner = winner is not None and (who.role is not Role.MECHANIC or winner == who.id)
    return {
        "session_id": str(request.id),
        "status": status_of(request),
        "version": request.version,
        "due_at": request.due_at.isoformat() if request.due_at else None,
        "matched_mechanic_id": str(winner) if names_winner else None,
    }


def status_of(request: SessionRequest) -> str:
    """The status as stored."""
    name = type(request.state).__name__.lower()
    return "pending" if name in ("reserved", "open") else name


MechanicCommand = Callable[[RequestId, MechanicId, Actor], commands.Command]
RequestCommand = Callable[[RequestId, Actor], commands.Command]


async def order(
    service: Service,
    who: Principal,
    command: commands.Command,
    key: str | None,
    reason: str | None = None,
) -> Payload:
    """Execute a command for a person, who has passed the door of its operation. Operators say
    why."""
    if who.role is not Role.OPERATOR:
        reason = None
    elif reason is None:
        raise Problem.of_field("reason", "Say why: what an operator does is kept with its reason.")
    command_key = f"{type(command).__name__}:{who.id}:{key}" if key else None
    outcome = await service.dispatcher.execute(
        command, who=who, command_key=command_key, reason=reason
    )
    if isinstance(outcome, Refusal):
        raise Problem.of_refusal(outcome)
    return summary(outcome.request, who) | {"changed": outcome.changed}


def _add_command(
    path: str,
    summary_line: str,
    kind: type[Any],
    build: Callable[[type[Any]], Callable[[RequestId, Principal], Any]],
) -> None:
    async def endpoint(
        request_id: RequestPath,
        who: SignedIn,
        service: Headstart,
        body: Said | None = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Payload:
        command = build(kind)(RequestId(request_id), who)
        return await order(service, who, command, idempotency_key, body.reason if body else None)

    endpoint.__doc__ = summary_line
    router.add_api_route(
        f"/session-requests/{{request_id}}/{path}",
        endpoint,
        methods=["POST"],
        dependencies=[door(ORDERED_BY[kind])],
        name=path,
        operation_id=path,
    )


def _by_mechanic(kind: type[Any]) -> Callable[[RequestId, Principal], Any]:
    return lambda request_id, who: kind(request_id, MechanicId(who.id), who.actor)


def _by_person(kind: type[Any]) -> Callable[[RequestId, Principal], Any]:
    return lambda request_id, who: kind(request_id, who.actor)


def _on_match(kind: type[Any]) -> Callable[[RequestId, Principal], Any]:
    """By the mechanic whose match it is, or by an operator."""

    def build(request_id: RequestId, who: Principal) -> Any:
        mechanic = MechanicId(who.id) if who.role is Role.MECHANIC else None
        return kind(request_id, mechanic, who.actor)

    return build


_add_command(
    "acceptance", "Accept an offer: the first to do so wins.", commands.AcceptOffer, _by_mechanic
)
_add_command("declination", "Say no to an offer.", commands.DeclineOffer, _by_mechanic)
_add_command("broadcast", "Ask everyone now.", commands.AskEveryone, _by_person)
_add_command(
    "extension", "Give the favourite more time to answer.", commands.ExtendWindow, _by_person
)
_add_command("cancellation", "Withdraw the request.", commands.CancelRequest, _by_person)
_add_command(
    "release",
    "Withdraw from a match; the request is dispatched again.",
    commands.ReleaseMatch,
    _on_match,
)
_add_command(
    "arrival", "The matched mechanic has joined the session.", commands.JoinSession, _by_mechanic
)
_add_command("completion", "The session is over.", commands.CompleteSession, _on_match)


@router.post(
    "/session-requests/{request_id}/assignment",
    dependencies=[door(Operation.REQUEST_ASSIGN)],
    operation_id="assignment",
)
async def assign(
    request_id: RequestPath,
    who: SignedIn,
    service: Headstart,
    body: Assignment,
    idempotency_key: IdempotencyKey = None,
) -> Payload:
    """Match a mechanic who has agreed by other means."""
    mechanic = MechanicId(body.mechanic_id)
    command = commands.AssignMechanic(RequestId(request_id), mechanic, who.actor)
    return await order(service, who, command, idempotency_key, body.reason)


@router.get("/offers", dependencies=[door(Operation.OFFER_LIST)])
async def list_offers(who: SignedIn, service: Headstart) -> Payload:
    """What this mechanic may accept now, and the job they have."""
    return await offers_snapshot(service, MechanicId(who.id))


async def offers_snapshot(service: Service, mechanic: MechanicId) -> Payload:
    """The truth behind a mechanic's screen."""
    async with service.views.on_behalf_of(Principal(Role.MECHANIC, mechanic)) as views:
        cards, job = await views.offers(), await views.job()
    now = await service.requests.clock()
    return {
        "offers": [offer_card(card, now) for card in cards],
        "job": offer_card(job, now) if job else None,
        "server_now": now.isoformat(),
    }


@router.get("/session-requests", dependencies=[door(Operation.REQUEST_LIST)])
async def list_requests(who: SignedIn, service: Headstart) -> Payload:
    """A customer's latest requests."""
    return await requests_snapshot(service, CustomerId(who.id))


async def requests_snapshot(service: Service, customer: CustomerId) -> Payload:
    """The truth behind a customer's screen."""
    async with service.views.on_behalf_of(Principal(Role.CUSTOMER, customer)) as views:
        rows = await views.requests()
    now = await service.requests.clock()
    return {"requests": [customer_view(row, now) for row in rows], "server_now": now.isoformat()}


@router.put("/presence", dependencies=[door(Operation.PRESENCE_WRITE)])
async def put_presence(body: NewPresence, who: SignedIn, service: Headstart) -> Payload:
    """Go on or off duty. Repeat it before the lease ends to stay online; as a ``heartbeat`` it does
    not bring back whoever was set off duty meanwhile, and the answer says so."""
    people, mechanic = service.people, MechanicId(who.id)
    lease = timedelta(seconds=service.settings.presence_lease_s)
    presence = await people.prove_presence(mechanic, lease=lease) if body.heartbeat else None
    if presence is None:
        on_duty = body.on_duty and not body.heartbeat
        presence = await people.set_presence(mechanic, on_duty=on_duty, lease=lease)
    if not body.on_duty:
        service.wakeups.announce()  # a policy may end the window of somebody who goes
    return {
        "on_duty": presence["on_duty"],
        "lease_until": presence["lease_until"].isoformat(),
        "last_seen": presence["last_seen"].isoformat(),
    }


@router.get("/mechanics/{mechanic_id}/status", dependencies=[door(Operation.PRESENCE_READ)])
async def mechanic_status(mechanic_id: UUID, _: SignedIn, service: Headstart) -> Payload:
    """Whether a mechanic is online, and when they were last seen. ``is_online`` is null when nobody
    can know it now: nobody is ever called offline who may only not have been heard.
    """
    try:
        known = await service.people.mechanic(MechanicId(mechanic_id))
        presence = await service.people.presence(MechanicId(mechanic_id))
    except Unavailable:
        return {"is_online": None, "last_seen": None}
    if known is None:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown_mechanic", "There is no such mechanic.")
    if presence is None:
        return {"is_online": None, "last_seen": None}
    return {"is_online": presence["is_online"], "last_seen": presence["last_seen"].isoformat()}


@router.get("/favorites", dependencies=[door(Operation.FAVORITE_READ)])
async def list_favorites(who: SignedIn, service: Headstart) -> Payload:
    """A customer's favourites, in their order."""
    async with service.views.on_behalf_of(who) as views:
        found = await views.favorites()
    return {"favorites": [_favorite(one) for one in found]}


@router.get("/favorites/{mechanic_id}", dependencies=[door(Operation.FAVORITE_READ)])
async def read_favorite(mechanic_id: UUID, who: SignedIn, service: Headstart) -> Payload:
    """Whether a mechanic is this customer's favourite: 404 if not."""
    async with service.views.on_behalf_of(who) as views:
        found = await views.favorite(MechanicId(mechanic_id))
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, "not_a_favorite", "This is not one of your favourites.")
    return _favorite(found)


@router.put("/favorites/{mechanic_id}", dependencies=[door(Operation.FAVORITE_WRITE)])
async def put_favorite(mechanic_id: UUID, who: SignedIn, service: Headstart) -> Payload:
    """Save a favourite."""
    customer, mechanic = CustomerId(who.id), MechanicId(mechanic_id)
    if not await service.people.add_favorite(customer, mechanic):
        raise Problem(HTTPStatus.NOT_FOUND, "unknown_mechanic", "There is no such mechanic.")
    return await read_favorite(mechanic_id, who, service)


@router.delete(
    "/favorites/{mechanic_id}",
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=[door(Operation.FAVORITE_WRITE)],
)
async def delete_favorite(mechanic_id: UUID, who: SignedIn, service: Headstart) -> None:
    """Forget a favourite. A request in flight is not changed by it."""
    await service.people.remove_favorite(CustomerId(who.id), MechanicId(mechanic_id))


def _favorite(row: Mapping[str, Any]) -> Payload:
    return {
        "mechanic_id": str(row["mechanic_id"]),
        "name": row["name"],
        "rank": row["rank"],
        "since": row["since"].isoformat(),
    }
