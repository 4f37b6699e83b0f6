"""The mechanic's page: on duty or not, the job, offers by name, offers to all."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse

from headstart.core import commands
from headstart.core.access import Operation
from headstart.core.commands import Actor, Command
from headstart.core.refusals import Refusal
from headstart.core.request import MechanicId, RequestId
from headstart.web.api import offers_snapshot
from headstart.web.doors import door
from headstart.web.pages.acting import RequestInPath, act
from headstart.web.pages.persons import Mechanic
from headstart.web.people import Headstart
from headstart.web.rendering import Person, render

PAGE = "/mechanic"
SAID: Mapping[str, str] = {
    "accepted": "The job is yours.",
    "declined": "You declined. It will not be offered to you again.",
    "released": "You gave the job back. Others are asked now.",
    "completed": "Done. You can take the next job.",
    **{refusal.value: refusal.sentence for refusal in Refusal},
}

router = APIRouter()

Order = Callable[[RequestId, MechanicId, Actor], Command]


@router.get(PAGE, dependencies=[door(Operation.OFFER_LIST)])
async def duty(service: Headstart, person: Mechanic, said: str = "") -> HTMLResponse:
    """Everything this mechanic may accept now, and the job they have."""
    mechanic = MechanicId(person.id)
    snapshot = await offers_snapshot(service, mechanic)
    presence = await service.people.presence(mechanic)
    return render(
        "mechanic.html",
        person,
        by_name=[card for card in snapshot["offers"] if card["priority"]],
        to_all=[card for card in snapshot["offers"] if not card["priority"]],
        job=snapshot["job"],
        on_duty=bool(presence and presence["on_duty"]),
        lease_s=service.settings.presence_lease_s,
        said=SAID.get(said),
        server_now=snapshot["server_now"],
    )


@router.post(f"{PAGE}/duty", dependencies=[door(Operation.PRESENCE_WRITE)])
async def change_duty(
    service: Headstart, person: Mechanic, on_duty: Annotated[bool, Form()]
) -> RedirectResponse:
    """Come on duty, or go. The page proves from then on, again and again, that they are there."""
    lease = timedelta(seconds=service.settings.presence_lease_s)
    await service.people.set_presence(MechanicId(person.id), on_duty=on_duty, lease=lease)
    service.wakeups.announce()
    return RedirectResponse(PAGE, HTTPStatus.SEE_OTHER)


@router.post(
    f"{PAGE}/offers/{{request_id}}/acceptance", dependencies=[door(Operation.OFFER_ACCEPT)]
)
async def accept(
    request_id: RequestInPath, service: Headstart, person: Mechanic
) -> RedirectResponse:
    """The first to do so wins."""
    return await _act(service, person, commands.AcceptOffer, request_id, "accepted")


@router.post(
    f"{PAGE}/offers/{{request_id}}/declination", dependencies=[door(Operation.OFFER_DECLINE)]
)
async def decline(
    request_id: RequestInPath, service: Headstart, person: Mechanic
) -> RedirectResponse:
    """A favourite's no ends their turn at once."""
    return await _act(service, person, commands.DeclineOffer, request_id, "declined")


@router.post(f"{PAGE}/job/{{request_id}}/release", dependencies=[door(Operation.MATCH_RELEASE)])
async def release(
    request_id: RequestInPath, service: Headstart, person: Mechanic
) -> RedirectResponse:
    """Others are asked again."""
    return await _act(service, person, commands.ReleaseMatch, request_id, "released")


@router.post(f"{PAGE}/job/{{request_id}}/completion", dependencies=[door(Operation.MATCH_COMPLETE)])
async def complete(
    request_id: RequestInPath, service: Headstart, person: Mechanic
) -> RedirectResponse:
    """The session is over."""
    return await _act(service, person, commands.CompleteSession, request_id, "completed")


async def _act(
    service: Headstart, person: Person, order: Order, request_id: RequestId, done: str
) -> RedirectResponse:
    who = person.principal
    command = order(request_id, MechanicId(person.id), who.actor)
    return await act(service, who, command, page=PAGE, done=done)
