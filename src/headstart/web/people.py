"""Who sends this request: a bearer token, or the page session in a cookie."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import Depends, Request

from headstart.app.ports import Credential, Ending
from headstart.core.access import Principal
from headstart.identity.bearers import BadToken, UnknownLogin
from headstart.settings import Settings
from headstart.web.problems import Problem, unauthenticated
from headstart.web.service import Service

SERVICE = "headstart.service"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Speaker:
    """Somebody whose credential is good. A suspended mechanic may still see their own job."""

    credential: Credential
    suspended: bool


def session_cookie(settings: Settings) -> str:
    """The cookie's name. The prefix ties it to this host and to https; plain http has none."""
    return "__Host-headstart" if settings.is_https else "headstart_session"


def service_of(request: Request) -> Service:
    """The service behind this web application."""
    service: Service = request.scope[SERVICE]
    return service


async def speaker(request: Request) -> Speaker | None:
    """Whoever is signed in, or nobody. A bad token is never taken for nobody."""
    service = service_of(request)
    authorization = request.headers.get("authorization", "")
    if authorization:
        credential = await _bearer(service, authorization)
    else:
        secret = request.cookies.get(session_cookie(service.settings))
        found = await service.sessions.find(secret) if secret else None
        if found is None:
            return None
        credential = found
    ending = await service.standing.ending(credential)
    if ending not in (None, Ending.SUSPENDED):
        if authorization:
            raise unauthenticated()
        return None
    request.state.who = credential.who
    return Speaker(credential, suspended=ending is Ending.SUSPENDED)


async def _bearer(service: Service, authorization: str) -> Credential:
    scheme, _, token = authorization.partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise BadToken
        return await service.bearers.read(token.strip())
    except BadToken as error:
        raise unauthenticated() from error
    except UnknownLogin as error:
        raise unknown_login(error) from error


def unknown_login(error: UnknownLogin) -> Problem:
    """The answer for somebody the provider vouches for, and nobody here knows."""
    log.warning("login_unknown", issuer=error.login.issuer, subject=error.login.subject)
    detail = "Nobody here has said yet for whom this login speaks."
    return Problem(HTTPStatus.FORBIDDEN, "unknown_login", detail)


def visitor(found: Annotated[Speaker | None, Depends(speaker)]) -> Principal | None:
    """Whoever is signed in, or nobody."""
    return found.credential.who if found else None


def signed_in_speaker(found: Annotated[Speaker | None, Depends(speaker)]) -> Speaker:
    """Somebody with their credential, or 401."""
    if found is None:
        raise unauthenticated()
    return found


def recognised(request: Request) -> Principal | None:
    """Whom this request was found to be from, as far as that was asked."""
    who: Principal | None = getattr(request.state, "who", None)
    return who


def signed_in(who: Annotated[Principal | None, Depends(visitor)]) -> Principal:
    """Somebody, or 401."""
    if who is None:
        raise unauthenticated()
    return who


SignedIn = Annotated[Principal, Depends(signed_in)]
Visitor = Annotated[Principal | None, Depends(visitor)]
Speaking = Annotated[Speaker, Depends(signed_in_speaker)]
Headstart = Annotated[Service, Depends(service_of)]
