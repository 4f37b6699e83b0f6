"""Migrations beside a service at work: they give way, they do not hold on, they begin again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest

from headstart.store import migrate as migrating
from headstart.store.migrate import Migration, MigrationError, migrate, migrations

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

COLUMN = "alter table mechanics add column nickname text;\n"
INDEX = "create index concurrently by_name on headstart.mechanics (name);\n"
BEFORE_ALL = [*migrations()]
BUILT = "select indisvalid from pg_index where indexrelid = to_regclass('headstart.by_name')"


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds in production takes a moment here."""
    monkeypatch.setattr(migrating, "LOCK_TIMEOUT_S", 0.05)
    monkeypatch.setattr(migrating, "PAUSE_S", 0.01)
    monkeypatch.setattr(migrating, "TURN_POLL_S", 0.01)


def release(monkeypatch: pytest.MonkeyPatch, *files: str) -> None:
    """The program has these migrations, and the database has not."""
    new = [Migration(9001 + number, "later", sql) for number, sql in enumerate(files)]
    monkeypatch.setattr(migrating, "migrations", lambda: [*BEFORE_ALL, *new])


@asynccontextmanager
async def at_work(owner: "Pool", statement: str) -> AsyncIterator[None]:
    """A transaction of the service that has done this and is not over yet."""
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute(statement)
        yield


async def somebody_waits(owner: "Pool") -> None:
    """Return when there is somebody who waits for a lock."""
    query = "select exists (select from pg_locks where not granted)"
    while not await owner.fetchval(query):
        continue


async def test_nobody_waits_behind_a_migration_that_waits(
    owner: "Pool", database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(monkeypatch, COLUMN)
    async with at_work(owner, "select from mechanics"):
        migration = asyncio.create_task(migrate(database))
        await somebody_waits(owner)
        await owner.fetch("select from mechanics")
        assert not migration.done()
    assert len(await migration) == 1
    await owner.fetch("select nickname from mechanics")


async def test_a_migration_that_is_never_let_in_says_so(
    owner: "Pool", database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(monkeypatch, COLUMN)
    monkeypatch.setattr(migrating, "ATTEMPTS_MAX", 2)
    async with at_work(owner, "select from mechanics"):
        with pytest.raises(MigrationError, match="gave way 2 times"):
            await migrate(database)
    assert len(await migrate(database)) == 1


async def test_what_holds_its_locks_for_too_long_is_undone(
    owner: "Pool", database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(monkeypatch, COLUMN + "select pg_sleep(60);")
    monkeypatch.setattr(migrating, "HOLD_MAX_S", 0.05)
    with pytest.raises(MigrationError, match="nothing of it was applied"):
        await migrate(database)
    with pytest.raises(asyncpg.UndefinedColumnError):
        await owner.fetch("select nickname from mechanics")


async def test_an_index_is_built_while_rows_are_written(
    owner: "Pool", database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(monkeypatch, INDEX + COLUMN)
    write = "insert into mechanics (id, name) values (gen_random_uuid(), 'Otto')"
    async with at_work(owner, write):
        migration = asyncio.create_task(migrate(database))
        await somebody_waits(owner)
        await owner.execute(write)
        assert not migration.done()
    await migration
    assert await owner.fetchval(BUILT) is True
    assert await owner.fetchval("select count(nickname) from mechanics") == 0


@pytest.mark.parametrize("valid", [True, False])
async def test_a_build_that_was_interrupted_is_completed(
    valid: bool, owner: "Pool", database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(monkeypatch, INDEX)
    await owner.execute(INDEX)
    await owner.execute(
        "update pg_index set indisvalid = $1 where indexrelid = to_regclass('headstart.by_name')",
        valid,
    )
    assert [one.version for one in await migrate(database)] == [9001]
    assert await owner.fetchval(BUILT) is True
    assert await migrate(database) == []


async def test_several_migrators_on_a_database_in_use(
    owner: "Pool", database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(monkeypatch, COLUMN, INDEX, "alter table mechanics drop column nickname;")
    applied = await asyncio.gather(*(migrate(database) for _ in range(4)))
    assert sorted(one.version for step in applied for one in step) == [9001, 9002, 9003]
    assert await owner.fetchval(BUILT) is True
