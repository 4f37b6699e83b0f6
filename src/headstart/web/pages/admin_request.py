"""The story of one request, for an operator who is asked why, and what they can do about it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse

from headstart.app.ports import Wanted
from headstart.core.access import ORDERED_BY, Operation
from headstart.core.refusals import Refusal
from headstart.core.request import MechanicId, RequestId
from headstart.web.board import MECHANICS_MAX, card_of
from headstart.web.chronicle import chronicle
from headstart.web.doors import door
from headstart.web.interventions import INTERVENTIONS, NOBODY, Intervention, possible
from headstart.web.pages.acting import RequestInPath, act
from headstart.web.pages.persons import Operator
from headstart.web.people import Headstart
from headstart.web.problems import Problem
from headstart.web.reasons import REASON_CHARACTERS_MAX, Reason
from headstart.web.rendering import Person, render
from headstart.web.service import Service

_COLUMNS = (
    *("status", "stage", "due_at", "plan_code", "routing_type", "customer_id"),
    *("preferred_mechanic_id", "priority_notified_at", "priority_window_minutes"),
    *("fallback_broadcast_at", "fallback_reason", "matched_mechanic_id", "matched_at", "version"),
)
SAID: Mapping[str, str] = {
    **{one.path: one.done for one in INTERVENTIONS},
    **{refusal.value: f"{refusal.sentence} Nothing was changed." for refusal in Refusal},
}

VERSION_MAX = 2**31 - 1  # of a request, as the database counts

router = APIRouter()

Row = Mapping[str, Any]
Sure = Annotated[Literal["yes"], Form()]


@router.get("/admin/requests/{request_id}", dependencies=[door(Operation.REQUEST_AUDIT)])
async def request_story(
    request_id: RequestInPath,
    service: Headstart,
    person: Operator,
    said: str = "",
    mechanic: Annotated[str, Query(max_length=80)] = "",
) -> HTMLResponse:
    """Everything that happened to one request, in order, and the row as it stands."""
    case = await _case(service, person, request_id, _mechanic(mechanic))
    return render(
        "admin_request.html",
        person,
        request_id=request_id,
        **case,
        operations=await service.troubles.operations_of(request_id),
        interventions=await _possible(service, person, request_id, case["mechanics"]),
        said=SAID.get(said),
        refused=said in set(Refusal),
        reason_max=REASON_CHARACTERS_MAX,
    )


async def _case(
    service: Service, person: Person, request_id: RequestId, asked_about: MechanicId | None
) -> Row:
    """Everything about a request that is read with an operator's eyes."""
    async with service.views.on_behalf_of(person.principal) as views:
        stored = await views.stored_request(request_id)
        view = await views.customer_view(request_id)
        if stored is None or view is None:
            raise Problem.of_refusal(Refusal.UNKNOWN_REQUEST)
        live = await views.board.live(Wanted(ids=[request_id]), 1)
        case = {
            "chronicle": await chronicle(views, request_id, asked_about),
            "money": await views.board.payment(request_id),
            "mechanics": await views.board.mechanics(MECHANICS_MAX),
        }
    customer = await service.people.customer(stored["customer_id"])
    return case | {
        "now": stored["now"],
        "version": stored["version"],
        "view": view,
        "customer": customer["first_name"] if customer else "",
        "cards": [card_of(row, stored["now"]) for row in live],
        "asked_about": str(asked_about) if asked_about else "",
        "columns": {name: stored[name] for name in _COLUMNS if stored[name] is not None},
        "metadata": stored["metadata"],
    }


async def _possible(
    service: Service, person: Person, request_id: RequestId, mechanics: Sequence[Row]
) -> Sequence[tuple[Intervention, Sequence[Row]]]:
    """What can be done now; with whom, where somebody has to be chosen."""
    free = {MechanicId(one["id"]): one for one in mechanics if one["free"]}
    [seen] = await service.requests.see([request_id], concerned=list(free))
    found = possible(seen, request_id, person.principal.actor, list(free))
    return [(one, [free[mechanic] for mechanic in whom]) for one, whom in found]


def _mechanic(text: str) -> MechanicId | None:
    """What cannot be an id counts as not given."""
    try:
        return MechanicId(UUID(text))
    except ValueError:
        return None


def _add_intervention(one: Intervention) -> None:
    async def intervene(
        request_id: RequestInPath,
        service: Headstart,
        person: Operator,
        reason: Annotated[Reason, Form()],
        confirmed: Sure,
        mechanic_id: Annotated[UUID | None, Form()] = None,
        seen: Annotated[int, Form(ge=0, le=VERSION_MAX)] = 0,
    ) -> RedirectResponse:
        if one.chooses and mechanic_id is None:
            raise Problem.of_field("mechanic_id", "Choose a mechanic.")
        who, page = person.principal, f"/admin/requests/{request_id}"
        chosen = MechanicId(mechanic_id) if mechanic_id else NOBODY
        return await act(
            service,
            who,
            one.order(request_id, who.actor, chosen),
            page=page,
            done=one.path,
            # Two clicks on one page are one wish; to choose another mechanic there is another one.
            key=f"seen-{seen}:{chosen}" if seen else None,
            reason=reason,
        )

    intervene.__doc__ = one.said
    router.add_api_route(
        f"/admin/requests/{{request_id}}/{one.path}",
        intervene,
        methods=["POST"],
        dependencies=[door(ORDERED_BY[one.kind])],
    )


for _one in INTERVENTIONS:
    _add_intervention(_one)
