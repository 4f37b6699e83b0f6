"""Other ways to write an accept, each leaving the same row and the same event behind.

They change only the columns that change and look at no facts about the mechanic, which is as cheap
as such code can be made. ``pooled`` takes a connection from the service's own pool for each accept,
as ours does; the others hold one for good, as no service does.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from bench.world import connect
from headstart.app.dispatcher import Dispatcher, Done
from headstart.app.ports import Change
from headstart.core.commands import AcceptOffer, Actor
from headstart.core.decide import decide
from headstart.core.evolve import evolve
from headstart.core.refusals import Refusal
from headstart.core.request import CustomerId, MechanicId, RequestId
from headstart.store.postgres import connected
from headstart.store.requests import RequestStore

if TYPE_CHECKING:
    import asyncpg

    from headstart.store.postgres import Connection, Pool

    Pooled = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

Accept = Callable[[RequestId, MechanicId], Awaitable[bool]]
Clients = Callable[[str, int], AbstractAsyncContextManager[Sequence[Accept]]]

LOCK = """
select status, stage, reserved_for, excluded_mechanics, customer_id
from session_requests where id = $1 for update"""

UPDATE = """
update session_requests
set status = 'matched', stage = null, due_at = null, chain_step = null, reserved_for = null,
    matched_mechanic_id = $2, matched_at = clock(), version = version + 1
where id = $1
returning version, matched_at, round"""

INSERT = """
insert into session_events (request_id, version, kind, at, actor, round, payload)
values ($1, $2, 'request_matched', $3, $4, $5, $6::text::jsonb)"""

FACTS = """
select m.status = 'approved' as approved, p.on_duty and p.lease_until > clock() as online,
       exists (select from session_requests
               where status = 'matched' and matched_mechanic_id = $2) as busy,
       exists (select from favorites f
               where f.customer_id = $1 and f.mechanic_id = $2) as favorite
from mechanics m left join presence p on p.mechanic_id = m.id
where m.id = $2"""

SINGLE = """
with matched as (
    update session_requests r
    set status = 'matched', stage = null, due_at = null, chain_step = null, reserved_for = null,
        matched_mechanic_id = $2, matched_at = clock(), version = version + 1
    from mechanics m
    where r.id = $1 and m.id = $2 and m.status = 'approved'
      and (r.stage = 'open' and $2 <> all (r.excluded_mechanics) or r.reserved_for = $2)
    returning r.version, r.matched_at, r.round, r.routing_type
)
insert into session_events (request_id, version, kind, at, actor, round, payload)
select $1, version, 'request_matched', matched_at, 'mechanic:' || $2, round,
       jsonb_build_object('mechanic', $2, 'stage', 'open', 'join_by', null, 'assigned', false)
