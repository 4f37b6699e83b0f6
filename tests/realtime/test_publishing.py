"""Published into a project of Supabase: to whom it is meant, in order, until it is accepted."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from headstart.app.deadlines import Deadlines
from headstart.app.dispatcher import Dispatcher
from headstart.app.ports import Cursor
from headstart.app.wakeups import Wakeups
from headstart.core.audience import FEED_TOPIC, mechanic_topic, request_topic
from headstart.core.commands import AcceptOffer, AskEveryone
from headstart.core.request import SessionRequest
from headstart.identity.seals import Seals
from headstart.realtime.publishing import publisher as publishing
from headstart.realtime.publishing.project import Project
from headstart.realtime.publishing.publisher import Publisher
from headstart.store.intakes import IntakeStore
from headstart.store.people import PeopleStore
from headstart.store.publications import PublicationStore
from headstart.store.requests import RequestStore
from tests.conftest import Cast, store_cast
from tests.payments.stand import GUARD_S, until
from tests.realtime.supabase_stand import KEY, Stand, stand
from tests.store.booking import book, mechanic_actor
from tests.web.conftest import settings

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

SEALS = Seals("a secret of a test", lambda number: b"0" * number)


def named(cursor: Cursor) -> str:
    """The id of an event."""
    return SEALS.name(cursor.xid, cursor.id)


async def turns(one: Publisher, done: Callable[[], bool]) -> None:
    """It publishes until this is so."""
    async with asyncio.timeout(GUARD_S):
        while not done():
            await one._turn()
            await asyncio.sleep(0.001)


@dataclass(frozen=True, slots=True)
class Shop:
    """What happens here is published there."""

    pool: "Pool"
    cast: Cast
    stand: Stand
    wakeups: Wakeups
    projects: list[Project] = field(default_factory=list)

    @property
    def dispatcher(self) -> Dispatcher:
        """The one write path."""
        return Dispatcher(RequestStore(self.pool), self.wakeups.announce)

    def publisher(self, *, per_s: float = 1000) -> Publisher:
        """One process."""
        log = PublicationStore(self.pool)
        self.projects.append(project := Project(self.stand.url, KEY))
        return Publisher(log, log, project, self.wakeups, uuid4(), name=named, per_s=per_s)

    @asynccontextmanager
    async def publishing(self, *, per_s: float = 1000) -> AsyncIterator[None]:
        """Meanwhile; the place in the log is taken before it begins."""
        made = self.publisher(per_s=per_s)
        await made._turn()
        running = asyncio.create_task(made.run())
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def asked(self) -> SessionRequest:
        """A favourite's turn begins."""
        intakes = IntakeStore(self.pool)
        return await book(self.dispatcher, intakes, self.cast.customer, self.cast.favorite)

    async def opened(self) -> SessionRequest:
        """Everybody is asked."""
        return await book(self.dispatcher, IntakeStore(self.pool), self.cast.customer)

    async def taken(self, request: SessionRequest) -> None:
        """By somebody who was asked last."""
        winner = self.cast.others[0]
        command = AcceptOffer(request.id, winner, mechanic_actor(winner))
        await self.dispatcher.execute(command)


@pytest.fixture
async def shop(pool: "Pool") -> AsyncIterator[Shop]:
    """With a project beside it, that nothing was published into yet."""
    async with stand() as made:
        shop = Shop(pool, await store_cast(PeopleStore(pool)), made, Wakeups())
        yield shop
        for project in shop.projects:
            await project.close()


async def test_each_message_goes_to_those_who_are_meant_and_names_its_event(shop: Shop) -> None:
    favorite, others = shop.cast.favorite, shop.cast.others
    before = await shop.opened()  # what was before is no news there
    async with shop.publishing():
        request = await shop.asked()
        customers = request_topic(request.id)
        await until(lambda: customers in {one.topic for one in shop.stand.heard})
        await until(lambda: shop.stand.of(mechanic_topic(favorite)) != [])
        secret = {one.topic for one in shop.stand.heard}
        assert secret == {mechanic_topic(favorite), customers}
        actor = mechanic_actor(favorite)
        await shop.dispatcher.execute(AskEveryone(request.id, actor))
        await shop.taken(request)
        await until(lambda: "request_accepted" in shop.stand.of(FEED_TOPIC))
    assert shop.stand.of(mechanic_topic(favorite)) == [
        "priority_session_request",
        "priority_window_ended",
    ]
    assert [shop.stand.of(mechanic_topic(one)) for one in others] == [["new_request"]] * 2
    assert shop.stand.of(mechanic_topic(shop.cast.second)) == ["new_request"]
    assert shop.stand.of(FEED_TOPIC) == ["request_accepted"]
    assert shop.stand.of(customers)[-1] == "request_accepted"
    assert shop.stand.of(request_topic(before.id)) == []
    copies = {one.id for one in shop.stand.heard if one.event == "new_request"}
    assert len(copies) == 1
    assert {one.id for one in shop.stand.heard if one.event == "request_accepted"} & copies == set()


