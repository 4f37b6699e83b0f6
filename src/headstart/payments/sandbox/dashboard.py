"""Levers under `/_sandbox` for what happens to money outside the API: time passes, banks decide,
somebody uses the Dashboard; and for calls that go wrong. For callers on this machine only."""

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headstart.payments.sandbox import forms
from headstart.payments.sandbox.levers import lever, local, seconds, text, went_well, whole
from headstart.payments.sandbox.objects import Json
from headstart.payments.sandbox.outbox import Cause
from headstart.payments.sandbox.trouble import Trouble
from headstart.payments.sandbox.world import World

ADVANCE_S_MAX: Final = 365 * 86_400
_KINDS: Final = {"cs": "checkout.session", "pi": "payment_intent", "ch": "charge", "re": "refund"}


class Dashboard:
    """What people and banks do. Every lever answers with what it has changed, in Stripe's shape."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Each takes a JSON object; a wish that is not understood, or not possible, is a 400."""
        levers = {
            "capture": self._capture,
            "cancel": self._cancel,
            "refund": self._refund,
            "settle": self._settle,
            "dispute": self._dispute,
            "close_dispute": self._close_dispute,
            "warn": lambda wishes: self._world.returns.warn(text(wishes, "payment_intent")),
            "review": lambda wishes: self._world.returns.review(text(wishes, "payment_intent")),
            "metadata": self._edit_metadata,
        }
        return [
            *(lever(name, self._changing(action)) for name, action in levers.items()),
            lever("clock", self._advance),
            lever("trouble", self._expect_trouble),
            Route("/_sandbox/clock", local(self._show_clock)),
            Route("/_sandbox/trouble", local(self._show_trouble)),
            Route("/_sandbox/trouble", local(self._clear_trouble), methods=["DELETE"]),
        ]

    def _changing(self, action: Callable[[Json], Json]) -> Callable[[Json], Response]:
        def change(wishes: Json) -> Response:
            changed, _ = self._world.act(lambda: action(wishes))
            return JSONResponse(changed)

        return change

    def _capture(self, wishes: Json) -> Json:
        params = {"amount_to_capture": whole(wishes, "amount")} if "amount" in wishes else {}
        return self._world.vault.capture(text(wishes, "payment_intent"), params, Cause())

    def _cancel(self, wishes: Json) -> Json:
        params = {"cancellation_reason": "requested_by_customer"}
        return self._world.vault.cancel(text(wishes, "payment_intent"), params, Cause())

    def _refund(self, wishes: Json) -> Json:
        params: Json = {"payment_intent": text(wishes, "payment_intent")}
        if "amount" in wishes:
            params["amount"] = whole(wishes, "amount")
        return self._world.returns.refund(params, Cause())

    def _settle(self, wishes: Json) -> Json:
        """A slow payment, by its PaymentIntent or its Session, or a pending refund."""
        id = text(wishes, "id")
        well = went_well(wishes, good="succeeded", bad="failed")
        if id.startswith("re_"):
            return self._world.returns.settle(id, arrived=well)
        if id.startswith("cs_"):
            id = self._world.till.session(id)["payment_intent"] or ""
        return self._world.vault.settle(id, paid=well)

    def _dispute(self, wishes: Json) -> Json:
        return self._world.returns.dispute(text(wishes, "payment_intent"))

    def _close_dispute(self, wishes: Json) -> Json:
        won = went_well(wishes, good="won", bad="lost")
        return self._world.returns.close_dispute(text(wishes, "id"), won=won)

    def _edit_metadata(self, wishes: Json) -> Json:
        """Replace all of it, without an event."""
        id = text(wishes, "id")
        kind = _KINDS.get(id.partition("_")[0], "")
        metadata = forms.metadata(wishes.get("metadata"), "metadata")
        found = self._world.ledger.need(kind, id) | {"metadata": metadata}
        self._world.ledger.put(kind, id, found)
        return found

    def _advance(self, wishes: Json) -> Response:
        self._world.advance(seconds(wishes, "advance_s", ADVANCE_S_MAX))
        return self._clock()

    async def _show_clock(self, request: Request) -> Response:
        return self._clock()

    def _clock(self) -> Response:
        return JSONResponse({"now": self._world.settings.clock(), "ahead_s": self._world.ahead_s})

    def _expect_trouble(self, wishes: Json) -> Response:
        self._world.troubles.expect(Trouble.wished(wishes))
        return JSONResponse(self._world.troubles.shown())

    async def _show_trouble(self, request: Request) -> Response:
        return JSONResponse(self._world.troubles.shown())

    async def _clear_trouble(self, request: Request) -> Response:
        self._world.troubles.clear()
        return JSONResponse([])
