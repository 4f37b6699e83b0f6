"""The mechanic's pages: duty, the job, offers by name, offers to all, and earlier ones."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse

from headstart.app.ports import WhyNot
from headstart.core import commands
from headstart.core.access import Operation
from headstart.core.commands import Actor, Command
from headstart.core.refusals import Refusal
from headstart.core.request import FallbackReason, MechanicId, RequestId
from headstart.web.api import offers_snapshot
from headstart.web.doors import door
from headstart.web.pages.acting import RequestInPath, act
from headstart.web.pages.persons import Mechanic
from headstart.web.people import Headstart
from headstart.web.rendering import Person, render

PAGE = "/mechanic"
DECLINED = "declined"
SAID: Mapping[str, str] = {
    "accepted": "The job is yours.",
    DECLINED: "You declined. It will not be offered to you again.",
    "noted": "Thank you. Only our team reads it.",
    "released": "You gave the job back. Others are asked now.",
    "completed": "Done. You can take the next job.",
    **{refusal.value: refusal.sentence for refusal in Refusal},
}
WHY_NOT: Mapping[WhyNot, str] = {
    WhyNot.BUSY: "I am busy",
    WhyNot.NOT_MY_FIELD: "Not my field",
    WhyNot.TOO_LITTLE_TIME: "Too little time",
    WhyNot.TOO_LITTLE_PAY: "Too little pay",
    WhyNot.OTHER: "Something else",
}
# What became of an offer, for the one it was made to: never who else was asked, or accepted.
OUTCOMES: Mapping[str, str] = {
    "yours": "Yours.",
    "gave_back": "You gave it back.",
    "did_not_come": "You did not join in time.",
    "declined": "You declined.",
    "time_was_up": "Time was up.",
    "off_duty": "You were off duty.",
    "not_connected": "It could not reach you: you were on duty, but your page was not connected.",
    "withdrawn": "It was withdrawn.",
    "taken": "Taken by someone faster.",
    "assigned": "Our team gave it to another mechanic.",
    "nobody": "Nobody accepted in time.",
    FallbackReason.CUSTOMER_SKIPPED: "The customer chose to ask everyone.",
    FallbackReason.OPERATOR: "Our team chose not to wait any longer.",
    FallbackReason.MECHANIC_BUSY: "You had another job.",
    FallbackReason.MECHANIC_OFFLINE: "You went offline, so everyone was asked.",
    FallbackReason.MECHANIC_UNAVAILABLE: "You were suspended.",
    FallbackReason.ERROR: "A fault of ours: everyone was asked.",
}
MISSED = frozenset({"time_was_up", "off_duty", "not_connected", "taken"})

router = APIRouter()

Order = Callable[[RequestId, MechanicId, Actor], Command]


@router.get(PAGE, dependencies=[door(Operation.OFFER_LIST)])
async def duty(
    service: Headstart, person: Mechanic, said: str = "", about: UUID | None = None
) -> HTMLResponse:
    """Everything this mechanic may accept now, and the job they have."""
    mechanic = MechanicId(person.id)
    snapshot = await offers_snapshot(service, mechanic)
    presence = await service.people.presence(mechanic)
    on_duty = bool(presence and presence["on_duty"])
    async with service.views.on_behalf_of(person.principal) as views:
        sent_away = not on_duty and await views.was_sent_away()
    return render(
        "mechanic.html",
        person,
        by_name=[card for card in snapshot["offers"] if card["priority"]],
        to_all=[card for card in snapshot["offers"] if not card["priority"]],
        job=snapshot["job"],
        on_duty=on_duty,
        sent_away=sent_away,
        missed_max=service.settings.missed_windows_max,
        lease_s=service.settings.presence_lease_s,
        said=SAID.get(said),
        declined=about if said == DECLINED else None,
        why_not=WHY_NOT,
        server_now=snapshot["server_now"],
    )


@router.get(f"{PAGE}/history", dependencies=[door(Operation.OFFER_LIST)])
async def earlier_offers(service: Headstart, person: Mechanic) -> HTMLResponse:
    """What was offered before, and what became of it."""
    async with service.views.on_behalf_of(person.principal) as views:
        offers = await views.offer_history()
    return render(
        "mechanic_history.html",
        person,
        offers=offers,
        outcomes=OUTCOMES,
        missed=MISSED,
        why_not=WHY_NOT,
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
    """A favourite's no ends their turn at once. Why is asked afterwards, and need not be said."""
    more = f"&about={request_id}"
    return await _act(service, person, commands.DeclineOffer, request_id, DECLINED, more)


@router.post(f"{PAGE}/offers/{{request_id}}/why-not", dependencies=[door(Operation.OFFER_DECLINE)])
async def note_why_not(
    request_id: RequestInPath,
    service: Headstart,
    person: Mechanic,
    why: Annotated[WhyNot, Form()],
) -> RedirectResponse:
    """Kept if they have said no to it; it changes nothing."""
    noted = await service.attendance.note(request_id, MechanicId(person.id), why)
    said = "?said=noted" if noted else ""
    return RedirectResponse(f"{PAGE}{said}", HTTPStatus.SEE_OTHER)


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
    service: Headstart,
    person: Person,
    order: Order,
    request_id: RequestId,
    done: str,
    more: str = "",
) -> RedirectResponse:
    who = person.principal
    command = order(request_id, MechanicId(person.id), who.actor)
    return await act(service, who, command, page=PAGE, done=done, more=more)
