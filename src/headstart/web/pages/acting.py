"""Plain form posts: do what the API does, then show the page again and say what came of it."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from fastapi.responses import RedirectResponse

from headstart.core.access import Principal
from headstart.core.commands import Command
from headstart.core.refusals import Refusal
from headstart.core.request import RequestId
from headstart.web.api import order
from headstart.web.problems import Problem
from headstart.web.service import Service


def _request_id(request_id: str) -> RequestId:
    """404 for what cannot be an id: to a person it is one more page that does not exist."""
    try:
        return RequestId(UUID(request_id))
    except ValueError:
        raise Problem.of_refusal(Refusal.UNKNOWN_REQUEST) from None


RequestInPath = Annotated[RequestId, Depends(_request_id)]


async def act(
    service: Service,
    who: Principal,
    command: Command,
    *,
    page: str,
    done: str,
    more: str = "",
    key: str | None = None,
    reason: str | None = None,
) -> RedirectResponse:
    """Back to the page: ``said`` tells what was done, with ``more`` about it, or why not. A form
    that is sent twice with the same key was meant once."""
    said = done + more
    try:
        await order(service, who, command, key, reason)
    except Problem as problem:
        if problem.code not in set(Refusal) - {Refusal.UNKNOWN_REQUEST}:
            raise
        said = problem.code
    return RedirectResponse(f"{page}?said={said}", HTTPStatus.SEE_OTHER)
