"""Numbered SQL files, forward only, each in one transaction, one migrator at a time.

They run beside a service that is at work. So a migration gives up, and comes back, rather than
keep traffic waiting behind a lock that it waits for; no statement may keep its locks for long; and
an index that is written with ``concurrently`` is built before the rest of its file, outside the
transaction, while rows are read and written.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import asyncpg

from headstart.store.postgres import CONNECT_TIMEOUT_S, SCHEMA, SERVICE_ROLE
from headstart.store.queries import queries

if TYPE_CHECKING:
    from headstart.store.postgres import Connection, Pool

    Pooled = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

SERVER_VERSION_MIN = 15
LOCK_TIMEOUT_S = 0.5  # who comes after a waiting migration waits as long
PAUSE_S = 1.0  # for traffic, before the next attempt
ATTEMPTS_MAX = 60
HOLD_MAX_S = 10  # for one statement, with whatever it has locked
TURN_POLL_S = 0.1
INDEX_BUILD_MAX_S = 3600  # nobody waits for it, except another migrator
_OWNER_NEEDED = (
    "Migrations need an account that owns the schema and may create roles:"
    " set HEADSTART_OWNER_URL, or run `headstart migrate` with it first"
)
_LOCK = 0x4845_4144  # any number that nobody else uses in this database
_SHAPE = 2  # counts the wordings of `schema_shape`: only the same ones are compared
_FILE = re.compile(r"(\d{4})_(\w+)\.sql")
_BEFOREHAND = re.compile(r"^create (?:unique )?index concurrently (\w+)[^;]*;\n?", re.M | re.I)

_LEDGER = """
create table schema_migrations (
    version integer primary key,
    name text not null,
    checksum text not null,
    fingerprint text not null default '',
    applied_at timestamptz not null default clock_timestamp()
)"""


class MigrationError(Exception):
    """The database does not fit this program; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """A file that was applied must never change."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def beforehand(self) -> Mapping[str, str]:
        """The statements that build an index beside the traffic, by the index's name."""
        return {found[1]: found[0] for found in _BEFOREHAND.finditer(self.sql)}

    @property
    def in_transaction(self) -> str:
        """What is left of the file."""
        return _BEFOREHAND.sub("", self.sql)

    @property
    def at_once(self) -> str:
        """All of it in one transaction, for tables that nobody else has seen yet."""
        return _BEFOREHAND.sub(lambda found: found[0].replace(" concurrently", "", 1), self.sql)


def migrations() -> Sequence[Migration]:
    """All files in order, each number once."""
    found = []
    for path in files("headstart.store").joinpath("migrations").iterdir():
        match = _FILE.fullmatch(path.name)
        assert match, f"a migration is called NNNN_name.sql, not {path.name}"
        found.append(Migration(int(match[1]), match[2], path.read_text("utf-8")))
    found.sort(key=lambda migration: migration.version)
    assert len({one.version for one in found}) == len(found), "a number was given twice"
    return found


async def migrate(dsn: str) -> Sequence[Migration]:
    """Apply what is missing; answers with what was applied. Safe to run twice and concurrently,
    and, where nothing is missing, by an account that may not.

    MigrationError, with nothing half done, when the database refuses or is not given free.
    """
    applied: list[Migration] = []
    try:
        async with _connected(dsn) as connection:
            _check_server(connection)
            async with _turn(dsn):
                while step := await _next_step(connection):
                    applied += step
    except asyncpg.QueryCanceledError as error:
        raise MigrationError(
            f"a migration was stopped after it had kept tables locked for {HOLD_MAX_S} s: nothing"
            " of it was applied. Try again in a quiet hour"
        ) from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationError(
            f"the database refuses a migration: {error}. {_OWNER_NEEDED}"
        ) from error
    except asyncpg.PostgresError as error:
        raise MigrationError(f"the database refuses a migration: {error}") from error
    return applied


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator["Connection"]:
    connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _turn(dsn: str) -> AsyncIterator[None]:
    """One migrator works and the others look again: one that waited inside a statement would in
    turn be waited for by the one that builds an index. So is a snapshot, or a lock on a table."""
    async with _connected(dsn) as guard:
        for _ in range(int(INDEX_BUILD_MAX_S / TURN_POLL_S)):
            async with guard.transaction():
                await guard.execute("set local idle_in_transaction_session_timeout = 0")
                if await guard.fetchval("select pg_try_advisory_xact_lock($1)", _LOCK):
                    await guard.execute("select")  # closes that answer, and its snapshot with it
                    yield
                    return
            await asyncio.sleep(TURN_POLL_S)
    raise MigrationError("another migrator has been at work for too long: look what it waits for")


