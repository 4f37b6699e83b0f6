"""What operators do over the API: people, flags, and money that needs a person."""

from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from headstart.app.flags import FAVORITES_PRIORITY
from headstart.app.ports import By
from headstart.app.views import Payload
from headstart.core.access import Operation, Principal
from headstart.core.request import CustomerId, MechanicId
from headstart.web.doors import door
from headstart.web.people import Headstart, SignedIn
from headstart.web.problems import Problem
from headstart.web.reasons import Reason

FLAG_CHANGES_MAX = 100
NAME_CHARACTERS_MAX = 200
TROUBLES_MAX = 100
ACTIONS_MAX = 200
OperationId = Annotated[int, Path(ge=0, le=2**63 - 1)]  # as the database counts them

router = APIRouter(prefix="/api/v1", tags=["operators"])


class Reasoned(BaseModel):
    """What an operator does, and why."""

    reason: Reason


class KnownCustomer(Reasoned):
    """A customer, as the marketplace knows them."""

    first_name: str = Field(min_length=1, max_length=NAME_CHARACTERS_MAX)
    last_name: str = Field(default="", max_length=NAME_CHARACTERS_MAX)
    email: str = Field(default="", max_length=320)
    phone: str = Field(default="", max_length=40)


class KnownMechanic(Reasoned):
    """A mechanic, as the marketplace knows them. Only approved ones are offered anything."""

    name: str = Field(min_length=1, max_length=NAME_CHARACTERS_MAX)
    status: Literal["applied", "approved", "suspended"]


class NewFlag(Reasoned):
    """A flag's new value; without a percentage the rollout stays as it is."""

    enabled: bool
    rollout_percentage: int | None = Field(default=None, ge=0, le=100)


@router.put("/customers/{customer_id}", dependencies=[door(Operation.CUSTOMER_WRITE)])
async def put_customer(
    customer_id: UUID, body: KnownCustomer, who: SignedIn, service: Headstart
) -> Payload:
    """Make a customer known, or correct what is known."""
    known = body.model_dump(exclude={"reason"})
    await service.people.put_customer(CustomerId(customer_id), by=_by(who, body), **known)
    return {"customer_id": str(customer_id), **known}


@router.put("/mechanics/{mechanic_id}", dependencies=[door(Operation.MECHANIC_WRITE)])
async def put_mechanic(
    mechanic_id: UUID, body: KnownMechanic, who: SignedIn, service: Headstart
) -> Payload:
    """Make a mechanic known, approve or suspend them: at once, also in a running window."""
    await service.people.put_mechanic(
        MechanicId(mechanic_id), body.name, status=body.status, by=_by(who, body)
    )
    service.wakeups.announce()
    return {"mechanic_id": str(mechanic_id), **body.model_dump(exclude={"reason"})}


@router.get("/flags/{name}", dependencies=[door(Operation.FLAG_READ)])
async def read_flag(name: str, who: SignedIn, service: Headstart) -> Payload:
    """A flag as it stands, and its history."""
    _require_known_flag(name)
    flag = await service.switchboard.flag(name)
    changes = await service.switchboard.flag_changes(name, FLAG_CHANGES_MAX)
    history = [change | {"at": change["at"].isoformat()} for change in changes]
    return {
        "name": flag.name,
        "enabled": flag.enabled,
        "rollout_percentage": flag.rollout_percentage,
        "changes": history,
    }


@router.put("/flags/{name}", dependencies=[door(Operation.FLAG_WRITE)])
async def put_flag(name: str, body: NewFlag, who: SignedIn, service: Headstart) -> Payload:
    """Switch a flag, at once and for every process. Requests in flight keep their policy."""
    _require_known_flag(name)
    await service.switchboard.set_flag(
        name,
        enabled=body.enabled,
        rollout_percentage=body.rollout_percentage,
        by=_by(who, body),
    )
    return await read_flag(name, who, service)


@router.get("/money-troubles", dependencies=[door(Operation.MONEY_READ)])
async def list_troubles(who: SignedIn, service: Headstart) -> Payload:
    """What a person must see to: refused operations, disputes, amounts that were taken in part,
    holds about to end, events that were not heeded; and what was dismissed lately."""
    found = await service.troubles.troubles(TROUBLES_MAX)
    dismissed = await service.troubles.dismissed(TROUBLES_MAX)
    return {
        "troubles": [one | {"since": one["since"].isoformat()} for one in found],
        "dismissed": [one | {"at": one["at"].isoformat()} for one in dismissed],
    }


@router.post("/money-troubles/{trouble_id}/dismissal", dependencies=[door(Operation.MONEY_DISMISS)])
async def dismiss_trouble(
    trouble_id: str, body: Reasoned, who: SignedIn, service: Headstart
) -> Payload:
    """Show a trouble no more. Nothing happens to the money; who, when and why are kept."""
    actor, reason = str(who.actor), body.reason
    if not await service.troubles.dismiss(trouble_id, actor=actor, reason=reason):
        raise Problem(HTTPStatus.NOT_FOUND, "unknown_trouble", "There is no such trouble.")
    return {"trouble_id": trouble_id, "dismissed_by": actor, "reason": reason}


@router.post("/operations/{operation_id}/attempt", dependencies=[door(Operation.MONEY_RETRY)])
async def try_again(
    operation_id: OperationId, body: Reasoned, who: SignedIn, service: Headstart
) -> Payload:
    """Have a refused operation tried once more."""
    if not await service.troubles.try_again(operation_id, by=_by(who, body)):
        raise Problem(HTTPStatus.NOT_FOUND, "not_refused", "There is no such refused operation.")
    service.wakeups.announce()
    return {"operation_id": operation_id, "state": "due"}


@router.get("/operator-actions", dependencies=[door(Operation.AUDIT_READ)])
async def list_actions(service: Headstart) -> Payload:
    """What operators did that is no event of a request, newest first."""
    found = await service.actions.actions(ACTIONS_MAX)
    return {"actions": [one | {"at": one["at"].isoformat()} for one in found]}


def _by(who: Principal, body: Reasoned) -> By:
    return By(str(who.actor), body.reason)


def _require_known_flag(name: str) -> None:
    if name != FAVORITES_PRIORITY:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown_flag", "There is no such flag.")
