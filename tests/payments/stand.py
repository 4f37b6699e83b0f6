"""A test stand: a sandbox and a shop that receives its webhooks, both on loopback sockets."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from headstart.app.ports import CaptureMode, CheckoutOrder, CheckoutSession, PaymentIntent
from headstart.payments.gateway import StripeGateway
from headstart.payments.sandbox import SANDBOX_SECRET_KEY
from headstart.payments.sandbox.server import create_app
from headstart.payments.sandbox.settings import SandboxSettings
from headstart.web.edges.wire import CarefulProtocol

GUARD_S = 10.0
"""Ends a test that would hang. Nothing is measured with it."""

IDLE_S = 60
"""A client forgets an idle connection long before that."""

Json = dict[str, Any]


def listening() -> tuple[socket.socket, str]:
    """A free port on loopback, and its address. The protocol is named because asyncio switches
    off the 40 ms wait for more data only where it is."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.bind(("127.0.0.1", 0))
    bound.listen()
    return bound, f"http://127.0.0.1:{bound.getsockname()[1]}"


@asynccontextmanager
async def served(app: ASGIApp, bound: socket.socket, ws: Any = "none") -> AsyncIterator[None]:
    """Serve an application, lifespan included, until the block ends."""
    # Whoever closes an idle connection must not be the one who is about to be asked on it.
    config = uvicorn.Config(
        app,
        http=CarefulProtocol,
        proxy_headers=False,
        lifespan="on",
        ws=ws,
        log_level="error",
        timeout_keep_alive=IDLE_S,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[bound])
    try:
        yield
    finally:
        await _stop(server)
        bound.close()


async def _stop(server: uvicorn.Server) -> None:
    """Uvicorn's own shutdown, without its pauses."""
    for listener in server.servers:
        listener.close()
    for connection in list(server.server_state.connections):
        connection.shutdown()
    await until(lambda: not server.server_state.connections)
    await server.lifespan.shutdown()


@dataclass
class Clock:
    """The time of day, until a test moves it."""

    ahead_s: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


@dataclass(frozen=True)
class Received:
    """One webhook as it arrived."""

    raw: bytes
    headers: dict[str, str]

    @property
    def event(self) -> Json:
        found: Json = json.loads(self.raw)
        return found

    @property
    def type(self) -> str:
        return str(self.event["type"])


@dataclass
class Shop:
    """The receiving end. `answer` decides the status; by default everything is acknowledged."""

    received: list[Received] = field(default_factory=list)
    answer: Callable[[Received], int] = lambda received: 200
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    async def hook(self, request: Request) -> Response:
        """Note the delivery; answer when the gate is open."""
        received = Received(await request.body(), dict(request.headers))
        self.received.append(received)
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        status = self.answer(received)
        headers = {"Location": "/elsewhere"} if 300 <= status < 400 else None
        return Response(status_code=status, headers=headers)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/hook", self.hook, methods=["POST"]),
                Route("/elsewhere", self.hook, methods=["GET", "POST"]),
            ]
        )

    def types(self) -> list[str]:
        return [each.type for each in self.received]

    def of_type(self, type: str) -> list[Received]:
        return [each for each in self.received if each.type == type]


async def until(condition: Callable[[], bool]) -> None:
    """Let the others run until it is so."""
    async with asyncio.timeout(GUARD_S):
        while not condition():  # noqa: ASYNC110 (what is awaited has no event of its own)
            await asyncio.sleep(0.001)


def an_order(**changes: Any) -> CheckoutOrder:
    """An order like those of the service; every one is another intake's."""
    usual: Json = {
        "intake_id": uuid4(),
        "attempt": 1,
        "plan_name": "Video session",
        "amount": 4900,
        "currency": "usd",
        "success_url": "https://shop.test/paid?lang=en",
        "cancel_url": "https://shop.test/intake",
        "expires_at": in_an_hour(),
        "metadata": {"plan": "video"},
    }
    return CheckoutOrder(**{**usual, **changes})


