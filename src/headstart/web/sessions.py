"""Page sessions begin and end: the cookie, and where people belong."""

import structlog
from starlette.requests import Request
from starlette.responses import Response

from headstart.app.ports import Login
from headstart.core.access import Principal, Role
from headstart.web.edges.gate import CLIENT
from headstart.web.people import service_of, session_cookie

HOME = {Role.CUSTOMER: "/dashboard", Role.MECHANIC: "/mechanic", Role.OPERATOR: "/admin"}

log = structlog.get_logger()


async def begin_session(
    request: Request, answer: Response, who: Principal, login: Login | None
) -> None:
    """Sign this browser in; whoever was signed in with it before is signed out."""
    service = service_of(request)
    await _end(request)
    secret = await service.sessions.begin(who, login)
    settings = service.settings
    answer.set_cookie(
        session_cookie(settings),
        secret,
        httponly=True,
        secure=settings.is_https,
        samesite="lax",
        path="/",
    )
    named = {"issuer": login.issuer, "subject": login.subject} if login else {}
    client = request.scope.get(CLIENT, "")
    log.info("signed_in", role=who.role.value, person=str(who.id), client=client, **named)


async def end_session(request: Request, answer: Response) -> None:
    """Sign this browser out, at once and on every open stream of the session."""
    settings = service_of(request).settings
    if await _end(request):
        name = session_cookie(settings)
        answer.delete_cookie(name, path="/", secure=settings.is_https, httponly=True)
        answer.headers["Clear-Site-Data"] = '"cache", "storage"'


async def _end(request: Request) -> bool:
    """False when this browser has no session."""
    service = service_of(request)
    secret = request.cookies.get(session_cookie(service.settings))
    if secret is None:
        return False
    await service.sessions.end(secret)
    service.wakeups.announce()
    return True
