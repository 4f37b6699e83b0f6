"""Migrations: from nothing, twice, at once, and on a database that somebody changed."""

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from headstart.store.migrate import MigrationError, check_statements, migrate, migrations
from headstart.store.queries import queries
from tests.conftest import with_database

if TYPE_CHECKING:
    from headstart.store.postgres import Pool


async def test_eight_migrators_at_once_apply_everything_once(postgres: str) -> None:
    admin = await asyncpg.connect(with_database(postgres, "postgres"))
    await admin.execute("create database from_zero")
    try:
        address = with_database(postgres, "from_zero")
        applied = await asyncio.gather(*(migrate(address) for _ in range(8)))
        assert sorted(map(len, applied)) == [0] * 7 + [len(migrations())]
    finally:
        await admin.execute("drop database from_zero with (force)")
        await admin.close()


async def test_every_statement_fits_the_migrated_schema(pool: "Pool") -> None:
    await check_statements(pool)


async def test_a_statement_that_does_not_fit_stops_the_start(pool: "Pool", owner: "Pool") -> None:
    await owner.execute("alter table session_requests rename column due_at to due")
    with pytest.raises(MigrationError, match="does not fit"):
        await check_statements(pool)


@pytest.mark.parametrize(
    "tampering",
    [
        "alter table mechanics add column nickname text",
        "alter table session_requests drop constraint pending_request_has_a_deadline",
        "drop index due",
        "create or replace view eligible_mechanics as select id from mechanics",
        "create or replace function clock() returns timestamptz language sql return now()",
    ],
)
async def test_a_schema_changed_by_hand_is_refused(
    tampering: str, owner: "Pool", database: str
) -> None:
    await owner.execute(tampering)
    with pytest.raises(MigrationError, match="changed outside"):
        await migrate(database)


async def test_a_changed_file_and_a_newer_database_are_refused(
    owner: "Pool", database: str
) -> None:
    await owner.execute("update schema_migrations set checksum = 'other'")
    with pytest.raises(MigrationError, match="changed after it was applied"):
        await migrate(database)
    await owner.execute(
        "insert into schema_migrations (version, name, checksum) values (9999, 'later', '')"
    )
    with pytest.raises(MigrationError, match="newer program"):
        await migrate(database)


def test_a_statement_refuses_missing_and_unknown_parameters() -> None:
    with pytest.raises(TypeError, match="claim_due"):
        queries()["claim_due"].arguments({})
    with pytest.raises(TypeError, match="claim_due"):
        queries()["claim_due"].arguments({"limit": 1, "more": 2})