@dataclass
class Stand:
    """A running sandbox with everything a test wants to do to it."""

    url: str
    gateway: StripeGateway
    http: httpx.AsyncClient
    shop: Shop
    clock: Clock

    def order(self, **changes: Any) -> CheckoutOrder:
        """An order as of the sandbox's time."""
        expires_at = datetime.fromtimestamp(int(self.clock()) + 3600, UTC)
        return an_order(**{"expires_at": expires_at, **changes})

    async def checkout(self, **changes: Any) -> CheckoutSession:
        return await self.gateway.create_checkout(self.order(**changes))

    async def press(self, session: CheckoutSession, action: str) -> httpx.Response:
        """Press a button of the hosted page."""
        return await self.http.post(f"/c/pay/{session.id}", data={"action": action})

    async def paid(self, **changes: Any) -> CheckoutSession:
        """A Session that was paid for, as the API shows it afterwards."""
        session = await self.checkout(**changes)
        assert (await self.press(session, "pay")).status_code == 303
        found = await self.gateway.retrieve_checkout(session.id)
        assert found is not None
        return found

    async def payment(self, payment_intent_id: str) -> PaymentIntent:
        """The money, as the gateway sees it."""
        found = await self.gateway.retrieve_payment(payment_intent_id)
        assert found is not None
        return found

    async def charged(self, amount: int = 4900) -> PaymentIntent:
        """Money that was taken."""
        paid = await self.paid(amount=amount)
        assert paid.payment is not None
        return paid.payment

    async def held(self, amount: int = 4900) -> PaymentIntent:
        """Money that is held."""
        paid = await self.paid(amount=amount, capture=CaptureMode.HOLD)
        assert paid.payment is not None
        return paid.payment

    async def pull(self, lever: str, **wishes: Any) -> Json:
        """Use one of the sandbox's levers."""
        response = await self.http.post(f"/_sandbox/{lever}", json=wishes)
        assert response.status_code == 200, response.text
        found: Json = response.json()
        return found

    async def get(self, path: str, **params: Any) -> Json:
        response = await self.http.get(path, params=params)
        assert response.status_code == 200, response.text
        found: Json = response.json()
        return found

    async def switch(self, **wishes: Any) -> None:
        await self.pull("switches", **wishes)

    async def settled(self) -> list[Json]:
        """Wait until nothing is left to send; the log of all attempts."""
        async with asyncio.timeout(GUARD_S):
            while True:
                log = await self.get("/_sandbox/deliveries")
                if not log["pending"]:
                    attempts: list[Json] = log["attempts"]
                    return attempts


@asynccontextmanager
async def a_shop() -> AsyncIterator[tuple[Shop, str]]:
    """A shop, and the address of its hook."""
    shop = Shop()
    bound, url = listening()
    async with served(shop.app(), bound):
        yield shop, url + "/hook"


@asynccontextmanager
async def a_stand(**settings: Any) -> AsyncIterator[Stand]:
    """A sandbox with a shop. `settings` override the sandbox's."""
    clock = settings.pop("clock", None) or Clock()
    async with a_shop() as (shop, hook):
        bound, url = listening()
        usual: Json = {
            "public_url": url,
            "webhook_url": hook,
            "retry_delays_s": (0.0, 0.0, 0.0),
            "clock": clock,
        }
        app = create_app(SandboxSettings(**{**usual, **settings}))
        headers = {"Authorization": f"Bearer {SANDBOX_SECRET_KEY}"}
        async with (
            served(app, bound),
            httpx.AsyncClient(
                base_url=url, headers=headers, trust_env=False, timeout=GUARD_S
            ) as http,
        ):
            gateway = StripeGateway(secret_key=SANDBOX_SECRET_KEY, api_base=url)
            try:
                yield Stand(url, gateway, http, shop, clock)
            finally:
                shop.gate.set()
                await gateway.close()


def in_an_hour() -> datetime:
    """A whole second, as everything at Stripe."""
    return datetime.fromtimestamp(int(time.time()), UTC) + timedelta(hours=1)
