"""The story of one request, for an operator who is asked why."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from headstart.core.access import Operation
from headstart.core.refusals import Refusal
from headstart.web.doors import door
from headstart.web.pages.acting import RequestInPath
from headstart.web.pages.persons import Operator
from headstart.web.people import Headstart
from headstart.web.problems import Problem
from headstart.web.rendering import render

_COLUMNS = (
    *("status", "stage", "due_at", "plan_code", "routing_type", "customer_id"),
    *("preferred_mechanic_id", "priority_notified_at", "priority_window_minutes"),
    *("fallback_broadcast_at", "fallback_reason", "matched_mechanic_id", "matched_at", "version"),
)

router = APIRouter()


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
