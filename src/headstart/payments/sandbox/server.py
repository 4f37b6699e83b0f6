"""The sandbox as an ASGI application. Sandbox, no real money.

Not modelled: 3-D Secure and the rules of strong customer authentication, Connect and transfers,
Radar's judgement, fees, balances and payouts, tax, currency rules and smallest amounts, rate
limits, several captures of one hold, Stripe's own retry times. Stripe itself says that no mock
behaves exactly like its API; the same is true of this one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headstart.payments.sandbox.api import Api
from headstart.payments.sandbox.controls import Controls
from headstart.payments.sandbox.dashboard import Dashboard
from headstart.payments.sandbox.page import Page
from headstart.payments.sandbox.settings import SandboxSettings
from headstart.payments.sandbox.world import World

log = logging.getLogger(__name__)


def create_app(settings: SandboxSettings) -> Starlette:
    """A sandbox of its own. It lives from the application's start-up to its shutdown, so it has
    to be served by something that runs the lifespan."""
    world = World(settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        log.warning("sandbox, no real money: payment pages at %s", settings.public_url)
        keeping_time = asyncio.create_task(world.run(), name="sandbox")
        try:
            yield
        finally:
            keeping_time.cancel()
            with suppress(asyncio.CancelledError):
                await keeping_time
            await world.close()

    routes = [
        *Api(world).routes(),
        *Page(world).routes(),
        *Controls(world).routes(),
        *Dashboard(world).routes(),
        Route("/healthz", _healthy),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.ledger = world.ledger  # for whoever runs it and wants to see the books
    return app


async def _healthy(request: Request) -> Response:
    return JSONResponse({"status": "ok", "livemode": False})
