"""The commit happened, its answer got lost: nothing is lost by it, and nothing is done twice."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from headstart.app.dispatcher import Dispatcher, Done
from headstart.app.ports import Unavailable
from headstart.core import commands
from headstart.lab.line import Line, line_to
from headstart.store.intakes import IntakeStore
from headstart.store.postgres import connected
from headstart.store.requests import RequestStore
from tests.conftest import Cast
from tests.store.booking import book, booking, mechanic_actor

if TYPE_CHECKING:
    from headstart.store.postgres import Pool


@asynccontextmanager
async def through_a_line(database: str) -> AsyncIterator[tuple[Line, RequestStore]]:
    """A store whose only connection passes the line."""
    async with line_to(database) as line, connected(line.dsn, connections_max=1) as pool:
        yield line, RequestStore(pool)


async def test_a_lost_answer_to_an_accept_is_repaired_by_the_same_key(
    pool: "Pool", database: str, cast: Cast
) -> None:
    intakes = IntakeStore(pool)
    request = await book(Dispatcher(RequestStore(pool), lambda: None), intakes, cast.customer)
    mechanic = cast.others[0]
    accept = commands.AcceptOffer(request.id, mechanic, mechanic_actor(mechanic))
    async with through_a_line(database) as (line, store):
        dispatcher = Dispatcher(store, lambda: None)
        line.lose_next()
        with pytest.raises(Unavailable):
            await dispatcher.execute(accept, command_key="once")
        assert await matches(pool) == 1, "it was committed"
        outcome = await dispatcher.execute(accept, command_key="once")
    assert isinstance(outcome, Done)
    assert not outcome.changed
    assert await matches(pool) == 1


async def matches(pool: "Pool") -> int:
    """How many matches the log holds."""
    query = "select count(*) from session_events where kind = 'request_matched'"
    count: int = await pool.fetchval(query)
    return count


async def test_a_lost_answer_to_a_creation_makes_one_request(
    pool: "Pool", database: str, cast: Cast
) -> None:
    intakes = IntakeStore(pool)
    command = await booking(intakes, cast.customer, cast.favorite)
    async with through_a_line(database) as (line, store):
        dispatcher = Dispatcher(store, lambda: None)
        line.lose_next()
        with pytest.raises(Unavailable):
            await dispatcher.request_session(command, store)
        assert await pool.fetchval("select count(*) from session_requests") == 1, "committed"
        made = await dispatcher.request_session(command, store)
    assert made.version == 2
    assert await pool.fetchval("select count(*) from session_events") == 2
