"""The feed: everybody hears what they are meant to hear, once and in order, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from headstart.app.dispatcher import Dispatcher
from headstart.app.feed import QUEUE_FRAMES_MAX, Feed, Frame, Subscription, TooSlow
from headstart.app.ports import Cursor
from headstart.app.wakeups import Wakeups
from headstart.core import commands
from headstart.core.access import Principal, Role
from headstart.core.request import MechanicId, RequestId
from headstart.store.intakes import IntakeStore
from headstart.store.log import EventLogStore
from headstart.store.people import PeopleStore
from headstart.store.requests import RequestStore
from tests.conftest import Cast
from tests.store.booking import book, booking, mechanic_actor

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

OFFER_KEYS = {"session_id", "mechanic_id", "priority_window_minutes", "message", "due_at"}
PRIVATE = ("Canary", "email", "phone", "pi_", "cs_test_")


def mechanic(who: MechanicId) -> Principal:
    """A mechanic, signed in."""
    return Principal(Role.MECHANIC, who)


@asynccontextmanager
async def running(feed: Feed) -> AsyncIterator[None]:
    """The feed's loop."""
    loop = asyncio.create_task(feed.run())
    await feed.started.wait()
    try:
        yield
    finally:
        loop.cancel()


async def heard(subscription: Subscription, count: int) -> list[Frame]:
    """The next frames, in bounded time."""
    async with asyncio.timeout(10):
        frames = [await subscription.next() for _ in range(count)]
    return [frame for frame in frames if frame is not None]


@pytest.fixture
def feed(event_log: EventLogStore, wakeups: Wakeups) -> Feed:
    """A feed that does not run yet."""
    return Feed(event_log, wakeups)


