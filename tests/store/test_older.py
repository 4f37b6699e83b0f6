"""The past of an older system, taken over into PostgreSQL: stopped, repeated, twice at once."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from headstart.app.dispatcher import Dispatcher
from headstart.app.older import backfill as filling
from headstart.app.older.backfill import Backfill, Tally
from headstart.app.older.reading import Fate
from headstart.app.ports import Cursor, Unavailable
from headstart.doctor.examination import as_lines
from headstart.doctor.findings import Findings
from headstart.doctor.trail import check_requests
from headstart.store import older as older_store
from headstart.store.audit import AuditStore
from headstart.store.intakes import IntakeStore
from headstart.store.log import EventLogStore
from headstart.store.older import OlderStore
from headstart.store.postgres import connected
from headstart.store.receipts import ReceiptStore
from tests.conftest import Cast
from tests.store.booking import book

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

OLDER = """
create table public.older (
    id {kind} primary key, customer_id uuid, mechanic_id uuid, status text default 'accepted',
    plan text default 'standard', metadata jsonb,
    created_at timestamptz default clock_timestamp() - interval '2 days',
    accepted_at timestamptz default clock_timestamp() - interval '47 hours')"""
ADD = "insert into public.older (id, customer_id, mechanic_id) values ($1, $2, $3)"
EVERYTHING = """
select array(select r::text from session_requests r order by id),
       array(select e::text from session_events e order by id),
       array(select b::text from backfill_report b order by row_key, key)"""


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are for traffic, and there is none."""
    monkeypatch.setattr(filling, "FAILURE_PAUSE_S", 0.01)
    monkeypatch.setattr(filling, "STRAIN_PAUSE_S", 0.01)
    monkeypatch.setattr(filling, "BATCH_FIRST", 4)
    monkeypatch.setattr(filling, "BATCH_MAX", 4)
    monkeypatch.setattr(older_store, "LOCK_S", "0.05s")


@pytest.fixture
async def pool(database: str) -> AsyncIterator["Pool"]:
    """Connections of the owner: the service may neither read an older table nor fill a report."""
    async with connected(database, connections_max=20, role=None) as pool:
        yield pool


@pytest.fixture
async def rows(pool: "Pool", cast: Cast) -> list[UUID]:
    """An older table with ten sound rows."""
    await pool.execute(OLDER.format(kind="uuid"))
    ids = sorted(uuid4() for _ in range(10))
    for one in ids:
        await pool.execute(ADD, one, cast.customer, cast.favorite)
    return ids


async def fill(pool: "Pool", source: str = "public.older") -> Tally:
    """One run to the end."""
    return await Backfill(OlderStore(pool), source, duty=1.0, tell=lambda _: None).run()


def fates(tally: Tally) -> Mapping[str, int]:
    """How many of each."""
    return {fate.name: times for fate, times in tally.fates.items()}


async def test_a_second_run_changes_nothing(pool: "Pool", rows: list[UUID]) -> None:
    await pool.execute("update public.older set status = 'lost' where id = $1", rows[3])
    assert fates(await fill(pool)) == {"TAKEN_OVER": 9, "LEFT_OUT": 1}
    before = await pool.fetchrow(EVERYTHING)
    assert fates(await fill(pool)) == {"KNOWN": 9, "LEFT_OUT": 1}
    assert await pool.fetchrow(EVERYTHING) == before


