"""PostgreSQL: a pool, named statements, transactions, and errors in the application's words."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Self

import asyncpg

from headstart.app.ports import DoesNotExist, NotStorable, Unavailable
from headstart.core.access import Principal, Role
from headstart.store.queries import queries

STATEMENT_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 2  # one row that somebody holds must not hold up everybody
IDLE_IN_TRANSACTION_TIMEOUT_S = 10
CONNECT_TIMEOUT_S = 10
WAIT_FOR_CONNECTION_S = 10
CLOSE_TIMEOUT_S = 5
PATIENCE_S = 30  # of a connection's user, the wait included: a crowd of thousands queues here
STATEMENTS_CACHED = 200
ROWS_AT_ONCE = 1000  # of a stream
SCHEMA = "headstart"
SERVICE_ROLE = "headstart_service"  # see migration 0004
APPLICATION = {"application_name": "headstart"}
SERVER_SETTINGS = {
    **APPLICATION,
    "search_path": SCHEMA,
    "lock_timeout": f"{LOCK_TIMEOUT_S}s",
    "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
    "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_TIMEOUT_S}s",
    "timezone": "UTC",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",  # our look-ups cost less than planning them
}

if TYPE_CHECKING:  # generic for the type checker only
    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.Connection[asyncpg.Record]
    Executor = Pool | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]


class Postgres:
    """Named statements on a pool, or on the one connection of a transaction."""

    def __init__(self, executor: "Executor") -> None:
        self._executor = executor

    async def rows(self, name: str, /, **values: Any) -> list[asyncpg.Record]:
        """All rows of a statement."""
        if isinstance(self._executor, asyncpg.Pool):
            async with self.connection() as one:
                return await one.rows(name, **values)
        query = queries()[name]
        with _unavailable_errors():
            return await self._executor.fetch(query.sql, *query.arguments(values))

    async def stream(self, name: str, /, **values: Any) -> AsyncIterator[asyncpg.Record]:
        """All rows of a statement, some at a time; within a transaction. However many there are,
        few are in memory."""
        assert not isinstance(self._executor, asyncpg.Pool), "a stream lives in a transaction"
        query = queries()[name]
        with _unavailable_errors():
            cursor = self._executor.cursor(
                query.sql, *query.arguments(values), prefetch=ROWS_AT_ONCE
            )
            async for row in cursor:
                yield row

    async def row(self, name: str, /, **values: Any) -> asyncpg.Record | None:
        """The first row of a statement, if there is one."""
        rows = await self.rows(name, **values)
        return rows[0] if rows else None

    async def value(self, name: str, /, **values: Any) -> Any:
        """The first column of the first row."""
        row = await self.row(name, **values)
        return None if row is None else row[0]

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Self]:
        """The same on one connection, so that several statements take one from the pool once."""
        if not isinstance(self._executor, asyncpg.Pool):
            yield self
            return
        with _unavailable_errors():
            async with asyncio.timeout(PATIENCE_S), self._executor.acquire() as connection:
                yield type(self)(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Self]:
        """A transaction, or a savepoint within one."""
        with _unavailable_errors():
            if isinstance(self._executor, asyncpg.Pool):
                async with (
                    self._executor.acquire(timeout=WAIT_FOR_CONNECTION_S) as connection,
                    connection.transaction(),
                ):
                    yield type(self)(connection)
            else:
                async with self._executor.transaction():
                    yield self

    @asynccontextmanager
    async def on_behalf_of(self, who: Principal) -> AsyncIterator[Self]:
        """A transaction that reads what the schema's policies show this person, and nothing else.

        Role and claims end with it, so that no pooled connection can leak an identity.
        """
        assert isinstance(self._executor, asyncpg.Pool), "a person's reading is not part of a write"
        with _unavailable_errors():
            async with (
                asyncio.timeout(PATIENCE_S),
                self._executor.acquire() as connection,
                connection.transaction(readonly=True),
            ):
                one = type(self)(connection)
                await one.rows("act_for", **acting_as(who))
                yield one


_PERSONS = {
    Role.CUSTOMER: "headstart_customer",
    Role.MECHANIC: "headstart_mechanic",
    Role.OPERATOR: "headstart_operator",
}


def acting_as(who: Principal) -> dict[str, str]:
    """The role and the claims of a person, as ``act_for`` takes them."""
    claims = {"headstart_role": who.role.value, "headstart_id": str(who.id)}
    return {"role": _PERSONS[who.role], "claims": json.dumps(claims)}


@asynccontextmanager
async def connected(
    dsn: str,
    *,
    connections_max: int,
    prepared_statements: bool = True,
    role: str | None = SERVICE_ROLE,
) -> AsyncIterator["Pool"]:
    """A pool on the migrated database, in the role of the service: it owns nothing.

    ``prepared_statements`` off for a transaction pooler, which as a rule also refuses settings at
    the start of a connection: statements name their schema, time limits are ours alone, and the
    account is what it is. ``role`` None: as the account itself, for what only an owner may do.
    """
    own_role = {"role": role} if role else {}
    with _unavailable_errors():
        pool = await asyncpg.create_pool(
            dsn,
            min_size=min(2, connections_max),
            max_size=connections_max,
            init=prepare_connection,
            reset=_nothing_to_reset,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=STATEMENT_TIMEOUT_S,
            server_settings={**SERVER_SETTINGS, **own_role} if prepared_statements else APPLICATION,
            statement_cache_size=STATEMENTS_CACHED if prepared_statements else 0,
        )
    try:
        yield pool
    finally:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await pool.close()
        except TimeoutError:
            pool.terminate()


async def prepare_connection(connection: "Connection") -> None:
    """JSON in and out as plain values; ids and times go in as they are."""
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name, schema="pg_catalog", encoder=_to_json, decoder=json.loads
        )


async def _nothing_to_reset(_: "Connection") -> None:
    """Nobody changes the settings of a pooled connection, so putting it back needs no round trip.
    A transaction left open is rolled back all the same."""


def _to_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), default=str)


@contextmanager
def _unavailable_errors() -> Iterator[None]:
    """Name what means "the database, not the statement": the caller may try again."""
    try:
        yield
    except _NOT_STORABLE as error:
        raise NotStorable(str(error)) from error
    except asyncpg.ForeignKeyViolationError as error:
        raise DoesNotExist(error.constraint_name or str(error)) from error
    except _UNAVAILABLE as error:
        raise Unavailable(f"{type(error).__name__}: {error}") from error
    except asyncpg.PostgresError as error:
        error.detail = None  # it quotes the row that was refused, and would end up in the log
        raise


_NOT_STORABLE = (
    asyncpg.CharacterNotInRepertoireError,
    asyncpg.UntranslatableCharacterError,
    asyncpg.DataError,
    UnicodeEncodeError,
)
_UNAVAILABLE = (
    OSError,  # includes TimeoutError and refused connections
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the connection died in the middle of an exchange
    asyncpg.OperatorInterventionError,  # shutdown, crash, statement time-out
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.LockNotAvailableError,  # somebody holds a row for too long
    asyncpg.TransactionRollbackError,  # deadlock, serialisation
    asyncpg.ReadOnlySQLTransactionError,  # a standby
)
