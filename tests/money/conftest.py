"""A service, people who book by the dozen, and the levers of the payment sandbox."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import stripe

from headstart.app import cashier
from headstart.core.request import MechanicId
from headstart.store.people import PeopleStore
from headstart.store.postgres import connected
from tests.web.conftest import World, world_on

GUARD_S = 60.0
"""Ends a test that would hang. Nothing is measured with it."""

SDK_ATTEMPTS = 3
"""Of one call, when Stripe does not answer."""

Json = dict[str, Any]
Headers = dict[str, str]


@dataclass(slots=True)
class Bank:
    """Everything one test needs: the service, its database, and Stripe's other side."""

    world: World
    pool: Any
    capture: str = "charge"

    async def use(self, capture: str) -> None:
        """From now on plans are charged in this way."""
        self.capture = capture
        await self.pool.execute("update headstart.plans set capture = $1", capture)

    # People

    async def customer(self, *favorites: MechanicId) -> Headers:
        """Somebody new; answers with their headers."""
        return await self.world.newcomer(*favorites)

    async def mechanic(self) -> tuple[MechanicId, Headers]:
        """Somebody new, who is approved."""
        someone = MechanicId(uuid4())
        await self._people.add_mechanic(someone, "Max")
        return someone, self.world.mechanic(someone)

    @property
    def _people(self) -> PeopleStore:
        people = self.world.service.people
        assert isinstance(people, PeopleStore)
        return people

    # Bookings

    async def open_page(self, customer: Headers, **booking: Any) -> Json:
        """An intake with its payment page, not paid yet."""
        body = {"plan": "standard", "concern": "The brakes squeal", **booking}
        answer = await self.world.client.post("/api/v1/intakes", json=body, headers=customer)
        assert answer.status_code == 201, answer.text
        submitted: Json = answer.json()
        return submitted

    async def pay(self, submitted: Json) -> str:
        """Pay at the page; answers with the payment page's id."""
        url: str = submitted["checkout_url"]
        pressed = await self.world.sandbox.post(url, data={"action": "pay"})
        assert pressed.status_code == 303, pressed.text
        return url.rsplit("/", 1)[1]

    async def book(self, customer: Headers, **booking: Any) -> UUID:
        """Paid, dispatched, and no news of the payment under way that would be looked into."""
        page = await self.pay(await self.open_page(customer, **booking))
        request = await self.request_of(page)
        await self.heard()
        return request

    async def request_of(self, page: str) -> UUID:
        """The request that a paid page becomes."""
        query = "select id from headstart.session_requests where checkout_session_id = $1"
        return UUID(str(await self.until(lambda: self.pool.fetchval(query, page))))

    async def order(self, request: UUID, what: str, who: Headers) -> httpx.Response:
        """Give a command."""
        return await self.world.order(str(request), what, who)

    async def accept(self, request: UUID, who: Headers) -> None:
        """Win it."""
        answer = await self.order(request, "acceptance", who)
        assert answer.status_code == 200, answer.text

    async def assign(self, request: UUID, mechanic: MechanicId) -> httpx.Response:
        """An operator gives it to somebody who has agreed."""
        path = f"/api/v1/session-requests/{request}/assignment"
        body = {"mechanic_id": str(mechanic), "reason": "They agreed on the telephone."}
        return await self.world.client.post(path, json=body, headers=self.world.operator)

    async def pass_time(self, minutes: float) -> None:
        """The test clock moves on."""
        await self._people.advance_clock(timedelta(minutes=minutes))
        self.world.service.wakeups.announce()

    # Money

    async def lever(self, name: str, **wishes: Any) -> Json:
        """Something happens at Stripe, or at a bank."""
        answer = await self.world.sandbox.post(f"/_sandbox/{name}", json=wishes)
        assert answer.status_code == 200, answer.text
        changed: Json = answer.json()
        return changed

    async def payment(self, request: UUID) -> str:
        """The id of the payment behind a request."""
        query = "select payment_intent_id from headstart.session_requests where id = $1"
        return str(await self.pool.fetchval(query, request))

    async def at_stripe(self, request: UUID) -> Json:
        """The payment, as Stripe knows it: status, and what was taken and returned."""
        id = await self.payment(request)
        headers = {"Authorization": "Bearer sk_test_any"}
        path = f"/v1/payment_intents/{id}?expand[0]=latest_charge"
        found: Json = (await self.world.sandbox.get(path, headers=headers)).json()
        charge = found["latest_charge"]
        return {
            "status": found["status"],
            "received": found["amount_received"],
            "refunded": charge["amount_refunded"] if charge else 0,
        }

    async def stands(self, request: UUID) -> tuple[str, str]:
        """What became of a request, and where its money is."""
        row = await self.pool.fetchrow(
            "select r.status, m.money from headstart.session_requests r"
            " join headstart.request_money m on m.session_id = r.id where r.id = $1",
            request,
        )
        return row["status"], row["money"]

    async def comes_to(self, request: UUID, status: str, money: str) -> None:
        """Wait until it stands so."""
        seen: list[tuple[str, str]] = []

        async def so() -> bool:
            seen[:] = [await self.stands(request)]
            return seen == [(status, money)]

        try:
            await self.until(so)
        except TimeoutError:
            raise AssertionError(f"{seen[0]} did not become {(status, money)}") from None

    async def settled(self) -> None:
        """Nothing is due at the payment service any more."""
        query = "select count(*) = 0 from headstart.stripe_operations where state = 'due'"
        await self.until(lambda: self.pool.fetchval(query))

    async def heard(self) -> None:
        """Stripe has said all it had to say, and what came of that is done."""

        async def nothing_pending() -> bool:
            return not (await self.world.sandbox.get("/_sandbox/deliveries")).json()["pending"]

        await self.until(nothing_pending)
        await self.settled()

    async def operations(self, request: UUID) -> Sequence[Mapping[str, Any]]:
        """What was owed for a request."""
        query = "select * from headstart.stripe_operations where request_id = $1 order by id"
        return [dict(row) for row in await self.pool.fetch(query, request)]

    async def until(self, condition: Callable[[], Awaitable[Any]]) -> Any:
        """Let the others run until it is so; answers with what it was."""
        async with asyncio.timeout(GUARD_S):
            while not (found := await condition()):  # noqa: ASYNC110 (it is another process's)
                await asyncio.sleep(0.005)
            return found


@pytest.fixture
async def bank(database: str) -> AsyncIterator[Bank]:
    """A town with its own database, and its bank."""
    async with (
        world_on(database, HEADSTART_JOIN_LIMIT_MINUTES=5) as world,
        connected(database, connections_max=2, role=None) as pool,
    ):
        yield Bank(world, pool)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK tries again at once."""
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.0)


@pytest.fixture
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cashier looks again at once."""
    monkeypatch.setattr(cashier, "LOOKS_APART_S", 0.01)


@pytest.fixture
def interleavings() -> int:
    """How many for each seed and mode: 10,000 in all with HEADSTART_TEST_INTERLEAVINGS=1250, or
    with HEADSTART_TEST_INTERLEAVING_SEEDS=25 and HEADSTART_TEST_INTERLEAVINGS=200, in smaller
    pieces."""
    return int(os.environ.get("HEADSTART_TEST_INTERLEAVINGS", "5"))
