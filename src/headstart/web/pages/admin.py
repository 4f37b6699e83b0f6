"""The operator's pages: the switch, money in trouble, and the story of one request."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from headstart.app.flags import FAVORITES_PRIORITY
from headstart.app.ports import By
from headstart.core.access import Operation
from headstart.core.refusals import Refusal
from headstart.web.doors import door
from headstart.web.operators import OperationId
from headstart.web.pages.acting import RequestInPath
from headstart.web.pages.persons import Operator
from headstart.web.people import Headstart
from headstart.web.problems import Problem
from headstart.web.reasons import REASON_CHARACTERS_MAX, Reason
from headstart.web.rendering import render

FLAG_CHANGES_SHOWN_MAX = 20
TROUBLES_SHOWN_MAX = 20
DISMISSED_SHOWN_MAX = 10
ACTIONS_SHOWN_MAX = 20
_COLUMNS = (
    *("status", "stage", "due_at", "plan_code", "routing_type", "customer_id"),
    *("preferred_mechanic_id", "priority_notified_at", "priority_window_minutes"),
    *("fallback_broadcast_at", "fallback_reason", "matched_mechanic_id", "matched_at", "version"),
)

router = APIRouter()


@router.get("/admin", dependencies=[door(Operation.CONSOLE_READ)])
async def console(
    service: Headstart, person: Operator, request: Annotated[str, Query(max_length=80)] = ""
) -> Response:
    """The switch, and money that needs a person; with an id, on to that request."""
    if request.strip():
        page = f"/admin/requests/{quote(request.strip(), safe='')}"
        return RedirectResponse(page, HTTPStatus.SEE_OTHER)
    return render(
        "admin.html",
        person,
        flag=await service.switchboard.flag(FAVORITES_PRIORITY),
        troubles=await service.troubles.troubles(TROUBLES_SHOWN_MAX),
        dismissed=await service.troubles.dismissed(DISMISSED_SHOWN_MAX),
        changes=await service.switchboard.flag_changes(FAVORITES_PRIORITY, FLAG_CHANGES_SHOWN_MAX),
        actions=await service.actions.actions(ACTIONS_SHOWN_MAX),
        reason_max=REASON_CHARACTERS_MAX,
    )


@router.get("/admin/flags", dependencies=[door(Operation.FLAG_READ)])
async def flags(_: Operator) -> RedirectResponse:
    """The switch has its place on the console."""
    return RedirectResponse("/admin", HTTPStatus.SEE_OTHER)


@router.post("/admin/flag", dependencies=[door(Operation.FLAG_WRITE)])
async def switch_flag(
    service: Headstart,
    person: Operator,
    enabled: Annotated[bool, Form()],
    reason: Annotated[Reason, Form()],
) -> RedirectResponse:
    """At once and for every process. Requests in flight keep their policy."""
    await service.switchboard.set_flag(
        FAVORITES_PRIORITY,
        enabled=enabled,
        rollout_percentage=None,
        by=By(str(person.principal.actor), reason),
    )
    return RedirectResponse("/admin", HTTPStatus.SEE_OTHER)


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


@router.get("/admin/requests/{request_id}", dependencies=[door(Operation.REQUEST_AUDIT)])
async def request_story(
    request_id: RequestInPath, service: Headstart, person: Operator
) -> HTMLResponse:
    """Everything that happened to one request, in order, and the row as it stands."""
    async with service.views.on_behalf_of(person.principal) as views:
        stored = await views.stored_request(request_id)
        history = await views.history(request_id)
        reasons = await views.reasons(request_id)
    if stored is None:
        raise Problem.of_refusal(Refusal.UNKNOWN_REQUEST)
    began: datetime = history[0]["at"]
    return render(
        "admin_request.html",
        person,
        request_id=request_id,
        columns={name: stored[name] for name in _COLUMNS if stored[name] is not None},
        metadata=stored["metadata"],
        operations=await service.troubles.operations_of(request_id),
        steps=[_step(event, began, reasons.get(event["version"])) for event in history],
    )


def _step(event: Any, began: datetime, reason: str | None) -> dict[str, Any]:
    """One line: when, how long after the beginning, what, by whom, and what exactly."""
    known = {name: value for name, value in event["payload"].items() if value not in (None, [], {})}
    if event["eligible"] is not None:
        known["eligible"] = event["eligible"]
    return {
        "at": event["at"],
        "after_s": (event["at"] - began).total_seconds(),
        "what": str(event["kind"]).replace("_", " "),
        "actor": event["actor"],
        "reason": reason,
        "known": {name: value for name, value in known.items() if name not in ("policy", "chain")},
    }
