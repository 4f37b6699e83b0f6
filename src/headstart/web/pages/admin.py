"""The operator's board, and money that needs a person."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Query
from fastapi.responses import RedirectResponse, Response

from headstart.app.flags import FAVORITES_PRIORITY
from headstart.app.ports import By
from headstart.core.access import Operation
from headstart.web.board import Filters, look
from headstart.web.doors import door
from headstart.web.operators import OperationId
from headstart.web.pages.persons import Operator
from headstart.web.people import Headstart
from headstart.web.reasons import REASON_CHARACTERS_MAX, Reason
from headstart.web.rendering import render

TROUBLES_SHOWN_MAX = 20
DISMISSED_SHOWN_MAX = 10
ACTIONS_SHOWN_MAX = 20
router = APIRouter()

Chosen = Annotated[str, Query(max_length=80)]


@router.get("/admin", dependencies=[door(Operation.CONSOLE_READ)])
async def console(
    service: Headstart,
    person: Operator,
    request: Chosen = "",
    stage: Chosen = "",
    plan: Chosen = "",
    mechanic: Chosen = "",
    stuck: Chosen = "",
) -> Response:
    """The whole shop at a glance; with an id, on to that request."""
    if request.strip():
        page = f"/admin/requests/{quote(request.strip(), safe='')}"
        return RedirectResponse(page, HTTPStatus.SEE_OTHER)
    troubles = await service.troubles.troubles(TROUBLES_SHOWN_MAX)
    filters = Filters.read(stage, plan, mechanic, stuck)
    return render(
        "admin.html",
        person,
        board=await look(service, person.principal, filters, troubles),
        plans=await service.switchboard.plans(),
        flag=await service.switchboard.flag(FAVORITES_PRIORITY),
        troubles=troubles,
        dismissed=await service.troubles.dismissed(DISMISSED_SHOWN_MAX),
        actions=await service.actions.actions(ACTIONS_SHOWN_MAX),
        reason_max=REASON_CHARACTERS_MAX,
    )


@router.post("/admin/operations/{operation_id}/attempt", dependencies=[door(Operation.MONEY_RETRY)])
async def try_again(
    operation_id: OperationId,
    service: Headstart,
    person: Operator,
    reason: Annotated[Reason, Form()],
) -> RedirectResponse:
    """A refused operation, once more; nothing, when somebody was faster."""
    await service.troubles.try_again(operation_id, by=By(str(person.principal.actor), reason))
    service.wakeups.announce()
    return RedirectResponse("/admin", HTTPStatus.SEE_OTHER)


@router.post("/admin/troubles/{trouble_id}/dismissal", dependencies=[door(Operation.MONEY_DISMISS)])
async def dismiss(
    trouble_id: str,
    service: Headstart,
    person: Operator,
    reason: Annotated[Reason, Form()],
) -> RedirectResponse:
    """A trouble that needs nobody; nothing, when somebody was faster."""
    actor = str(person.principal.actor)
    await service.troubles.dismiss(trouble_id, actor=actor, reason=reason.strip())
    return RedirectResponse("/admin", HTTPStatus.SEE_OTHER)