async def test_only_the_favourite_hears_of_a_reserved_request(
    feed: Feed, intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    async with running(feed):
        with (
            feed.subscribe(mechanic(cast.favorite)) as favorite,
            feed.subscribe(mechanic(cast.others[0])) as other,
            feed.subscribe(Principal(Role.CUSTOMER, cast.customer)) as owner,
        ):
            request = await book(dispatcher, intakes, cast.customer, cast.favorite)
            dispatcher.announce()
            [offer] = await heard(favorite, 1)
            assert offer.event == "priority_session_request"
            assert offer.topic == "session_requests_feed"
            assert offer.payload.keys() >= OFFER_KEYS | {"server_now", "version", "vehicle"}
            assert not any(word in repr(offer.payload) for word in PRIVATE)
            [asked] = await heard(owner, 1)
            assert asked.event == "request_reserved"
            assert "message" not in asked.payload

            await dispatcher.execute(ask_everyone(request.id, cast))
            [broadcast] = await heard(other, 1)  # and so nothing came before it
            assert broadcast.event == "new_request"
            assert broadcast.payload["reason"] == "standard"
            assert broadcast.payload["fallback_reason"] == "customer_skipped"
            assert not any(word in repr(broadcast.payload) for word in PRIVATE)


def ask_everyone(request_id: RequestId, cast: Cast) -> commands.AskEveryone:
    """The customer loses patience."""
    return commands.AskEveryone(request_id, commands.Actor("customer", str(cast.customer)))


async def test_everybody_who_could_see_a_request_hears_that_it_is_taken_and_not_by_whom(
    feed: Feed, intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    winner = cast.others[0]
    request = await book(dispatcher, intakes, cast.customer, cast.favorite)
    await dispatcher.execute(ask_everyone(request.id, cast))
    start = await feed.place()
    await dispatcher.execute(commands.AcceptOffer(request.id, winner, mechanic_actor(winner)))
    for listener in (cast.favorite, *cast.others):
        [taken] = [frame async for frame in feed.replay(mechanic(listener), start)]
        assert taken.event == "request_accepted"
        assert "mechanic_id" not in taken.payload


async def test_a_decline_is_not_made_personal(
    feed: Feed, intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    request = await book(dispatcher, intakes, cast.customer, cast.favorite)
    start = await feed.place()
    decline = commands.DeclineOffer(request.id, cast.favorite, mechanic_actor(cast.favorite))
    await dispatcher.execute(decline)
    told = {
        who.role: [frame.payload.get("fallback_reason") async for frame in feed.replay(who, start)]
        for who in (Principal(Role.CUSTOMER, cast.customer), mechanic(cast.others[0]))
    }
    assert told[Role.CUSTOMER] == ["mechanic_unavailable"] * 2
    assert told[Role.MECHANIC] == ["declined"]


async def sessions_of(subscription: Subscription, count: int) -> list[RequestId]:
    """What the next frames are about."""
    frames = await heard(subscription, count)
    return [RequestId(UUID(frame.payload["session_id"])) for frame in frames]


async def test_a_suspended_mechanic_hears_nothing_while_they_are(
    feed: Feed,
    intakes: IntakeStore,
    people: PeopleStore,
    dispatcher: Dispatcher,
    cast: Cast,
) -> None:
    suspended, other = cast.others
    await people.set_mechanic_status(suspended, "suspended")
    async with running(feed):
        with (
            feed.subscribe(mechanic(suspended)) as silent,
            feed.subscribe(mechanic(other)) as listener,
        ):
            first = await book(dispatcher, intakes, cast.customer)
            dispatcher.announce()
            assert await sessions_of(listener, 1) == [first.id]
            await people.set_mechanic_status(suspended, "approved")
            await people.set_mechanic_status(other, "suspended")
            second = await book(dispatcher, intakes, cast.customer)
            winner = cast.favorite
            await dispatcher.execute(
                commands.AcceptOffer(second.id, winner, mechanic_actor(winner))
            )
            assert await sessions_of(silent, 2) == [second.id] * 2  # opened, and taken
            await people.set_mechanic_status(other, "approved")
            third = await book(dispatcher, intakes, cast.customer)
            dispatcher.announce()
            for each in (silent, listener):
                assert await sessions_of(each, 1) == [third.id]


async def test_a_replay_gives_what_was_missed_and_nothing_twice(
    feed: Feed, intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    who = mechanic(cast.others[0])
    start = await feed.place()
    requests = [await book(dispatcher, intakes, cast.customer) for _ in range(5)]
    missed = [frame async for frame in feed.replay(who, start)]
    assert [frame.payload["session_id"] for frame in missed] == [str(one.id) for one in requests]
    rest = [frame async for frame in feed.replay(who, missed[2].cursor)]
    assert [frame.cursor for frame in rest] == [frame.cursor for frame in missed[3:]]


async def test_a_late_commit_is_not_skipped(
    pool: "Pool", feed: Feed, intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    """An event that took its number early and commits late still comes, in its place."""
    who = mechanic(cast.others[0])
    async with running(feed):
        with feed.subscribe(who) as listener:
            async with RequestStore(pool).transaction() as slow:
                command = await booking(intakes, cast.customer)
                early = await dispatcher.request_session(command, slow)
                quick = await book(dispatcher, intakes, cast.customer)
                dispatcher.announce()
            dispatcher.announce()
            told = await heard(listener, 2)
    assert {frame.payload["session_id"] for frame in told} == {str(early.id), str(quick.id)}
    assert told[0].cursor < told[1].cursor


def test_a_reader_who_is_too_slow_is_cut_and_nobody_waits_for_them() -> None:
    subscription = Subscription(mechanic(MechanicId(uuid4())))
    for number in range(QUEUE_FRAMES_MAX + 10):
        subscription.offer(Frame(Cursor(1, number), "topic", "event", {}))
    assert subscription.overflowed
    received = 0

    async def drain() -> None:
        nonlocal received
        while True:
            await subscription.next()
            received += 1

    with pytest.raises(TooSlow):
        asyncio.run(drain())
    assert received == QUEUE_FRAMES_MAX


async def test_a_foreign_transaction_that_holds_up_the_news_is_reported(
    pool: "Pool", feed: Feed, intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    async with running(feed):
        async with pool.acquire() as foreign, foreign.transaction():
            await foreign.execute("select pg_current_xact_id()")
            await book(dispatcher, intakes, cast.customer)
            async with asyncio.timeout(10):
                while feed.stall_s == 0:  # noqa: ASYNC110 - found by polling
                    await asyncio.sleep(0.01)
        async with asyncio.timeout(10):
            while feed.stall_s > 0:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_windows_that_end_together_are_all_told(
    feed: Feed,
    requests: RequestStore,
    intakes: IntakeStore,
    people: PeopleStore,
    dispatcher: Dispatcher,
    cast: Cast,
) -> None:
    booked = [await book(dispatcher, intakes, cast.customer, cast.favorite) for _ in range(30)]
    async with running(feed):
        with feed.subscribe(mechanic(cast.others[0])) as listener:
            await people.advance_clock(timedelta(minutes=10))
            await dispatcher.enforce_due(100)
            told = await heard(listener, 30)
    assert {frame.payload["session_id"] for frame in told} == {str(one.id) for one in booked}
    assert {frame.payload["reason"] for frame in told} == {"priority_timeout"}


async def test_who_comes_while_news_are_told_is_told_too(
    feed: Feed,
    event_log: EventLogStore,
    intakes: IntakeStore,
    dispatcher: Dispatcher,
    cast: Cast,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is in memory ends before the page that is just being told."""
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(mechanics: Sequence[MechanicId]) -> frozenset[MechanicId]:
        monkeypatch.undo()  # only the first time
        approved = await event_log.approved(mechanics)
        asked.set()
        await go_on.wait()
        return approved

    async with running(feed):
        start, late = feed.told, mechanic(cast.others[1])
        with feed.subscribe(mechanic(cast.others[0])) as listener:
            monkeypatch.setattr(event_log, "approved", slow)
            request = await book(dispatcher, intakes, cast.customer)
            dispatcher.announce()
            await asked.wait()
            with feed.subscribe(late) as came:
                assert await feed.recent(late, start, datetime.now(UTC)) == []
                go_on.set()
                for one in (listener, came):
                    [told] = await heard(one, 1)
                    assert told.payload["session_id"] == str(request.id)


async def test_who_leaves_in_the_middle_of_a_page_is_told_once_they_are_back(
    feed: Feed,
    intakes: IntakeStore,
    people: PeopleStore,
    dispatcher: Dispatcher,
    cast: Cast,
) -> None:
    who = mechanic(cast.others[0])

    class Leaver(Subscription):
        def offer(self, frame: Frame) -> None:
            super().offer(frame)
            feed.detach(self)

    for _ in range(3):
        await book(dispatcher, intakes, cast.customer, cast.favorite)
    async with running(feed):
        feed.attach(leaver := Leaver(who))
        await people.advance_clock(timedelta(minutes=10))
        await dispatcher.enforce_due(100)
        await heard(leaver, 1)
        with feed.subscribe(who) as back:
            request = await book(dispatcher, intakes, cast.customer)
            dispatcher.announce()
            while (await heard(back, 1))[0].payload["session_id"] != str(request.id):
                pass


async def test_a_mechanic_is_told_though_the_same_person_has_left_as_a_customer(
    feed: Feed, intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    who = mechanic(cast.others[0])
    async with running(feed):
        with feed.subscribe(who) as listener:
            await book(dispatcher, intakes, cast.customer)
            dispatcher.announce()
            await heard(listener, 1)
            with feed.subscribe(Principal(Role.CUSTOMER, who.id)):
                pass
            request = await book(dispatcher, intakes, cast.customer)
            dispatcher.announce()
            [told] = await heard(listener, 1)
            assert told.payload["session_id"] == str(request.id)


async def test_thousands_would_be_told_in_the_order_they_came(
    feed: Feed, intakes: IntakeStore, people: PeopleStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    told: list[MechanicId] = []

    class Noted(Subscription):
        def offer(self, frame: Frame) -> None:
            super().offer(frame)
            told.append(MechanicId(self.who.id))

    came = [MechanicId(uuid4()) for _ in range(20)]
    listeners = [Noted(mechanic(one)) for one in came]
    async with running(feed):
        for one, listener in zip(came, listeners, strict=True):
            await people.add_mechanic(one, "Mo")
            feed.attach(listener)
        await book(dispatcher, intakes, cast.customer)
        dispatcher.announce()
        await heard(listeners[-1], 1)
    assert told == came
