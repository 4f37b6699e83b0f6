"""In whatever order the world sends its events: one final state, and the money equal."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from itertools import permutations
from random import Random
from typing import Any
from uuid import UUID

import pytest

from headstart.core.request import MechanicId
from headstart.store.postgres import connected
from tests.money.conftest import Bank, Headers, Json
from tests.web.conftest import world_on

MOVES_MAX = 12
AT_ONCE = 4  # bookings that live at the same time
EVENTS_MAX = 80  # newest of all: none of these bookings makes twenty
Mechanic = tuple[MechanicId, Headers]
SEEDS = int(os.environ.get("HEADSTART_TEST_INTERLEAVING_SEEDS", "4"))


async def events_of(bank: Bank, page: str) -> Sequence[Json]:
    """Everything that Stripe has to say about one purchase, oldest first."""
    headers = {"Authorization": "Bearer sk_test_any"}
    listed = await bank.world.sandbox.get(f"/v1/events?limit={EVENTS_MAX}", headers=headers)
    payment = await payment_of(bank, page)
    about = [one for one in listed.json()["data"] if payment in references(one["data"]["object"])]
    assert "checkout.session.completed" in {one["type"] for one in about}, "the first are there"
    return list(reversed(about))


def references(told: Json) -> tuple[Any, Any]:
    """The ids that name a payment."""
    return told["id"], told.get("payment_intent")


async def paid_unheard(bank: Bank) -> str:
    """A purchase of which no webhook tells; answers with the payment page's id."""
    submitted = await bank.open_page(await bank.customer())
    return await bank.pay(submitted)


async def payment_of(bank: Bank, page: str) -> str:
    headers = {"Authorization": "Bearer sk_test_any"}
    session = await bank.world.sandbox.get(f"/v1/checkout/sessions/{page}", headers=headers)
    return str(session.json()["payment_intent"])


HEEDED = {
    "charge": {
        "checkout.session.completed",
        "payment_intent.succeeded",
        "refund.created",
        "charge.refunded",
    },
    "hold": {
        "checkout.session.completed",
        "payment_intent.amount_capturable_updated",
        "payment_intent.canceled",
    },
    "captured hold": {
        "checkout.session.completed",
        "payment_intent.amount_capturable_updated",
        "payment_intent.succeeded",
        "charge.captured",
    },
}
ENDS = {
    "charge": ("refund", ("cancelled", "returned")),
    "hold": ("cancel", ("cancelled", "released")),
    "captured hold": ("capture", ("pending", "paid")),
}


@pytest.fixture
async def deaf(database: str, no_rest: None) -> AsyncIterator[Bank]:
    """A bank whose webhooks nobody sends, but the test; and a cashier who takes no rest."""
    async with (
        world_on(database) as world,
        connected(database, connections_max=2, role=None) as pool,
    ):
        made = Bank(world, pool)
        await made.lever("switches", drop=True)
        yield made


@pytest.mark.parametrize("payment", HEEDED)
async def test_every_order_of_the_events_of_one_booking_ends_the_same(
    deaf: Bank, payment: str
) -> None:
    await deaf.use("charge" if payment == "charge" else "hold")
    lever, end = ENDS[payment]
    orders = list(permutations(range(len(HEEDED[payment]))))
    for order in orders:
        page = await paid_unheard(deaf)
        await deaf.lever(lever, payment_intent=await payment_of(deaf, page))
        events = [one for one in await events_of(deaf, page) if one["type"] in HEEDED[payment]]
        assert {one["type"] for one in events} == HEEDED[payment]
        for index in order:
            delivered = await deaf.world.deliver(events[index])
            assert delivered.status_code == 200, delivered.text
        request = await deaf.request_of(page)
        await deaf.comes_to(request, *end)
    await deaf.settled()


class Booking:
    """One purchase to which things happen in any order, some of them twice."""

    def __init__(
        self, bank: Bank, random: Random, page: str, customer: Headers, people: Sequence[Mechanic]
    ) -> None:
        self._bank, self._random, self.page = bank, random, page
        self._customer, self._people = customer, people

    async def live(self) -> None:
        """Deliveries among a few deeds of people, until everything was said at least once."""
        unsaid = list(await events_of(self._bank, self.page))
        for _ in range(self._random.randrange(MOVES_MAX)):
            move = self._random.choice((self._tell, self._tell, self._act))
            await move(unsaid)
        self._random.shuffle(unsaid)
        for event in [*unsaid, *await events_of(self._bank, self.page)]:
            assert (await self._bank.world.deliver(event)).status_code == 200

    async def _tell(self, unsaid: list[Json]) -> None:
        if unsaid:
            event = self._random.choice(unsaid)
            if self._random.random() < 0.7:
                unsaid.remove(event)
            assert (await self._bank.world.deliver(event)).status_code == 200

    async def _act(self, _unsaid: list[Json]) -> None:
        query = "select id from headstart.session_requests where checkout_session_id = $1"
        request = await self._bank.pool.fetchval(query, self.page)
        if request is None:
            return
        mechanic, headers = self._random.choice(self._people)
        deed, who = self._random.choice(
            [
                ("acceptance", headers),
                ("release", headers),
                ("extension", self._customer),
                ("assignment", None),
                ("cancellation", self._customer),
                ("cancellation", self._bank.world.operator),
            ]
        )
        if who is None:
            answer = await self._bank.assign(request, mechanic)
        else:
            answer = await self._bank.order(request, deed, who)
        assert answer.status_code < 500, answer.text


async def money_fits(bank: Bank, request: UUID, amount: int) -> None:
    """What Stripe has fits what became of the request, to the cent."""
    status, money = await bank.stands(request)
    at_stripe = await bank.at_stripe(request)
    kept = at_stripe["received"] - at_stripe["refunded"]
    expected = {
        "matched": (amount, "paid"),
        "pending": (None, None),
        "cancelled": (0, None),
        "unfilled": (0, None),
    }[status]
    if status == "pending":
        held = at_stripe["status"] == "requires_capture"
        assert (kept == amount) is not held, (status, money, at_stripe)
    else:
        assert kept == expected[0], (status, money, at_stripe)
        assert at_stripe["status"] != "requires_capture"


@pytest.mark.parametrize("capture", ["charge", "hold"])
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_however_deeds_and_events_interleave_the_money_fits(
    deaf: Bank, capture: str, seed: int, interleavings: int
) -> None:
    await deaf.use(capture)
    random = Random(f"{capture} {seed}")
    for left in range(interleavings, 0, -AT_ONCE):
        bookings = [await a_booking(deaf, random) for _ in range(min(left, AT_ONCE))]
        await asyncio.gather(*(booking.live() for booking in bookings))
        requests = [await deaf.request_of(booking.page) for booking in bookings]
        await deaf.settled()
        for request in requests:
            await money_fits(deaf, request, 2999)


async def a_booking(bank: Bank, random: Random) -> Booking:
    """Paid, and nobody has heard of it yet; a favourite is asked first, or everybody."""
    people = [await bank.mechanic() for _ in range(2)]
    favorite = people[0][0]
    customer = await bank.customer(favorite)
    wish = {"preferred_mechanic_id": str(favorite)} if random.random() < 0.5 else {}
    page = await bank.pay(await bank.open_page(customer, **wish))
    return Booking(bank, Random(random.random()), page, customer, people)