async def test_the_doctor_finds_log_and_rows_in_agreement(
    pool: "Pool", rows: list[UUID], cast: Cast
) -> None:
    made = "2025-01-01T12:{:02}:00Z"
    noted = {
        "routing_type": "priority_broadcast",
        "preferred_mechanic_id": str(cast.second),
        "priority_notified_at": made.format(0),
        "priority_window_minutes": 2.5,
    }
    fell_back = {"fallback_broadcast_at": made.format(3), "source": {"web": [1, None]}}
    set_to = "update public.older set created_at = '2025-01-01 12:00Z', metadata = $2, status = $3"
    for row, metadata, status in (
        (rows[0], noted, "accepted"),
        (rows[1], noted | fell_back, "accepted"),
        (rows[2], noted, "cancelled"),
        (rows[3], noted | fell_back, "expired"),
        (rows[4], noted | {"preferred_mechanic_id": str(uuid4())}, "accepted"),
        (rows[5], fell_back, "cancelled"),
    ):
        await pool.execute(f"{set_to} where id = $1", row, metadata, status)
    assert fates(await fill(pool)) == {"TAKEN_OVER": 10}
    findings = Findings()
    async with AuditStore(pool).transaction() as still:
        await still.hold_still()
        await check_requests(still, findings)
    assert not findings.failed, as_lines(findings)


async def test_four_at_once_take_each_row_over_once(pool: "Pool", rows: list[UUID]) -> None:
    await asyncio.gather(*(fill(pool) for _ in range(4)))
    assert await pool.fetchval("select count(*) from session_requests") == len(rows)
    assert await pool.fetchval("select count(*) from session_events") == 4 * len(rows)


async def test_a_row_is_taken_over_when_it_has_ended_or_can_be_read(
    pool: "Pool", rows: list[UUID]
) -> None:
    await pool.execute(
        "update public.older set status = 'pending', created_at = clock_timestamp(),"
        " accepted_at = null, mechanic_id = null where id = $1",
        rows[0],
    )
    await pool.execute("update public.older set plan = 'gold' where id = $1", rows[1])
    assert fates(await fill(pool)) == {"TAKEN_OVER": 8, "STILL_OPEN": 1, "LEFT_OUT": 1}
    assert await pool.fetchval("select count(*) from backfill_report") == 1
    await pool.execute("update public.older set status = 'cancelled' where id = $1", rows[0])
    await pool.execute("update public.older set plan = 'quick' where id = $1", rows[1])
    assert fates(await fill(pool)) == {"TAKEN_OVER": 2, "KNOWN": 8}
    assert await pool.fetchval("select count(*) from backfill_report") == 0


async def test_what_the_service_has_dispatched_itself_is_left_alone(
    pool: "Pool", rows: list[UUID], dispatcher: Dispatcher, intakes: IntakeStore, cast: Cast
) -> None:
    ours = await book(dispatcher, intakes, cast.customer, cast.favorite)
    await pool.execute(ADD, ours.id, cast.customer, cast.favorite)
    one = "select r::text from session_requests r where id = $1"
    before = await pool.fetchval(one, ours.id)
    assert fates(await fill(pool)) == {"TAKEN_OVER": 10, "KNOWN": 1}
    assert await pool.fetchval(one, ours.id) == before


async def test_nobody_is_told_and_nothing_is_due_or_owed(
    pool: "Pool", rows: list[UUID], dispatcher: Dispatcher, intakes: IntakeStore, cast: Cast
) -> None:
    await fill(pool)
    event_log = EventLogStore(pool)
    assert await event_log.after(Cursor(), 100) == []
    ours = await book(dispatcher, intakes, cast.customer)
    assert {one.request_id for one in await event_log.after(Cursor(), 100)} == {ours.id}
    an_hour_ahead_ms = int(await pool.fetchval("select extract(epoch from clock()) + 3600") * 1000)
    [*_, last] = await event_log.after(Cursor(), 100)
    await pool.execute(ADD, uuid4(), cast.customer, cast.favorite)
    await fill(pool)
    assert await ReceiptStore(pool).place_at(an_hour_ahead_ms) == last.cursor
    assert await pool.fetchval("select count(*) from stripe_operations") == 0
    due = await pool.fetch("select id from session_requests where due_at is not null")
    assert [row["id"] for row in due] == [ours.id]


async def test_keys_that_are_numbers_are_read_in_their_order(pool: "Pool", cast: Cast) -> None:
    await pool.execute(OLDER.format(kind="bigint"))
    for number in range(1, 13):
        await pool.execute(ADD, number, cast.customer, cast.favorite)
    assert fates(await fill(pool)) == {"TAKEN_OVER": 12}
    assert fates(await fill(pool)) == {"KNOWN": 12}


