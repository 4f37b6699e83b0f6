"""What stands between the network and the application: every request passes, every answer too."""

from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Scope

from headstart.settings import Settings
from headstart.web.edges.bodies import BodyLimit
from headstart.web.edges.gate import Gate
from headstart.web.edges.headers import SecurityHeaders, security_headers
from headstart.web.edges.hosts import Hosts, Proxies
from headstart.web.edges.limits import Limiter, Limits
from headstart.web.edges.origins import Origins
from headstart.web.problems import Problem

__all__ = ["guarded"]


def guarded(
    app: FastAPI,
    settings: Settings,
    limits: Limits,
    present: Callable[[Request, Problem], Response],
) -> ASGIApp:
    """The application behind its edges: outermost the headers, innermost the size of bodies."""

    def presented(scope: Scope, problem: Problem) -> Response:
        return present(Request({**scope, "app": app}), problem)

    limited = Limiter(BodyLimit(app), limits, presented)
    origins = Origins.of(settings)
    gate = Gate(limited, Hosts.of(settings), Proxies.of(settings), origins, presented)
    return SecurityHeaders(gate, security_headers(settings), origins)
