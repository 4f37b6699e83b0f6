"""Levers for tests and demonstrations under `/_sandbox`, for callers on this machine only."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headstart.payments.sandbox.settings import Switches
from headstart.payments.sandbox.world import World

ATTEMPTS_SHOWN_MAX: Final = 1000
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

Endpoint = Callable[[Request], Awaitable[Response]]


class Controls:
    """Switches, resending, and the log of what was sent."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Every one of them answers 403 to strangers."""
        return [
            Route("/_sandbox/switches", _local(self._show_switches)),
            Route("/_sandbox/switches", _local(self._set_switches), methods=["POST"]),
            Route("/_sandbox/switches", _local(self._reset_switches), methods=["DELETE"]),
            Route("/_sandbox/resend/{id}", _local(self._resend), methods=["POST"]),
            Route("/_sandbox/deliveries", _local(self._deliveries)),
            Route("/_sandbox/wake", _local(self._wake), methods=["POST"]),
        ]

    async def _show_switches(self, request: Request) -> Response:
        return JSONResponse(asdict(self._world.outbox.switches))

    async def _set_switches(self, request: Request) -> Response:
        """Change the switches that are named, leave the others."""
        try:
            wishes = json.loads(await request.body())
            if not isinstance(wishes, dict):
                raise ValueError("send a JSON object")
            self._world.outbox.switches = self._world.outbox.switches.changed(wishes)
        except (ValueError, RecursionError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return await self._show_switches(request)

    async def _reset_switches(self, request: Request) -> Response:
        self._world.outbox.switches = Switches()
        return await self._show_switches(request)

    async def _resend(self, request: Request) -> Response:
        """Send an event once more, whatever became of it: Stripe's "resend" button."""
        event_id = str(request.path_params["id"])
        if self._world.ledger.get("event", event_id) is None:
            return JSONResponse({"error": "no such event"}, 404)
        if self._world.settings.webhook_url is None:
            return JSONResponse({"error": "no webhook address is configured"}, 409)
        return JSONResponse({"delivery": self._world.outbox.resend(event_id)}, 202)

    async def _deliveries(self, request: Request) -> Response:
        """What is still to be sent, and the latest attempts, oldest first."""
        ledger = self._world.ledger
        attempts = ledger.attempts(limit=ATTEMPTS_SHOWN_MAX)
        for attempt in attempts:
            event = ledger.get("event", attempt["event"])
            attempt["type"] = None if event is None else event["type"]
        return JSONResponse({"pending": ledger.pending_deliveries(), "attempts": attempts})

    async def _wake(self, request: Request) -> Response:
        """Look at the clock again: a test has moved it."""
        self._world.outbox.wake()
        return JSONResponse({}, 202)


def _local(endpoint: Endpoint) -> Endpoint:
    """Only for callers on this machine who also address it as such: a page on the internet that
    points its own name here is sent away."""

    async def guarded(request: Request) -> Response:
        caller = request.client.host if request.client is not None else ""
        if caller not in _LOOPBACK or (request.url.hostname or "") not in _LOOPBACK:
            return JSONResponse({"error": "for callers on this machine only"}, 403)
        return await endpoint(request)

    return guarded
