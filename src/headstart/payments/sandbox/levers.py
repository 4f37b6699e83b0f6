"""How the levers under `/_sandbox` are reached: as JSON, and from this machine only."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headstart.payments.sandbox.objects import Json
from headstart.payments.sandbox.refusals import Refusal

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

Endpoint = Callable[[Request], Awaitable[Response]]


def lever(name: str, pull: Callable[[Json], Response]) -> Route:
    """A POST with a JSON object. A wish that is not understood is a 400 in one line; one that
    Stripe would refuse is refused in Stripe's shape."""

    async def pulled(request: Request) -> Response:
        try:
            wishes: Any = json.loads(await request.body())
            if not isinstance(wishes, dict):
                raise ValueError("send a JSON object")
            return pull(wishes)
        except Refusal as refusal:
            return JSONResponse(refusal.payload, refusal.status)
        except (ValueError, RecursionError) as error:
            return JSONResponse({"error": str(error)}, 400)

    return Route(f"/_sandbox/{name}", local(pulled), methods=["POST"])


def local(endpoint: Endpoint) -> Endpoint:
    """Only for callers on this machine who also address it as such: a page on the internet that
    points its own name here is sent away."""

    async def guarded(request: Request) -> Response:
        caller = request.client.host if request.client is not None else ""
        if caller not in _LOOPBACK or (request.url.hostname or "") not in _LOOPBACK:
            return JSONResponse({"error": "for callers on this machine only"}, 403)
        return await endpoint(request)

    return guarded


def text(wishes: Json, name: str) -> str:
    """ValueError if it is none."""
    value = wishes.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text")
    return value


def whole(wishes: Json, name: str) -> int:
    """ValueError if it is none."""
    value = wishes.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name} must be a whole number")
    return value


def seconds(wishes: Json, name: str, most: float) -> float:
    """ValueError if it is none, or over the limit."""
    value = wishes.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"{name} must be 0 to {most}")
    return float(value)


def went_well(wishes: Json, *, good: str, bad: str) -> bool:
    """Which of the two `outcome` says; ValueError for any other."""
    if wishes.get("outcome") not in (good, bad):
        raise ValueError(f"outcome must be {good} or {bad}")
    return bool(wishes["outcome"] == good)
