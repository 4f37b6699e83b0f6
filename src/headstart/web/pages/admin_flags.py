"""The switch: who is asked first, for how many, and who changed that when, and why."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse

from headstart.app.flags import FAVORITES_PRIORITY
from headstart.app.ports import By
from headstart.core.access import Operation
from headstart.web.doors import door
from headstart.web.pages.persons import Operator
from headstart.web.people import Headstart
from headstart.web.reasons import REASON_CHARACTERS_MAX, Reason
from headstart.web.rendering import render

CHANGES_SHOWN_MAX = 50
_SAID = {"on": "It is on.", "off": "It is off. Everybody is asked at once from now on."}

router = APIRouter()


@router.get("/admin/flags", dependencies=[door(Operation.FLAG_READ)])
async def flags(service: Headstart, person: Operator, said: str = "") -> HTMLResponse:
    """The switch as it stands, and its history."""
    return render(
        "admin_flags.html",
        person,
        flag=await service.switchboard.flag(FAVORITES_PRIORITY),
        changes=await service.switchboard.flag_changes(FAVORITES_PRIORITY, CHANGES_SHOWN_MAX),
        said=_SAID.get(said),
        reason_max=REASON_CHARACTERS_MAX,
    )


@router.post("/admin/flag", dependencies=[door(Operation.FLAG_WRITE)])
async def switch_flag(
    service: Headstart,
    person: Operator,
    enabled: Annotated[bool, Form()],
    reason: Annotated[Reason, Form()],
    confirmed: Annotated[Literal["yes"], Form()],
    rollout_percentage: Annotated[int | None, Form(ge=0, le=100)] = None,
) -> RedirectResponse:
    """At once and for every process. Requests in flight keep their policy."""
    await service.switchboard.set_flag(
        FAVORITES_PRIORITY,
        enabled=enabled,
        rollout_percentage=rollout_percentage,
        by=By(str(person.principal.actor), reason),
    )
    said = "on" if enabled else "off"
    return RedirectResponse(f"/admin/flags?said={said}", HTTPStatus.SEE_OTHER)