async def _next_step(connection: "Connection") -> Sequence[Migration]:
    """The next migration, or all of them on a new database; nothing when none is missing."""
    for _ in range(ATTEMPTS_MAX):
        try:
            return await _step(connection)
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(PAUSE_S)
    raise MigrationError(
        f"somebody keeps a table locked: a migration gave way {ATTEMPTS_MAX} times, and nothing of"
        " it was applied. End the long transaction, and try again"
    )


async def _step(connection: "Connection") -> Sequence[Migration]:
    async with _bounded(connection):
        ledger = f"{SCHEMA}.schema_migrations"
        if not await connection.fetchval("select to_regclass($1) is not null", ledger):
            await connection.execute(_LEDGER)
        missing = await _missing(connection)
        if not await connection.fetchval("select exists (select from schema_migrations)"):
            for migration in missing:
                await _apply(connection, migration, migration.at_once)
            return missing
    for migration in missing[:1]:
        await _build_beforehand(connection, migration)
        async with _bounded(connection):
            await _apply(connection, migration, migration.in_transaction)
    return missing[:1]


@asynccontextmanager
async def _bounded(connection: "Connection") -> AsyncIterator[None]:
    """A transaction on our tables that nobody has to wait for."""
    async with connection.transaction():
        await connection.execute(
            f"set local lock_timeout = '{LOCK_TIMEOUT_S}s';"
            f"set local statement_timeout = '{HOLD_MAX_S}s'"
        )
        if not await connection.fetchval("select to_regnamespace($1) is not null", SCHEMA):
            await connection.execute(f"create schema {SCHEMA}")
        await connection.execute(f"set local search_path = {SCHEMA}")
        yield


async def _build_beforehand(connection: "Connection", migration: Migration) -> None:
    """Indexes on tables in use. One that an interrupted build has left behind is built anew."""
    for name, statement in migration.beforehand.items():
        index = f"{SCHEMA}.{name}"
        valid = await connection.fetchval(
            "select indisvalid from pg_index where indexrelid = to_regclass($1)", index
        )
        if valid is False:
            await connection.execute(f"drop index concurrently {index}")
        if not valid:
            await connection.execute(statement, timeout=INDEX_BUILD_MAX_S)


def _check_server(connection: "Connection") -> None:
    version = connection.get_server_version().major
    if version < SERVER_VERSION_MIN:
        raise MigrationError(
            f"PostgreSQL {version} is too old: Headstart needs {SERVER_VERSION_MIN} or newer"
        )


async def _missing(connection: "Connection | Pooled") -> Sequence[Migration]:
    known = {migration.version: migration for migration in migrations()}
    applied = await connection.fetch("select * from schema_migrations order by version")
    if unknown := [row["version"] for row in applied if row["version"] not in known]:
        raise MigrationError(
            f"the database has migration {unknown[-1]}, this program knows only"
            f" {max(known)}: run the newer program"
        )
    for row in applied:
        migration = known[row["version"]]
        if row["checksum"] != migration.checksum:
            raise MigrationError(
                f"migration {migration.version} ({migration.name}) was changed after it was"
                " applied: restore the file, and put the change into a new one"
            )
    done = {row["version"] for row in applied}
    missing = [migration for version, migration in known.items() if version not in done]
    if applied:
        latest = max(applied, key=lambda row: row["applied_at"])
        under_way = [name for migration in missing for name in migration.beforehand]
        await _check_drift(connection, latest["fingerprint"], under_way)
    return missing


