"""Who acts when time is up: the product's loop, and the least SQL that leaves the same behind."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from bench.world import connect
from headstart.app.deadlines import Deadlines
from headstart.app.dispatcher import Dispatcher
from headstart.app.wakeups import Wakeups
from headstart.store.postgres import connected
from headstart.store.requests import RequestStore

if TYPE_CHECKING:
    from headstart.store.postgres import Connection

CONNECTIONS = 10  # as the service has by default

# The limit stands in the text: as a parameter it would leave the planner guessing.
SWEEP = """
with seen as materialized (
    select clock() as now
), due as materialized (
    select id, reserved_for
    from session_requests
    where due_at <= (select now from seen) and stage = 'reserved'
    order by due_at
    limit 500
    for no key update skip locked
), opened as (
    update session_requests r
    set stage = 'open', reserved_for = null, chain_step = null, version = r.version + 2,
        due_at = greatest(r.created_at + interval '30 minutes', seen.now + interval '5 minutes'),
        fallback_broadcast_at = seen.now, fallback_reason = 'no_response', broadcast_at = seen.now,
        silent_mechanics = r.silent_mechanics || due.reserved_for,
        metadata = r.metadata || jsonb_build_object(
            'fallback_broadcast_at', iso_instant(seen.now), 'fallback_reason', 'no_response')
    from due, seen
    where r.id = due.id
    returning r.id, r.version, r.round, r.due_at, r.silent_mechanics, due.reserved_for, seen.now
), asked as materialized (
    select ids, eligible_digest(ids) as digest
    from (select array(select id from eligible_mechanics) as ids) eligible
), logged as (
    insert into session_events
        (request_id, version, kind, at, actor, round, payload, eligible, eligible_digest)
    select id, version - 1, 'reservation_ended', now, 'system', round,
           jsonb_build_object('mechanic', reserved_for, 'reason', 'no_response'), null, null
    from opened
    union all
    select id, version, 'request_opened', now, 'system', round,
           jsonb_build_object(
               'until', due_at, 'fallback', 'no_response', 'untold', silent_mechanics),
           (select ids from asked), (select digest from asked)
    from opened
    order by 1, 2
)
select count(*) from opened"""

NEXT_DUE = """
select extract(epoch from min(due_at) - clock())::float8
from session_requests where due_at is not null"""

OURS = "ours"
BARE = "bare SQL, one statement for each batch"

Stamps = list[float]
Sweeper = Callable[[str, Stamps], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def ours(dsn: str, commits: Stamps) -> AsyncIterator[None]:
    """The service's own loop. ``commits`` gets the time after each commit."""
    async with connected(dsn, connections_max=CONNECTIONS) as pool:
        requests, wakeups = RequestStore(pool), Wakeups()
        wakeups.tell_others = lambda: commits.append(time.time())
        deadlines = Deadlines(Dispatcher(requests, wakeups.announce), requests, wakeups)
        async with _in_background(deadlines.run()):
            yield


@asynccontextmanager
async def bare(dsn: str, commits: Stamps) -> AsyncIterator[None]:
    """Sleep until the next due time, run the statement, look again."""
    connection = await connect(dsn)
    try:
        async with _in_background(_sweep_for_ever(connection, commits)):
            yield
    finally:
        await connection.close()


async def _sweep_for_ever(connection: "Connection", commits: Stamps) -> None:
    while True:
        while await connection.fetchval(SWEEP):
            commits.append(time.time())
        wait_s = await connection.fetchval(NEXT_DUE)
        await asyncio.sleep(0.5 if wait_s is None else min(0.5, max(0.0, wait_s)))


@asynccontextmanager
async def _in_background(loop: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(loop)
    try:
        yield
        assert not task.done(), "the loop has ended"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


SWEEPERS: dict[str, Sweeper] = {OURS: ours, BARE: bare}