from matched
returning version"""

PAYLOAD = '{"mechanic": "%s", "stage": "open", "join_by": null, "assigned": false}'


@asynccontextmanager
async def ours(dsn: str, clients: int) -> AsyncIterator[Sequence[Accept]]:
    """The product: see, decide, evolve, write if the version still holds."""
    async with connected(dsn, connections_max=clients) as pool:
        dispatcher = Dispatcher(RequestStore(pool), lambda: None)
        yield [partial(execute, dispatcher)] * clients


@asynccontextmanager
async def ours_unpooled(dsn: str, clients: int) -> AsyncIterator[Sequence[Accept]]:
    """The product on connections held for good: what the pool adds is the difference."""
    async with connected(dsn, connections_max=clients) as pool, AsyncExitStack() as stack:
        held = [await stack.enter_async_context(pool.acquire()) for _ in range(clients)]
        yield [partial(execute, Dispatcher(RequestStore(one), lambda: None)) for one in held]


async def execute(dispatcher: Dispatcher, request: RequestId, mechanic: MechanicId) -> bool:
    """One accept, as the web layer orders it. False when it was refused."""
    outcome = await dispatcher.execute(
        AcceptOffer(request, mechanic, Actor("mechanic", str(mechanic)))
    )
    return isinstance(outcome, Done)


@asynccontextmanager
async def lock_first(dsn: str, clients: int) -> AsyncIterator[Sequence[Accept]]:
    """Our own rules and statements, but under a row lock from the beginning."""
    async with connected(dsn, connections_max=clients) as pool:
        yield [partial(lock_decide_write, pool)] * clients


async def lock_decide_write(pool: "Pool", request: RequestId, mechanic: MechanicId) -> bool:
    """Lock, facts and clock, decide, write, commit. False when it was refused."""
    command = AcceptOffer(request, mechanic, Actor("mechanic", str(mechanic)))
    async with pool.acquire() as connection, connection.transaction():
        await connection.fetchval(LOCK, request)
        store = RequestStore(connection)
        [seen] = await store.see([request], concerned=[mechanic])
        events = decide(seen.request, command, seen.facts, now=seen.now)
        if isinstance(events, Refusal):
            return False
        after = evolve(request, seen.request, events, at=seen.now)
        change = Change(seen.request, after, events, seen.now, command.actor)
        return bool(await store.write([change]))


@asynccontextmanager
async def hand_written_pooled(dsn: str, clients: int) -> AsyncIterator[Sequence[Accept]]:
    """begin; select for update; update; insert; commit: as a service would run it."""

    async def accept(request: RequestId, mechanic: MechanicId) -> bool:
        async with pool.acquire() as connection:
            return await lock_update_insert(connection, request, mechanic)

    async with connected(dsn, connections_max=clients) as pool:
        yield [accept] * clients


@asynccontextmanager
async def hand_written(dsn: str, clients: int) -> AsyncIterator[Sequence[Accept]]:
    """begin; select for update; update; insert; commit."""
    async with connections(dsn, clients) as held:
        yield [partial(lock_update_insert, one) for one in held]


async def lock_update_insert(
    connection: "Connection | Pooled",
    request: RequestId,
    mechanic: MechanicId,
    *,
    ask: bool = False,
) -> bool:
    """One accept; with ``ask`` only of a mechanic who may."""
    async with connection.transaction():
        row = await connection.fetchrow(LOCK, request)
        if row is None or row["stage"] != "open" or mechanic in row["excluded_mechanics"]:
            return False
        if ask and not await _is_fit(connection, row["customer_id"], mechanic):
            return False
        matched = await connection.fetchrow(UPDATE, request, mechanic)
        assert matched is not None, "a locked row is still there"
        version, at, round_ = matched
        actor, payload = f"mechanic:{mechanic}", PAYLOAD % mechanic
        await connection.execute(INSERT, request, version, at, actor, round_, payload)
        return True


async def _is_fit(
    connection: "Connection | Pooled", customer: CustomerId, mechanic: MechanicId
) -> bool:
    facts = await connection.fetchrow(FACTS, customer, mechanic)
    return facts is not None and facts["approved"] and not facts["busy"]


@asynccontextmanager
async def hand_written_with_facts(dsn: str, clients: int) -> AsyncIterator[Sequence[Accept]]:
    """The same from the pool, but it asks what our rules ask before they let anybody win."""

    async def accept(request: RequestId, mechanic: MechanicId) -> bool:
        async with pool.acquire() as connection:
            return await lock_update_insert(connection, request, mechanic, ask=True)

    async with connected(dsn, connections_max=clients) as pool:
        yield [accept] * clients


@asynccontextmanager
async def single_statement(dsn: str, clients: int) -> AsyncIterator[Sequence[Accept]]:
    """Everything in one statement: the least there can be, with the rules written in SQL."""
    async with connections(dsn, clients) as held:
        yield [partial(_single_statement, one) for one in held]


async def _single_statement(
    connection: "Connection", request: RequestId, mechanic: MechanicId
) -> bool:
    return await connection.fetchval(SINGLE, request, mechanic) is not None


@asynccontextmanager
async def connections(dsn: str, number: int) -> AsyncIterator["Sequence[Connection]"]:
    """So many, held until the end."""
    async with AsyncExitStack() as stack:
        held = [await connect(dsn) for _ in range(number)]
        for one in held:
            stack.push_async_callback(one.close)
        yield held
