"""Time's own loop: everything due is acted upon once, whatever breaks."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from headstart.app.deadlines import POLL_S, Deadlines
from headstart.app.dispatcher import Dispatcher
from headstart.app.ports import Unavailable
from headstart.app.wakeups import Wakeups
from headstart.core import commands
from headstart.core.request import RequestId
from headstart.store.intakes import IntakeStore
from headstart.store.people import PeopleStore
from headstart.store.requests import RequestStore
from tests.conftest import Cast
from tests.store.booking import book, booking, mechanic_actor

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

WINDOW = timedelta(minutes=10)


async def kinds(pool: "Pool", request_id: RequestId) -> list[str]:
    """The kinds of a request's events, in order."""
    query = "select kind from session_events where request_id = $1 order by version"
    return [row["kind"] for row in await pool.fetch(query, request_id)]


async def until_opened(pool: "Pool", request_id: RequestId) -> None:
    """Wait for the fallback, in bounded time."""
    async with asyncio.timeout(10):
        while (await kinds(pool, request_id))[-1] != "request_opened":  # noqa: ASYNC110 - a row
            await asyncio.sleep(0.01)


async def test_nothing_happens_before_the_deadline_and_the_fallback_at_it(
    pool: "Pool",
    requests: RequestStore,
    intakes: IntakeStore,
    people: PeopleStore,
    dispatcher: Dispatcher,
    wakeups: Wakeups,
    cast: Cast,
) -> None:
    deadlines = Deadlines(dispatcher, requests, wakeups)
    request = await book(dispatcher, intakes, cast.customer, cast.favorite)
    await people.advance_clock(WINDOW - timedelta(seconds=30))
    assert 0 < await deadlines.sweep() <= POLL_S
    assert await kinds(pool, request.id) == ["session_requested", "request_reserved"]
    await people.advance_clock(timedelta(seconds=30))
    await deadlines.sweep()
    assert (await kinds(pool, request.id))[2:] == ["reservation_ended", "request_opened"]
    await people.advance_clock(timedelta(minutes=20))
    await deadlines.sweep()
    assert (await kinds(pool, request.id))[4:] == ["request_unfilled"]
    assert await deadlines.sweep() == POLL_S


async def test_eight_sweepers_at_once_open_each_request_once(
    pool: "Pool",
    requests: RequestStore,
    intakes: IntakeStore,
    people: PeopleStore,
    dispatcher: Dispatcher,
    wakeups: Wakeups,
    cast: Cast,
) -> None:
    for _ in range(60):
        await book(dispatcher, intakes, cast.customer, cast.favorite)
    await people.advance_clock(WINDOW)
    sweepers = [Deadlines(dispatcher, requests, wakeups) for _ in range(8)]
    await asyncio.gather(*(sweeper.sweep() for sweeper in sweepers))
    opened = "select count(*) from session_events where kind = 'request_opened'"
    assert await pool.fetchval(opened) == 60
    assert await pool.fetchval("select count(*) from session_requests where stage = 'open'") == 60


async def test_an_accept_before_the_fallback_wins_even_after_the_deadline(
    pool: "Pool",
    requests: RequestStore,
    intakes: IntakeStore,
    people: PeopleStore,
    dispatcher: Dispatcher,
    wakeups: Wakeups,
    cast: Cast,
) -> None:
    request = await book(dispatcher, intakes, cast.customer, cast.favorite)
    await people.advance_clock(WINDOW + timedelta(seconds=1))
    accept = commands.AcceptOffer(request.id, cast.favorite, mechanic_actor(cast.favorite))
    await dispatcher.execute(accept)
    await Deadlines(dispatcher, requests, wakeups).sweep()
    assert (await kinds(pool, request.id))[2:] == ["request_matched"]


async def test_accepts_and_sweeps_racing_at_the_deadline_leave_one_winner_or_one_broadcast(
    pool: "Pool",
    requests: RequestStore,
    intakes: IntakeStore,
    people: PeopleStore,
    dispatcher: Dispatcher,
    wakeups: Wakeups,
    cast: Cast,
) -> None:
    for _ in range(10):
        request = await book(dispatcher, intakes, cast.customer, cast.favorite)
        await people.advance_clock(WINDOW)
        accept = commands.AcceptOffer(request.id, cast.favorite, mechanic_actor(cast.favorite))
        sweeper = Deadlines(dispatcher, requests, wakeups)
        await asyncio.gather(dispatcher.execute(accept), sweeper.sweep(), sweeper.sweep())
        told = await kinds(pool, request.id)
        assert told[-1] == "request_matched", "the favourite may accept before and after"
        assert told.count("request_opened") <= 1
        operator = commands.Actor("operator", "test")
        over = commands.CompleteSession(request.id, None, operator)
        await dispatcher.execute(over, reason="a test")


async def test_one_request_that_cannot_be_handled_does_not_hold_up_the_others(
    pool: "Pool",
    owner: "Pool",
    requests: RequestStore,
    intakes: IntakeStore,
    people: PeopleStore,
    dispatcher: Dispatcher,
    wakeups: Wakeups,
    cast: Cast,
) -> None:
    broken = await book(dispatcher, intakes, cast.customer, cast.favorite)
    sound = await book(dispatcher, intakes, cast.customer, cast.favorite)
    await owner.execute(
        "update session_requests set policy = '{}' where id = $1", broken.id
    )  # what no program of ours would write
    await people.advance_clock(WINDOW)
    deadlines = Deadlines(dispatcher, requests, wakeups)
    nap_s = [await deadlines.sweep() for _ in range(3)]
    assert (await kinds(pool, sound.id))[-1] == "request_opened"
    assert 0 < nap_s[1] < nap_s[2] <= POLL_S, "it does not spin on what it cannot do"


@pytest.mark.parametrize("failure", [Unavailable("down"), RuntimeError("a bug")])
async def test_the_loop_survives_a_failing_sweep(
    failure: Exception,
    pool: "Pool",
    intakes: IntakeStore,
    people: PeopleStore,
    wakeups: Wakeups,
    cast: Cast,
) -> None:
    class FailsTwice(RequestStore):
        failures = 2

        async def next_due_s(self) -> float | None:
            if FailsTwice.failures:
                FailsTwice.failures -= 1
                raise failure
            return await super().next_due_s()

    requests = FailsTwice(pool)
    dispatcher = Dispatcher(requests, wakeups.announce)
    loop = asyncio.create_task(Deadlines(dispatcher, requests, wakeups).run())
    request = await book(dispatcher, intakes, cast.customer, cast.favorite)
    await people.advance_clock(WINDOW)
    wakeups.announce()
    await until_opened(pool, request.id)
    loop.cancel()


async def test_a_short_window_ends_without_any_hint(
    pool: "Pool",
    requests: RequestStore,
    intakes: IntakeStore,
    wakeups: Wakeups,
    cast: Cast,
) -> None:
    """The hints are lost: the request is made by another process that tells nobody."""
    loop = asyncio.create_task(
        Deadlines(Dispatcher(requests, wakeups.announce), requests, wakeups).run()
    )
    elsewhere = Dispatcher(requests, lambda: None)
    command = await booking(
        intakes, cast.customer, cast.favorite, window=timedelta(milliseconds=300)
    )
    await elsewhere.request_session(command, requests)
    await until_opened(pool, command.request_id)
    loop.cancel()
