"""``kill -9`` of a real server between any two steps of fulfilling and of each operation: what was
under way is completed by the next server, and nothing is done twice.

A sample is killed in every run; all of them with HEADSTART_TEST_EVERY_KILL=1, or only those of some
works with their names, separated by semicolons.
"""

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import httpx
import pytest

from headstart.app.cashier import LEASE
from headstart.app.wakeups import Wakeups
from headstart.identity.tokens import Tokens
from headstart.lab.backstage import HOST, RETRY_DELAYS_S, server_environment
from headstart.lab.chaos.fate import ARMED, DISARMED
from headstart.lab.chaos.house import Fate, Life, Server, nursery
from headstart.payments.sandbox import SANDBOX_SECRET_KEY, SANDBOX_WEBHOOK_SECRET
from headstart.payments.sandbox.server import create_app as create_sandbox
from headstart.payments.sandbox.settings import SandboxSettings
from headstart.store.people import PeopleStore
from headstart.store.postgres import connected
from headstart.web.service import Service
from headstart.wiring import real_time
from tests.conftest import store_cast
from tests.money.conftest import Bank
from tests.money.witness import listed
from tests.payments.stand import listening, served
from tests.web.conftest import World

STEPS_MAX = 200
SECRET = "a secret of thirty-two characters or more"
SETTINGS = {
    "HEADSTART_MODE": "test",
    "HEADSTART_PUBLIC_URL": "http://headstart.test",
    "HEADSTART_OVERALL_LIMIT_MINUTES": "10000",  # the clock moves on at every death
    "STRIPE_SECRET_KEY": SANDBOX_SECRET_KEY,
    "STRIPE_WEBHOOK_SECRET": SANDBOX_WEBHOOK_SECRET,
    "HEADSTART_JWT_SECRET": SECRET,
}
CHOSEN = os.environ.get("HEADSTART_TEST_EVERY_KILL", "")


@dataclass(slots=True)
class Street:
    """One server after another, in the same place, and those who come there."""

    bank: Bank
    server: Server
    dsn: str

    @property
    def fate(self) -> Fate:
        """Of the server that lives there now, or did last."""
        assert self.server.life, "one was begun"
        assert self.server.life.fate, "with a fate"
        return self.server.life.fate

    async def begin(self, fate: Fate) -> None:
        """A server that is ready, and has this fate."""
        await self.server.begin(Life(self.dsn, fate=fate))
        await self.bank.until(self._is_there)

    async def _is_there(self) -> bool:
        if not self.server.is_alive:
            return True
        with suppress(httpx.TransportError):
            return (await self.bank.world.client.get("/readyz")).is_success
        return False

    async def arm(self) -> None:
        """Nothing is due; what comes now counts."""
        await self.bank.settled()
        before = self._times(ARMED)
        self.server.arm()

        async def armed() -> bool:
            return self._times(ARMED) > before

        await self.bank.until(armed)

    async def died(self) -> bool:
        """Whether it did, as foretold; else its fate is taken from it."""
        before = self._times(DISARMED)
        self.server.disarm()

        async def known() -> bool:
            return not self.server.is_alive or self._times(DISARMED) > before

        await self.bank.until(known)
        return not self.server.is_alive

    def _times(self, word: str) -> int:
        """How often a server has said so."""
        said = self.server.log.read_text().splitlines()
        return sum(line.startswith(word) for line in said)

    async def until_it_dies_or(self, done: Callable[[], Awaitable[Any]]) -> None:
        """Whichever comes first."""

        async def over() -> Any:
            return not self.server.is_alive or await done()

        await self.bank.until(over)

    async def pass_the_lease(self) -> None:
        """The next server may take what a dead one had taken."""
        passing = {"seconds": LEASE.total_seconds() + 1, "reason": "a test"}
        assert (await self.bank.world.client.post("/demo/clock", json=passing)).is_success

    async def deliver_the_rest(self) -> None:
        """What nobody was told of is told now, so that no later server has to find it."""
        await self.bank.lever("switches", drop=False)
        undelivered = "/v1/events?delivery_success=false&limit=100"
        for event in await listed(self.bank, undelivered):
            await self.bank.world.sandbox.post(f"/_sandbox/resend/{event['id']}")

        async def delivered() -> bool:
            return await listed(self.bank, undelivered) == []

        await self.bank.until(delivered)
        await self.bank.settled()