async def _check_drift(
    connection: "Connection | Pooled", expected: str, under_way: Sequence[str]
) -> None:
    """Tables that somebody changed by hand are found at the start, not in the night.

    Indexes that are ``under_way`` may be there already: a migrator was interrupted.
    """
    actual = await _fingerprint(connection, under_way)
    same_server = expected.partition(":")[0] == actual.partition(":")[0]
    if same_server and actual != expected:
        raise MigrationError(
            f"the tables in schema {SCHEMA} were changed outside the migrations:"
            " undo that, or restore from a backup"
        )


async def _apply(connection: "Connection", migration: Migration, sql: str) -> None:
    await connection.execute(f"{sql}\n; select")  # the driver stumbles over nothing at all
    await connection.execute(
        "insert into schema_migrations (version, name, checksum, fingerprint)"
        " values ($1, $2, $3, $4)",
        migration.version,
        migration.name,
        migration.checksum,
        await _fingerprint(connection),
    )


async def _fingerprint(connection: "Connection | Pooled", without: Sequence[str] = ()) -> str:
    """The shape of the schema, prefixed by what words it: the server's version, and ours."""
    query = queries()["schema_shape"]
    values = query.arguments({"schema": SCHEMA, "without": without})
    shape: str = await connection.fetchval(query.sql, *values)
    major = connection.get_server_version().major
    return f"{major}/{_SHAPE}:{hashlib.sha256(shape.encode()).hexdigest()}"


async def not_applied(pool: "Pool") -> Sequence[Migration]:
    """What a database lacks; MigrationError when it is not, or no longer, ours."""
    try:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(f"set local search_path = {SCHEMA}")
            return await _missing(connection)
    except asyncpg.UndefinedTableError as error:
        raise MigrationError("there is no Headstart in this database") from error


async def check_statements(pool: "Pool") -> None:
    """Let the server plan every statement of this program, so that none fails at its first use."""
    async with pool.acquire() as connection:
        for query in queries().values():
            try:
                await connection.prepare(query.sql)
            except asyncpg.PostgresError as error:
                raise MigrationError(f"statement {query.name} does not fit: {error}") from error


async def check_account(dsn: str, *, role: str | None) -> None:
    """MigrationError unless this account may act in the role (None: as itself), and row-level
    security holds whoever acts so back."""
    query = queries()["account"]
    async with _connected(dsn) as connection:
        found = await connection.fetchrow(query.sql, *query.arguments({"role": role}))
        login = await connection.fetchval("select session_user")
    assert found, "the migrations have made the role"
    if not found["may_act"]:
        raise MigrationError(f"the account {login} is not in the role {role}: grant {role} to it")
    if found["passes_the_wall"]:
        raise MigrationError(
            f"row-level security would not hold back {found['name']}: give DATABASE_URL an account"
            f" that owns nothing, and grant {SERVICE_ROLE} to it"
        )


async def wait_for_server(dsn: str, *, patience_s: float) -> None:
    """Return once the server accepts connections; MigrationError when it does not in time."""
    deadline = asyncio.get_running_loop().time() + patience_s
    while True:
        try:
            connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
        except (OSError, asyncpg.CannotConnectNowError) as error:
            if asyncio.get_running_loop().time() >= deadline:
                raise MigrationError(f"the database cannot be reached: {error}") from error
            await asyncio.sleep(0.1)
        except asyncpg.PostgresError as error:
            raise MigrationError(f"the database refuses the connection: {error}") from error
        else:
            await connection.close()
            return
