"""The web application and the payment sandbox on loopback sockets, over a real database."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock, patch
from uuid import UUID, uuid4

import httpx
import pytest
import stripe

from headstart import wiring
from headstart.core.access import Principal, Role
from headstart.core.request import CustomerId, MechanicId
from headstart.lab.canaries import account_of, contact_of
from headstart.payments.sandbox import SANDBOX_SECRET_KEY, SANDBOX_WEBHOOK_SECRET
from headstart.payments.sandbox.server import create_app as create_sandbox
from headstart.payments.sandbox.settings import SandboxSettings
from headstart.realtime.socket import socket_class
from headstart.settings import Mode, Settings
from headstart.store.people import PeopleStore
from headstart.web.app import create_app
from headstart.web.door import SocketGate
from headstart.web.people import session_cookie
from headstart.web.service import Service
from headstart.wiring import loops, service
from tests.conftest import Cast, store_cast
from tests.eavesdropping import overheard
from tests.payments.stand import listening, served

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class World:
    """The service, its people, and a client that is nobody."""

    service: Service
    cast: Cast
    client: httpx.AsyncClient
    sandbox: httpx.AsyncClient

    def headers(self, role: Role, person: UUID) -> dict[str, str]:
        """Signed in as somebody."""
        token = self.service.tokens.mint(Principal(role, person), lifetime=timedelta(hours=1))
        return {"Authorization": f"Bearer {token}"}

    async def browser(self, role: Role, person: UUID) -> dict[str, str]:
        """Signed in as somebody in a browser: a page session of their own."""
        secret = await self.service.sessions.begin(Principal(role, person), None)
        cookie = f"{session_cookie(self.service.settings)}={secret}"
        return {"Cookie": cookie, "Origin": str(self.client.base_url).rstrip("/")}

    @property
    def customer(self) -> dict[str, str]:
        """The customer's headers."""
        return self.headers(Role.CUSTOMER, self.cast.customer)

    def mechanic(self, mechanic: UUID) -> dict[str, str]:
        """A mechanic's headers."""
        return self.headers(Role.MECHANIC, mechanic)

    @property
    def operator(self) -> dict[str, str]:
        """An operator's headers."""
        return self.headers(Role.OPERATOR, UUID(int=7))

    async def newcomer(self, *favorites: MechanicId) -> dict[str, str]:
        """Another customer, with these favourites; answers with their headers."""
        people, someone = self.service.people, CustomerId(uuid4())
        assert isinstance(people, PeopleStore)
        await people.add_customer(someone, "Cara", last_name=account_of("cara")["last_name"])
        for favorite in favorites:
            await people.add_favorite(someone, favorite)
        return self.headers(Role.CUSTOMER, someone)

    async def submit(
        self, key: str | None = None, by: dict[str, str] | None = None, **booking: Any
    ) -> httpx.Response:
        """Hand in an intake."""
        headers = (by or self.customer) | ({"Idempotency-Key": key} if key else {})
        contact = contact_of("carla")
        body = {"plan": "standard", "concern": "The brakes squeal", **contact, **booking}
        return await self.client.post("/api/v1/intakes", json=body, headers=headers)

    async def book(self, by: dict[str, str] | None = None, **booking: Any) -> str:
        """Booked and paid, all the way through; answers with the request's id."""
        submitted = await self.submit(by=by, **booking)
        assert submitted.status_code == 201, submitted.text
        paid = await self.sandbox.post(submitted.json()["checkout_url"], data={"action": "pay"})
        assert paid.status_code == 303, paid.text
        newest: str = (await self.requests(by))[0]["session_id"]
        return newest

    async def requests(self, of: dict[str, str] | None = None) -> list[Json]:
        """A customer's requests, newest first."""
        headers = of or self.customer
        answer = await self.client.get("/api/v1/session-requests", headers=headers)
        found: list[Json] = answer.json()["requests"]
        return found

    async def deliver(self, event: Json | bytes, **headers: str) -> httpx.Response:
        """Send an event that is signed properly."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        signature = stripe.WebhookSignature.generate_signature_header(
            body.decode(), SANDBOX_WEBHOOK_SECRET, int(time.time())
        )
        sent = {"Stripe-Signature": signature, **headers}
        return await self.client.post("/webhooks/stripe", content=body, headers=sent)

    async def order(self, request_id: str, what: str, headers: dict[str, str]) -> httpx.Response:
        """Give a command, with a reason, which only operators need."""
        path = f"/api/v1/session-requests/{request_id}/{what}"
        return await self.client.post(path, json={"reason": "a test"}, headers=headers)


# What the form of the intake wants to know of everybody.
PARTICULARS = {
    "concern": "It squeaks when I brake.",
    "year": "2016",
    "make": "Volkswagen",
    "model": "Golf",
    "contact_email": "carla@example.test",
}


def paid_event(intake: str, *, event: Json | None = None, **checkout: Any) -> Json:
    """A completed Checkout Session of this intake, as Stripe reports it, with some changes."""
    about = {
        "id": f"cs_test_{intake.replace('-', '')}",
        "object": "checkout.session",
        "url": None,
        "status": "complete",
        "payment_status": "paid",
        "amount_total": 2999,
        "currency": "cad",
        "payment_intent": f"pi_{intake}",
        "metadata": {"intake_id": intake},
        "client_reference_id": intake,
        "livemode": False,
        "expires_at": 2_000_000_000,
    }
    usual: Json = {
        "id": f"evt_{intake}",
        "object": "event",
        "type": "checkout.session.completed",
        "created": int(time.time()),
        "livemode": False,
        "api_version": "2026-10-28.endive",
        "data": {"object": about | checkout},
    }
    return usual | (event or {})


def settings(address: str, sandbox: str, **changes: Any) -> Settings:
    """Test mode, the sandbox's keys, the flag on."""
    usual: Json = {
        "HEADSTART_MODE": Mode.TEST,
        "HEADSTART_PUBLIC_URL": address,
        "STRIPE_SECRET_KEY": SANDBOX_SECRET_KEY,
        "STRIPE_WEBHOOK_SECRET": SANDBOX_WEBHOOK_SECRET,
        "HEADSTART_STRIPE_API_BASE": sandbox,
        "ENABLE_FAVORITES_PRIORITY": True,
    }
    return Settings(_env_file=None, **(usual | changes))