@pytest.fixture
async def street(database: str, tmp_path: Path) -> AsyncIterator[Street]:
    """Nothing lives there yet."""
    bound, till = listening()
    environment = server_environment({**SETTINGS, "HEADSTART_STRIPE_API_BASE": till})
    async with AsyncExitStack() as stack:
        warm = await stack.enter_async_context(nursery(environment))
        server = Server(warm, environment, tmp_path)
        stack.callback(server.kill)
        address = f"http://{HOST}:{server.port}"
        sandbox = create_sandbox(
            SandboxSettings(
                public_url=till,
                webhook_url=f"{address}/webhooks/stripe",
                retry_delays_s=RETRY_DELAYS_S,
            )
        )
        await stack.enter_async_context(served(sandbox, bound))
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=url, trust_env=False))
            for url in (address, till)
        ]
        pool = await stack.enter_async_context(connected(database, connections_max=2, role=None))
        people = PeopleStore(pool)
        known = SimpleNamespace(people=people, tokens=Tokens(SECRET, real_time), wakeups=Wakeups())
        world = World(cast(Service, known), await store_cast(people), *clients)
        yield Street(Bank(world, pool), server, database)


@dataclass(frozen=True, slots=True)
class Ending:
    """What has to come of it, however often a server dies."""

    status: str
    money: str
    received: int = 0
    refunded: int = 0


WAITING = {"charge": Ending("pending", "paid", 2999), "hold": Ending("pending", "held")}
Page = str


async def paid(bank: Bank) -> Page:
    """Somebody new, at a page of their own."""
    return await bank.pay(await bank.open_page(await bank.customer()))


async def dispatched(street: Street) -> tuple[Page, UUID]:
    """Found, and nothing left to do about it."""
    page = await paid(street.bank)
    request = await street.bank.request_of(page)
    await street.bank.heard()
    return page, request


async def a_webhook(street: Street) -> Page:
    """Delivered again and again until somebody acknowledges it."""
    await street.arm()
    return await paid(street.bank)


async def the_success_page(street: Street) -> Page:
    """Nobody hears of the payment but by the customer, who comes back."""
    bank = street.bank
    await bank.lever("switches", drop=True)
    customer = await bank.customer()
    page = await bank.pay(await bank.open_page(customer))
    await street.arm()
    with suppress(httpx.TransportError):
        path = f"/intake/success?session_id={page}"
        await bank.world.client.get(path, headers=customer)
    return page


async def the_reconciler(street: Street) -> Page:
    """Nobody hears of it, and the server has begun to look before anybody paid."""
    bank = street.bank
    await bank.lever("switches", drop=True)
    page = await paid(bank)
    street.server.kill()
    await street.begin(replace(street.fate, from_birth=True))
    return page


async def a_capture(street: Street) -> Page:
    page, request = await dispatched(street)
    _, mechanic = await street.bank.mechanic()
    await street.arm()
    await street.bank.accept(request, mechanic)
    return page


async def an_end(street: Street) -> Page:
    """An operator cancels: a hold is let go, a charge refunded."""
    page, request = await dispatched(street)
    await street.arm()
    answer = await street.bank.order(request, "cancellation", street.bank.world.operator)
    assert answer.status_code == 200, answer.text
    return page


async def a_refused_capture(street: Street) -> Page:
    page, request = await dispatched(street)
    payment = await street.bank.payment(request)
    _, mechanic = await street.bank.mechanic()
    await street.bank.lever("switches", drop=True)  # only the capture finds out
    await street.bank.lever("cancel", payment_intent=payment)
    await street.arm()
    await street.bank.accept(request, mechanic)
    return page


async def a_page_left_open(street: Street) -> Page:
    """Closed when another one is paid."""
    bank = street.bank
    customer = await bank.customer()
    await bank.open_page(customer)
    paid_page = await bank.open_page(customer)
    await street.arm()
    return await bank.pay(paid_page)


@dataclass(frozen=True, slots=True)
class Case:
    """Something to be done, which kind of work of the server does it, and what comes of it.

    ``sample`` is after how many steps a server dies in every run, for some.
    """

    happen: Callable[[Street], Awaitable[Page]]
    work: str
    capture: str
    ending: Ending
    sample: int | None = None


