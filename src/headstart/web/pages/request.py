"""The customer's waiting page: what happened, what happens next, and what they can do."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse

from headstart.app.ports import PersonalViews
from headstart.core import commands
from headstart.core.access import Operation
from headstart.core.events import Stage
from headstart.core.refusals import Refusal
from headstart.core.request import MechanicId
from headstart.web.api import request_view
from headstart.web.doors import door
from headstart.web.pages.acting import RequestInPath, act
from headstart.web.pages.persons import Customer
from headstart.web.people import Headstart
from headstart.web.rendering import instant, render
from headstart.web.story import can_accept, mechanics_named, steps, where_the_money_is

Seen = Annotated[int, Form(ge=0, le=2**31 - 1)]  # the version of the request that the page shows

SAID: Mapping[str, str] = {
    "saved": "Saved. You find them among your favourites.",
    "extended": "Done: they have more time to answer.",
    Refusal.NOT_RESERVED: "Their time was over already, so nothing was changed.",
    Refusal.WINDOW_AT_LIMIT: "They cannot be given more time: then everybody else gets a chance.",
    "asking": "Everyone is being asked.",
    "already_booked": "You have this request already. One at a time: nothing more was paid.",
    "cancelled": "Your request is cancelled.",
    Refusal.ALREADY_MATCHED: "A mechanic has accepted in the meantime, so nothing was changed.",
    Refusal.GONE: "This request had already ended, so nothing was changed.",
}

router = APIRouter()


@router.get("/requests/{request_id}", dependencies=[door(Operation.REQUEST_READ)])
async def waiting(
    request_id: RequestInPath, service: Headstart, person: Customer, said: str = ""
) -> HTMLResponse:
    """One request of this customer, told in plain sentences."""
    view = await request_view(service, person.principal, request_id)
    async with service.views.on_behalf_of(person.principal) as views:
        history = await views.history(request_id)
        names = await _names(views, history)
        saved = {one["mechanic_id"] for one in await views.favorites()}
    return render(
        "request.html",
        person,
        view=view,
        steps=steps(view, history, names),
        can_accept=can_accept(history),
        window_s=_window_s(history),
        saving=_whoever_helped(history, saved),
        match=_match(history),
        money_said=where_the_money_is(view),
        said=SAID.get(said),
        server_now=view["server_now"],
    )


@router.post("/requests/{request_id}/broadcast", dependencies=[door(Operation.REQUEST_BROADCAST)])
async def ask_everyone(
    request_id: RequestInPath, service: Headstart, person: Customer
) -> RedirectResponse:
    """Stop waiting for the favourite."""
    who = person.principal
    command = commands.AskEveryone(request_id, who.actor)
    return await act(service, who, command, page=f"/requests/{request_id}", done="asking")


@router.post("/requests/{request_id}/extension", dependencies=[door(Operation.REQUEST_EXTEND)])
async def extend(
    request_id: RequestInPath, service: Headstart, person: Customer, seen: Seen = 0
) -> RedirectResponse:
    """Give the favourite more time. Two clicks on the same page are one wish."""
    who, page = person.principal, f"/requests/{request_id}"
    command = commands.ExtendWindow(request_id, who.actor)
    return await act(service, who, command, page=page, done="extended", key=f"seen-{seen}")


@router.post("/requests/{request_id}/cancellation", dependencies=[door(Operation.REQUEST_CANCEL)])
async def cancel(
    request_id: RequestInPath, service: Headstart, person: Customer
) -> RedirectResponse:
    """Withdraw the request before anybody is matched."""
    who = person.principal
    command = commands.CancelRequest(request_id, who.actor)
    return await act(service, who, command, page=f"/requests/{request_id}", done="cancelled")


async def _names(views: PersonalViews, history: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    """The names of the favourites who were asked, and of whoever accepted."""
    named = [MechanicId(UUID(mechanic)) for mechanic in mechanics_named(history)]
    return {str(mechanic): name for mechanic, name in (await views.names_of(named)).items()}


def _whoever_helped(
    history: Sequence[Mapping[str, Any]], saved: Collection[UUID]
) -> MechanicId | None:
    """Who has done the job, if they could be saved as a favourite."""
    done = [one["payload"]["mechanic"] for one in history if one["kind"] == "session_completed"]
    helped = MechanicId(UUID(done[-1])) if done else None
    return None if helped in saved else helped


def _match(history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """How the last match came about: whether everybody was asked, and whether we assigned it."""
    matches = [one["payload"] for one in history if one["kind"] == "request_matched"]
    match = matches[-1] if matches else {}
    return {"assigned": bool(match.get("assigned")), "open": match.get("stage") == Stage.OPEN}


def _window_s(history: Sequence[Mapping[str, Any]]) -> float:
    """How long the present deadline was when it was set."""
    for event in reversed(history):
        if until := event["payload"].get("until"):
            length: timedelta = instant(until) - event["at"]
            return max(1.0, length.total_seconds())
    return 1.0