class Checked:
    """A start looks whether tables and statements fit. All worlds stand on copies of one database:
    the first looks for all of them, except who is told of an owner."""

    def __init__(self) -> None:
        self._is_done = False

    @asynccontextmanager
    async def service(self, configured: Settings, database: str) -> AsyncIterator[Service]:
        """The service, started."""
        fit = dict.fromkeys(("migrate", "check_statements"), AsyncMock())
        skipped = fit if self._is_done and configured.owner_url is None else {}
        async with AsyncExitStack() as stack:
            with patch.multiple(wiring, **skipped) if skipped else nullcontext():
                assembled = await stack.enter_async_context(service(configured, database))
            self._is_done = True
            yield assembled


checked = Checked()


@asynccontextmanager
async def first_round(assembled: Service) -> AsyncIterator[asyncio.Event]:
    """Set once the reconciler has looked round at the start: later it would find what a test
    hides from the service."""
    over = asyncio.Event()
    if assembled.money is None:
        over.set()
        yield over
        return
    reconciler = assembled.money.reconciler
    reconcile = reconciler.reconcile

    async def reported() -> int:
        try:
            return await reconcile()
        finally:
            over.set()

    with patch.object(reconciler, "reconcile", reported):
        yield over


@asynccontextmanager
async def world_on(database: str, *, looping: bool = True, **changes: Any) -> AsyncIterator[World]:
    """Everything, running; without its loops only what a test asks for is done."""
    (ours, address), (theirs, sandbox) = listening(), listening()
    configured = settings(address, sandbox, **changes)
    till = SandboxSettings(public_url=sandbox, webhook_url=f"{address}/webhooks/stripe")
    async with (
        checked.service(configured, database) as assembled,
        first_round(assembled) as round_over,
        loops(assembled, database, feed=True) if looping else nullcontext(),
        served(create_sandbox(till), theirs),
        overheard(create_app(assembled)) as overheard_app,
        served(overheard_app, ours, socket_class(assembled.hub, SocketGate(configured))),
        httpx.AsyncClient(base_url=address, trust_env=False) as client,
        httpx.AsyncClient(base_url=sandbox, trust_env=False) as till_client,
    ):
        if looping:
            await round_over.wait()
        people = assembled.people
        assert isinstance(people, PeopleStore)
        yield World(assembled, await store_cast(people), client, till_client)
        assembled.feed.end_streams()


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    """The application with the flag on."""
    async with world_on(database) as made:
        yield made
