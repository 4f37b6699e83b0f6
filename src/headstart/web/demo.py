"""Demo and test mode only, on loopback only: sign in as anybody, and move the test clock."""

from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from ipaddress import ip_address
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from headstart.app.ports import By
from headstart.app.views import Payload
from headstart.core.access import Operation, Principal, Role
from headstart.core.request import CustomerId, MechanicId
from headstart.web.doors import open_door
from headstart.web.people import Headstart
from headstart.web.problems import Problem, forbidden
from headstart.web.reasons import Reason
from headstart.web.service import Service
from headstart.web.sessions import HOME, begin_session

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})  # no name that leads here


def on_loopback(request: Request) -> None:
    """403 for everybody who is not on this machine."""
    host = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
    if host not in LOOPBACK_HOSTS or not is_loopback(request.client):
        raise forbidden("Personas are for people on this machine.")


def is_loopback(client: Sequence[str | int] | None) -> bool:
    """Is whoever connected, host and port, on this machine?"""
    try:
        return client is not None and ip_address(client[0]).is_loopback
    except ValueError:
        return False


router = APIRouter(
    prefix="/demo",
    tags=["demo"],
    dependencies=[open_door(Operation.DEMO_USE), Depends(on_loopback)],
    include_in_schema=False,
)


class Advance(BaseModel):
    """How much time is to pass, in seconds, and what for."""

    seconds: float = Field(gt=0, le=7 * 24 * 3600)
    reason: Reason


@router.post("/sign-in")
async def sign_in(
    request: Request,
    service: Headstart,
    role: Annotated[Role, Form()],
    id: Annotated[UUID, Form()],
) -> RedirectResponse:
    """Become one of the demo's people."""
    if not await _exists(service, role, id):
        raise Problem(HTTPStatus.NOT_FOUND, "unknown_person", "There is no such person.")
    answer = RedirectResponse(HOME[role], HTTPStatus.SEE_OTHER)
    await begin_session(request, answer, Principal(role, id), None)
    return answer


async def _exists(service: Service, role: Role, person: UUID) -> bool:
    match role:
        case Role.CUSTOMER:
            return await service.people.customer(CustomerId(person)) is not None
        case Role.MECHANIC:
            return await service.people.mechanic(MechanicId(person)) is not None
        case Role.OPERATOR:
            return True


@router.post("/clock")
async def advance_clock(body: Advance, service: Headstart) -> Payload:
    """Let time pass, for every process alike."""
    by = By("somebody on this machine", body.reason)
    await service.people.move_clock(timedelta(seconds=body.seconds), by=by)
    service.wakeups.announce()
    return {"server_now": (await service.requests.clock()).isoformat()}