async def test_a_lock_is_waited_for_in_pieces(
    pool: "Pool", rows: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    older = OlderStore(pool)
    at_work = Backfill(older, "public.older", duty=1.0, tell=lambda _: None)
    async with pool.acquire() as somebody, somebody.transaction():
        await somebody.execute("lock table headstart.intakes in share mode")
        running = asyncio.create_task(at_work.run())
        while not at_work.tally.failures:
            await pool.fetch("select")
        assert not running.done()
    assert fates(await running) == {"TAKEN_OVER": len(rows)}

    monkeypatch.setattr(filling, "FAILURES_MAX", 2)
    await pool.execute(
        ADD,
        uuid4(),
        *(await pool.fetchrow("select customer_id, mechanic_id from public.older limit 1") or ()),
    )
    async with pool.acquire() as somebody, somebody.transaction():
        await somebody.execute("lock table headstart.intakes in share mode")
        with pytest.raises(Unavailable):
            await fill(pool)


async def test_it_lets_a_strained_service_go_first(
    pool: "Pool",
    rows: list[UUID],
    dispatcher: Dispatcher,
    intakes: IntakeStore,
    cast: Cast,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(filling, "STRAIN_PAUSES_MAX", 3)
    late = await book(dispatcher, intakes, cast.customer)
    await pool.execute(
        "update session_requests set due_at = due_at - interval '1 day' where id = $1", late.id
    )
    tally = await fill(pool)
    assert tally.pauses == 3 * (tally.batches + 1), "and comes to an end all the same"
    assert fates(tally) == {"TAKEN_OVER": len(rows)}


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("public.nothing", "there is no table"),
        ("not even. a name", "not even"),
        ("headstart.session_requests", "the service's own"),
        ("public.no_key", "must be a key"),
    ],
)
async def test_what_cannot_be_read_in_order_is_refused(
    source: str, complaint: str, pool: "Pool"
) -> None:
    await pool.execute("create table public.no_key (id uuid, status text)")
    with pytest.raises((LookupError, ValueError), match=complaint):
        await fill(pool, source)


async def test_rows_that_a_wall_hides_are_an_error(
    pool: "Pool", rows: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    await pool.execute("alter table public.older enable row level security")
    role = f"reader_{uuid4().hex}"
    await pool.execute(f"create role {role}")
    try:
        await pool.execute(f"grant select on public.older to {role}")
        await pool.execute(f"grant usage on schema headstart to {role}")
        await pool.execute(f"grant execute on all functions in schema headstart to {role}")
        async with pool.acquire() as connection:
            await connection.execute(f"set role {role}")
            try:
                with pytest.raises(ValueError, match="row-level security"):
                    await OlderStore(connection).page("public.older", None, 10)
            finally:
                await connection.execute("reset role")
    finally:
        await pool.execute(f"drop owned by {role}; drop role {role}")


async def test_a_row_of_ours_cannot_have_only_the_json(
    pool: "Pool", rows: list[UUID], dispatcher: Dispatcher, intakes: IntakeStore, cast: Cast
) -> None:
    """So in the service's own table there is nothing to take over."""
    ours = await book(dispatcher, intakes, cast.customer, cast.favorite)
    for damage in (
        "priority_notified_at = null, priority_window_minutes = null",
        "preferred_mechanic_id = null",
        "metadata = metadata - 'priority_window_minutes'",
    ):
        with pytest.raises(asyncpg.CheckViolationError, match="metadata_mirrors_the_columns"):
            await pool.execute(f"update session_requests set {damage} where id = $1", ours.id)


def test_every_fate_is_told() -> None:
    tally = Tally(rows=3)
    tally.fates.update([Fate.TAKEN_OVER, Fate.TAKEN_OVER, Fate.LEFT_OUT])
    line: Any = tally.line(2)
    assert line.startswith("3 of about 3 rows: 2 taken over, 0 known already, 0 still open there")
