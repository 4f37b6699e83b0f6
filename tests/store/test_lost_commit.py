"""The commit happened, its answer got lost: nothing is lost by it, and nothing is done twice."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import pytest

from headstart.app.dispatcher import Dispatcher, Done
from headstart.app.ports import Change, Unavailable
from headstart.core import commands
from headstart.core.request import RequestId
from headstart.store.intakes import IntakeStore
from headstart.store.postgres import connected
from headstart.store.queries import queries
from headstart.store.requests import RequestStore
from tests.conftest import Cast
from tests.store.booking import book, booking, mechanic_actor

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

CHUNK_BYTES = 65_536


class Proxy:
    """Stands between us and PostgreSQL, and can swallow an answer and hang up."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self.swallow_next_answer = False
        self.swallowed = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        from_server, to_server = await asyncio.open_unix_connection(self._server)
        await asyncio.gather(
            self._forward(reader, to_server), self._answer(from_server, writer, to_server)
        )

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await _read(reader):
            writer.write(chunk)
        writer.close()

    async def _answer(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        to_server: asyncio.StreamWriter,
    ) -> None:
        while chunk := await _read(reader):
            if self.swallow_next_answer:
                self.swallow_next_answer = False
                self.swallowed += 1
                to_server.close()
                break
            writer.write(chunk)
        writer.close()


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(CHUNK_BYTES)
    except ConnectionError:
        return b""


class LosesAnswers(RequestStore):
    """Its next write commits, and the answer is swallowed."""

    proxy: Proxy
    lose = 0

    async def write(self, changes: Sequence[Change]) -> frozenset[RequestId]:
        """Through the proxy."""
        if LosesAnswers.lose:
            LosesAnswers.lose -= 1
            self.proxy.swallow_next_answer = True
        return await super().write(changes)

    async def create(self, change: Change) -> bool:
        """Through the proxy."""
        if LosesAnswers.lose:
            LosesAnswers.lose -= 1
            self.proxy.swallow_next_answer = True
        return await super().create(change)


@asynccontextmanager
async def through_a_proxy(database: str) -> AsyncIterator[LosesAnswers]:
    """A store whose connections all pass the proxy."""
    address = urlsplit(database)
    socket = Path(parse_qs(address.query)["host"][0]) / ".s.PGSQL.5432"
    proxy = Proxy(socket)
    with tempfile.TemporaryDirectory(prefix="hs-") as made:
        server = await asyncio.start_unix_server(proxy.serve, Path(made) / socket.name)
        dsn = urlunsplit(address._replace(query=f"host={quote(made)}&port=5432"))
        async with connected(dsn, connections_max=1) as pool:
            store = LosesAnswers(pool)
            store.proxy = proxy
            yield store
        server.close()


async def test_a_lost_answer_to_an_accept_is_repaired_by_the_same_key(
    pool: "Pool", database: str, cast: Cast
) -> None:
    intakes = IntakeStore(pool)
    request = await book(Dispatcher(RequestStore(pool), lambda: None), intakes, cast.customer)
    mechanic = cast.others[0]
    accept = commands.AcceptOffer(request.id, mechanic, mechanic_actor(mechanic))
    async with through_a_proxy(database) as store:
        # Prepared here, so that what gets lost is the answer to the commit.
        await store.rows("write_event", **dict.fromkeys(queries()["write_event"].parameters))
        dispatcher = Dispatcher(store, lambda: None)
        LosesAnswers.lose = 1
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
    first, second = [await booking(intakes, cast.customer, cast.favorite) for _ in range(2)]
    async with through_a_proxy(database) as store:
        dispatcher = Dispatcher(store, lambda: None)
        await dispatcher.request_session(first, store)  # prepares the statement
        LosesAnswers.lose = 1
        with pytest.raises(Unavailable):
            await dispatcher.request_session(second, store)
        assert await pool.fetchval("select count(*) from session_requests") == 2, "committed"
        made = await dispatcher.request_session(second, store)
    assert made.version == 2
    assert await pool.fetchval("select count(*) from session_events") == 4