async def test_what_was_not_accepted_is_sent_again_with_its_ids_and_in_order(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by the process that takes over."""
    monkeypatch.setattr(publishing, "BACK_OFF_S", 0.01)
    monkeypatch.setattr(publishing, "HELD_ELSEWHERE_S", 0.05)
    async with shop.publishing(per_s=8):  # four to a batch: an event goes out in parts
        shop.stand.fails.extend([500, 429, 503])
        first = await shop.asked()
        await until(lambda: not shop.stand.fails and 202 in shop.stand.answers)
        shop.stand.fails.extend([502] * 50)
        second = await shop.opened()
        await shop.taken(second)
        await until(lambda: 502 in shop.stand.answers)
    shop.stand.fails.clear()
    await shop.pool.execute("update headstart.publications set held_until = clock_timestamp()")
    async with shop.publishing():
        await until(lambda: "request_accepted" in shop.stand.of(FEED_TOPIC))
    for one in (first, second):
        told = shop.stand.of(request_topic(one.id))
        assert told[-1] == ("request_reserved" if one is first else "request_accepted")
    assert shop.stand.of(mechanic_topic(shop.cast.others[1])) == ["new_request"]
    twice = [one.id for one in shop.stand.heard if one.topic == FEED_TOPIC]
    assert len(set(twice)) == 1


async def test_one_process_publishes_at_a_time(shop: Shop) -> None:
    first, second = shop.publisher(), shop.publisher()
    for one in (first, second, first):
        await one._turn()
    request = await shop.opened()
    await second._turn()
    assert shop.stand.heard == []
    await turns(first, lambda: shop.stand.of(request_topic(request.id)) == ["new_request"])
    await shop.pool.execute("update headstart.publications set held_until = clock_timestamp()")
    await shop.taken(request)
    await turns(second, lambda: shop.stand.of(FEED_TOPIC) == ["request_accepted"])
    assert not await first._publications.move("supabase", first._process, Cursor(), 30)


async def test_who_waits_for_another_process_is_not_kept_busy_by_the_news(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wake-up that nobody clears would have it ask the database again and again."""
    first, second = shop.publisher(), shop.publisher()
    await first._turn()
    waits: list[float] = []

    async def nap(wait_s: float) -> None:
        waits.append(wait_s)
        assert len(waits) == 1, "it did not wait"
        shop.wakeups.announce()
        async with asyncio.timeout(0.05):
            await Publisher._nap(second, wait_s)

    monkeypatch.setattr(second, "_nap", nap)
    with pytest.raises(TimeoutError):
        await second.run()
    assert waits == [publishing.HELD_ELSEWHERE_S]


async def test_a_message_that_does_not_fit_is_left_out_by_name_and_the_others_are_not(
    shop: Shop,
) -> None:
    one = shop.publisher()
    await one._turn()
    request = await shop.opened()
    await shop.taken(request)
    shop.stand.limit = 400  # no card of an offer fits
    await turns(one, lambda: shop.stand.of(FEED_TOPIC) == ["request_accepted"])
    assert 422 in shop.stand.answers
    assert shop.stand.of(request_topic(request.id)) == ["new_request", "request_accepted"]
    assert {shop.stand.of(mechanic_topic(one)) == [] for one in shop.cast.others} == {True}


async def test_a_batch_that_is_too_much_is_halved(shop: Shop) -> None:
    one = shop.publisher()
    await one._turn()
    request = await shop.opened()
    await shop.taken(request)
    shop.stand.rate = 1
    await turns(one, lambda: shop.stand.of(FEED_TOPIC) == ["request_accepted"])
    assert 429 in shop.stand.answers
    assert shop.stand.of(request_topic(request.id)) == ["new_request", "request_accepted"]


@pytest.mark.parametrize("why", ["key", "policy"])
async def test_nothing_is_lost_while_the_project_refuses(shop: Shop, why: str) -> None:
    """A batch would be accepted and dropped by the policy; the offer that goes alone is not."""
    one = shop.publisher()
    await one._turn()
    if why == "key":
        shop.stand.key = "another"
    else:
        shop.stand.may_write = lambda topic: not topic.startswith("mechanic:")
    request = await shop.asked()
    refused = 401 if why == "key" else 403
    await turns(one, lambda: shop.stand.answers.count(refused) == 2)
    own = mechanic_topic(shop.cast.favorite)
    assert shop.stand.of(own) == []
    shop.stand.key, shop.stand.may_write = KEY, lambda topic: True
    await turns(one, lambda: shop.stand.of(own) == ["priority_session_request"])
    assert shop.stand.of(request_topic(request.id)) == ["request_reserved"]


async def test_an_older_server_takes_offers_too_and_an_offer_that_is_over_is_not_told(
    shop: Shop, people: PeopleStore
) -> None:
    shop.stand.single = False
    one = shop.publisher()
    await one._turn()
    await shop.asked()
    own = mechanic_topic(shop.cast.favorite)
    await turns(one, lambda: shop.stand.of(own) == ["priority_session_request"])
    late = await shop.asked()
    await people.advance_clock(timedelta(minutes=11))
    await Deadlines(shop.dispatcher, RequestStore(shop.pool), shop.wakeups).sweep()
    customers = request_topic(late.id)
    await turns(one, lambda: "new_request" in shop.stand.of(customers))
    told = [each for each in shop.stand.heard if each.payload["session_id"] == str(late.id)]
    assert {each.event for each in told if each.topic == own} == {"priority_window_ended"}


@pytest.mark.parametrize(
    "said",
    [
        {"HEADSTART_SUPABASE_URL": "https://project.example"},
        {"HEADSTART_SUPABASE_URL": "http://project.example", "HEADSTART_SUPABASE_KEY": KEY},
        {"HEADSTART_SUPABASE_URL": "project.example", "HEADSTART_SUPABASE_KEY": KEY},
    ],
    ids=["no key", "in the clear", "no address"],
)
def test_half_a_project_stops_the_start(said: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="HEADSTART_SUPABASE_URL"):
        settings("https://own.example", "", **said)
