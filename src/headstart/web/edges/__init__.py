"""What stands between the network and the application: every request passes, every answer too."""

from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Scope

from headstart.settings import Settings
from headstart.web.edges.bodies import BodyLimit
from headstart.web.edges.gate import Gate, Rules
from headstart.web.edges.headers import SecurityHeaders, security_headers
from headstart.web.edges.limits import Limiter, Limits
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
        return present(Request(scope), problem)

    limited = Limiter(BodyLimit(app), limits, presented)
    rules = Rules.of(settings)
    gate = Gate(limited, rules, presented)
    return SecurityHeaders(gate, security_headers(settings), rules.origins)
