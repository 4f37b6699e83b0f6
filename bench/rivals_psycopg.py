"""The same accepts through psycopg 3, which decides the driver. Optional: it is in no lock file."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from bench.rivals import (
    INSERT,
    LOCK,
    PAYLOAD,
    SINGLE,
    UPDATE,
    Accept,
    Clients,
    execute,
)
from headstart.app.dispatcher import Dispatcher
from headstart.core.request import MechanicId, RequestId
from headstart.store.postgres import SERVER_SETTINGS
from headstart.store.queries import queries
from headstart.store.requests import RequestStore

AVAILABLE = find_spec("psycopg") is not None
NOT_RUN = "NOT RUN: psycopg 3 is not installed, so the drivers were not compared"

COMPARED = {
    "ours, own connection": "ours, own connection, psycopg",
    "(a) own connection": "(a) own connection, psycopg",
    "(b) one statement": "(b) psycopg",
}

# In a pipeline nothing can be looked at in between: the update must carry the rules itself.
_UPDATE_IF_OPEN = UPDATE.replace(
    "where id = $1", "where id = $1 and stage = 'open' and $2 <> all (excluded_mechanics)"
)
_INSERT_FROM_ROW = """
insert into session_events (request_id, version, kind, at, actor, round, payload)
select id, version, 'request_matched', matched_at, $3, round, $4
from session_requests where id = $1 and matched_mechanic_id = $2"""


def variants() -> Mapping[str, Clients]:
    """None, when psycopg is not there."""
    if not AVAILABLE:
        return {}
    return {
        "ours, own connection, psycopg": _ours,
        "(a) own connection, psycopg": _hand_written,
        "(a) own connection, psycopg, pipelined": _pipelined,
        "(b) psycopg": _single_statement,
    }


@asynccontextmanager
async def _connections(dsn: str, number: int) -> AsyncIterator[Sequence[Any]]:
    psycopg = import_module("psycopg")
    options = " ".join(
        f"-c {name}={SERVER_SETTINGS[name]}" for name in ("search_path", "timezone", "jit")
    )
    async with AsyncExitStack() as stack:
        held = []
        for _ in range(number):
            one = await psycopg.AsyncConnection.connect(
                dsn,
                options=options,
                autocommit=True,
                prepare_threshold=0,
                cursor_factory=psycopg.AsyncRawCursor,
            )
            stack.push_async_callback(one.close)
            held.append(one)
        yield held


class _PsycopgStore(RequestStore):
    """The product's store on another driver: only how a statement is sent differs."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self._psycopg = connection
        self._dict_row = import_module("psycopg.rows").dict_row
        self._jsonb = import_module("psycopg.types.json").Jsonb

    async def rows(self, name: str, /, **values: Any) -> list[Any]:
        query = queries()[name]
        cursor = self._psycopg.cursor(row_factory=self._dict_row, binary=True)
        await cursor.execute(query.sql, [self._plain(one) for one in query.arguments(values)])
        found: list[Any] = await cursor.fetchall()
        return found

    def _plain(self, value: Any) -> Any:
        return self._jsonb(value, dumps=_compact) if isinstance(value, dict) else value


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


@asynccontextmanager
async def _ours(dsn: str, clients: int) -> AsyncIterator[Sequence[Accept]]:
    async with _connections(dsn, clients) as held:
        yield [partial(execute, Dispatcher(_PsycopgStore(one), lambda: None)) for one in held]


@asynccontextmanager
async def _hand_written(dsn: str, clients: int) -> AsyncIterator[Sequence[Accept]]:
    async with _connections(dsn, clients) as held:
        yield [partial(_lock_update_insert, one) for one in held]


async def _lock_update_insert(connection: Any, request: RequestId, mechanic: MechanicId) -> bool:
    async with connection.transaction():
        row = await (await connection.execute(LOCK, [request])).fetchone()
        if row is None or row[1] != "open" or mechanic in row[3]:
            return False
        matched = await (await connection.execute(UPDATE, [request, mechanic])).fetchone()
        version, at, round_ = matched
        actor, payload = f"mechanic:{mechanic}", PAYLOAD % mechanic
        await connection.execute(INSERT, [request, version, at, actor, round_, payload])
        return True


@asynccontextmanager
async def _pipelined(dsn: str, clients: int) -> AsyncIterator[Sequence[Accept]]:
    async with _connections(dsn, clients) as held:
        yield [partial(_all_at_once, one) for one in held]


async def _all_at_once(connection: Any, request: RequestId, mechanic: MechanicId) -> bool:
    """The same five statements in one round trip."""
    actor, payload = f"mechanic:{mechanic}", PAYLOAD % mechanic
    async with connection.pipeline(), connection.transaction():
        await connection.execute(LOCK, [request])
        await connection.execute(_UPDATE_IF_OPEN, [request, mechanic])
        logged = await connection.execute(_INSERT_FROM_ROW, [request, mechanic, actor, payload])
    return bool(logged.rowcount == 1)


@asynccontextmanager
async def _single_statement(dsn: str, clients: int) -> AsyncIterator[Sequence[Accept]]:
    async with _connections(dsn, clients) as held:
        yield [partial(_everything, one) for one in held]


async def _everything(connection: Any, request: RequestId, mechanic: MechanicId) -> bool:
    return await (await connection.execute(SINGLE, [request, mechanic])).fetchone() is not None
