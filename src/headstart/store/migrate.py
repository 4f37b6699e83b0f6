"""Numbered SQL files, forward only, each in one transaction, one migrator at a time."""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import asyncpg

from headstart.store.postgres import CONNECT_TIMEOUT_S, SCHEMA
from headstart.store.queries import queries

if TYPE_CHECKING:
    from headstart.store.postgres import Connection, Pool

SERVER_VERSION_MIN = 15
_LOCK = 0x4845_4144  # any number that nobody else uses in this database
_FILE = re.compile(r"(\d{4})_(\w+)\.sql")

_LEDGER = """
create table if not exists schema_migrations (
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
    """Apply what is missing; answers with what was applied. Safe to run twice and concurrently."""
    connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
    try:
        _check_server(connection)
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
            if not await connection.fetchval("select to_regnamespace($1) is not null", SCHEMA):
                await connection.execute(f"create schema {SCHEMA}")
            await connection.execute(f"set local search_path = {SCHEMA}")
            await connection.execute(_LEDGER)
            missing = await _missing(connection)
            await _apply(connection, missing)
            return missing
    except asyncpg.PostgresError as error:
        raise MigrationError(f"the database refuses a migration: {error}") from error
    finally:
        await connection.close()


def _check_server(connection: "Connection") -> None:
    version = connection.get_server_version().major
    if version < SERVER_VERSION_MIN:
        raise MigrationError(
            f"PostgreSQL {version} is too old: Headstart needs {SERVER_VERSION_MIN} or newer"
        )


async def _missing(connection: "Connection") -> Sequence[Migration]:
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
    if applied:
        latest = max(applied, key=lambda row: row["applied_at"])
        await _check_drift(connection, latest["fingerprint"])
    done = {row["version"] for row in applied}
    return [migration for version, migration in known.items() if version not in done]


async def _check_drift(connection: "Connection", expected: str) -> None:
    """Tables that somebody changed by hand are found at the start, not in the night."""
    actual = await _fingerprint(connection)
    same_server = expected.partition(":")[0] == actual.partition(":")[0]
    if same_server and actual != expected:
        raise MigrationError(
            f"the tables in schema {SCHEMA} were changed outside the migrations:"
            " undo that, or restore from a backup"
        )


async def _apply(connection: "Connection", missing: Sequence[Migration]) -> None:
    for migration in missing:
        await connection.execute(migration.sql)
        await connection.execute(
            "insert into schema_migrations (version, name, checksum, fingerprint)"
            " values ($1, $2, $3, $4)",
            migration.version,
            migration.name,
            migration.checksum,
            await _fingerprint(connection),
        )


async def _fingerprint(connection: "Connection") -> str:
    """The shape of the schema, prefixed by the server's version, which words it differently."""
    shape: str = await connection.fetchval(queries()["schema_shape"].sql, SCHEMA)
    major = connection.get_server_version().major
    return f"{major}:{hashlib.sha256(shape.encode()).hexdigest()}"


async def check_statements(pool: "Pool") -> None:
    """Let the server plan every statement of this program, so that none fails at its first use."""
    async with pool.acquire() as connection:
        for query in queries().values():
            try:
                await connection.prepare(query.sql)
            except asyncpg.PostgresError as error:
                raise MigrationError(f"statement {query.name} does not fit: {error}") from error


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
