"""The hosted payment page, `/c/pay/{cs}`: works without JavaScript, says that it is a sandbox."""

from collections.abc import Callable
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from headstart.payments.sandbox.objects import Json
from headstart.payments.sandbox.outbox import Cause
from headstart.payments.sandbox.refusals import Refusal
from headstart.payments.sandbox.world import World

SESSION_ID_PLACEHOLDER: Final = "{CHECKOUT_SESSION_ID}"
_ZERO_DECIMAL: Final = "bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf"
_COMPLETE: Final = {
    "paid": "This has been paid. Nothing is charged twice.",
    "no_payment_required": "This has been paid. Nothing is charged twice.",
    "unpaid": "This is held, or on its way. Nothing is charged twice.",
}
_HEADERS: Final = {
    # No `form-action`: it would also forbid the redirect back to the shop.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline';"
    " base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}


class Page:
    """What the customer sees and presses."""

    def __init__(self, world: World) -> None:
        self._world = world
        loader = PackageLoader("headstart.payments.sandbox", "templates")
        self._templates = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )

    def routes(self) -> list[Route]:
        """One address, to look at and to press on."""
        return [
            Route("/c/pay/{id}", self._show),
            Route("/c/pay/{id}", self._press, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            return self._render("There is no such payment page.", status=404)
        return self._render_session(session)

    async def _press(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            return self._render("There is no such payment page.", status=404)
        form = await request.form(max_fields=10, max_files=0)
        match form.get("action"):
            case "pay":
                return await self._pay(session, self._world.till.pay)
            case "pay_slowly":
                return await self._pay(session, self._world.till.pay_slowly)
            case "decline":
                declined, _ = self._world.act(
                    lambda: self._world.till.decline(session["id"], Cause())
                )
                return self._render_session(declined, declined=declined["status"] == "open")
            case "back" if session["cancel_url"]:
                return RedirectResponse(session["cancel_url"], 303, _HEADERS)
            case _:
                return self._render_session(session, status=400)

    async def _pay(self, session: Json, way: Callable[[str, Cause], Json]) -> Response:
        """Pay, wait for the shop to hear of it (not for ever), and send the customer there."""
        paid, recorded = self._world.act(lambda: way(session["id"], Cause()))
        if paid["status"] != "complete":
            return self._render_session(paid)
        completed = filter(self._is_completion, recorded)
        await self._world.outbox.answered(completed, within_s=self._world.settings.page_wait_s)
        # Only the literal is replaced: a percent-encoded placeholder stays, as at Stripe.
        address = paid["success_url"].replace(SESSION_ID_PLACEHOLDER, paid["id"])
        return RedirectResponse(address, 303, _HEADERS)

    def _is_completion(self, event_id: str) -> bool:
        event = self._world.ledger.get("event", event_id)
        return event is not None and event["type"] == "checkout.session.completed"

    def _session(self, request: Request) -> Json | None:
        try:
            session, _ = self._world.act(
                lambda: self._world.till.session(str(request.path_params["id"]))
            )
        except Refusal:
            return None
        return session

    def _render_session(
        self, session: Json, *, declined: bool = False, status: int | None = None
    ) -> Response:
        closed = {
            "open": None,
            "complete": _COMPLETE[session["payment_status"]],
            "expired": "This payment page has expired. Nothing was charged.",
        }[session["status"]]
        return self._render(
            closed,
            status=status or (410 if session["status"] == "expired" else 200),
            session=session,
            declined=declined,
        )

    def _render(
        self,
        message: str | None,
        *,
        status: int,
        session: Json | None = None,
        declined: bool = False,
    ) -> Response:
        items = [] if session is None else self._world.till.line_items(session["id"])
        lines = [(each["description"], each["quantity"], price(each)) for each in items]
        body = self._templates.get_template("pay.html").render(
            message=message,
            declined=declined,
            lines=lines,
            total=None if session is None else price(session),
            session=session,
        )
        return HTMLResponse(body, status, _HEADERS)


def price(thing: Json) -> str:
    """An amount in minor units as people write it: 4900 usd is "49.00 USD", 500 jpy "500 JPY"."""
    amount, currency = thing["amount_total"], thing["currency"]
    if currency in _ZERO_DECIMAL:
        return f"{amount:,} {currency.upper()}"
    return f"{amount // 100:,}.{amount % 100:02d} {currency.upper()}"