CASES = {
    "webhook, charge": Case(a_webhook, "receive", "charge", WAITING["charge"], 8),
    "webhook, hold": Case(a_webhook, "receive", "hold", WAITING["hold"]),
    "look, hold": Case(a_webhook, "carry out", "hold", WAITING["hold"], 12),
    "success page, charge": Case(the_success_page, "settle", "charge", WAITING["charge"]),
    "success page, hold": Case(the_success_page, "settle", "hold", WAITING["hold"], 10),
    "reconciler, charge": Case(the_reconciler, "reconcile", "charge", WAITING["charge"]),
    "reconciler, hold": Case(the_reconciler, "reconcile", "hold", WAITING["hold"]),
    "capture": Case(a_capture, "carry out", "hold", Ending("matched", "paid", 2999), 3),
    "cancelled hold": Case(an_end, "carry out", "hold", Ending("cancelled", "released")),
    "refund": Case(an_end, "carry out", "charge", Ending("cancelled", "returned", 2999, 2999), 4),
    "refused capture": Case(
        a_refused_capture, "carry out", "hold", Ending("cancelled", "released"), 5
    ),
    "page left open": Case(a_page_left_open, "carry out", "charge", WAITING["charge"]),
}


async def is_over(street: Street, page: Page, ending: Ending) -> bool:
    """Everything has come to its end, as far as the database knows."""
    query = (
        "select m.money from headstart.session_requests r"
        " join headstart.request_money m on m.session_id = r.id"
        " where r.checkout_session_id = $1 and r.status = $2"
        " and not exists (select from headstart.stripe_operations where state = 'due')"
    )
    money = await street.bank.pool.fetchval(query, page, ending.status)
    return bool(money == ending.money)


async def nothing_happened_twice(street: Street, page: Page, ending: Ending) -> None:
    """One request, one beginning and one end of it, and Stripe's figures to the cent."""
    bank = street.bank
    request = await bank.request_of(page)
    at_stripe = await bank.at_stripe(request)
    assert (at_stripe["received"], at_stripe["refunded"]) == (ending.received, ending.refunded)
    payment = await bank.payment(request)
    refunds = await listed(bank, f"/v1/refunds?payment_intent={payment}")
    assert len(refunds) == bool(ending.refunded)
    query = (
        "select kind from headstart.session_events where request_id = $1"
        " and kind in ('session_requested', 'request_matched', 'request_cancelled')"
    )
    kinds = [row["kind"] for row in await bank.pool.fetch(query, request)]
    assert len(kinds) == len(set(kinds)), kinds
    query = "select count(*) from headstart.session_requests where payment_intent_id = $1"
    assert await bank.pool.fetchval(query, payment) == 1
    open_pages = await listed(bank, "/v1/checkout/sessions?status=open&limit=5")
    assert open_pages == [], "who has paid has no other page open"


async def killed(street: Street, case: Case) -> bool:
    """Whether the server died as foretold; and what was under way is completed, by another, who
    will live for a step more."""
    bank = street.bank
    fate = street.fate
    page = await case.happen(street)
    await street.until_it_dies_or(lambda: is_over(street, page, case.ending))
    died = await street.died()
    if died:
        await street.begin(Fate(case.work, fate.steps + 1))
        await street.pass_the_lease()
        await bank.until(lambda: is_over(street, page, case.ending))
    await street.deliver_the_rest()
    await nothing_happened_twice(street, page, case.ending)
    return died


async def every_death(street: Street, case: Case) -> int:
    """Before the first step, after it, after the next, … until there is none left."""
    for steps in range(STEPS_MAX):
        if not await killed(street, case):
            return steps
    raise AssertionError("it never came to an end")


def chosen() -> dict[str, Case]:
    """Which are played, by name."""
    if not CHOSEN:
        return {name: case for name, case in CASES.items() if case.sample is not None}
    return CASES if CHOSEN == "1" else {name: CASES[name] for name in CHOSEN.split(";")}


async def test_whatever_a_killed_server_had_under_way_is_completed_once(
    street: Street, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, case in chosen().items():
        await street.bank.use(case.capture)
        street.server.kill()
        await street.begin(Fate(case.work, 0 if CHOSEN else case.sample or 0))
        try:
            if CHOSEN:
                deaths = await every_death(street, case)
                with capsys.disabled():
                    sys.stdout.write(f"{name}: {deaths} deaths\n")
            else:
                assert await killed(street, case), "it has so many steps"
        except (AssertionError, TimeoutError) as error:
            said = street.server.log.read_text()[-2000:]
            raise AssertionError(f"{name}: {error}; the servers said: {said}") from error
