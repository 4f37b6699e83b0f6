"""Levers under `/_sandbox` for webhooks: what goes wrong with them, and what was sent."""

from dataclasses import asdict
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headstart.payments.sandbox.levers import lever, local
from headstart.payments.sandbox.objects import Json
from headstart.payments.sandbox.settings import Switches
from headstart.payments.sandbox.world import World

ATTEMPTS_SHOWN_MAX: Final = 1000


class Controls:
    """Switches, resending, and the log of what was sent."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Every one of them answers 403 to strangers."""
        return [
            Route("/_sandbox/switches", local(self._show_switches)),
            lever("switches", self._set_switches),
            Route("/_sandbox/switches", local(self._reset_switches), methods=["DELETE"]),
            Route("/_sandbox/resend/{id}", local(self._resend), methods=["POST"]),
            Route("/_sandbox/deliveries", local(self._deliveries)),
            Route("/_sandbox/wake", local(self._wake), methods=["POST"]),
        ]

    async def _show_switches(self, request: Request) -> Response:
        return JSONResponse(asdict(self._world.outbox.switches))

    def _set_switches(self, wishes: Json) -> Response:
        """Change the switches that are named, leave the others."""
        self._world.outbox.switches = self._world.outbox.switches.changed(wishes)
        return JSONResponse(asdict(self._world.outbox.switches))

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
