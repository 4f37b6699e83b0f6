"""A whole life of a request in hand-written SQL: create, end the window, accept, complete.

Each step is one transaction that locks the row, changes the columns that change and logs what
happened. It looks at no facts. The rows and events are those of the product.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import rivals
from bench.pgbench import numbered_sql, with_arguments
from headstart.core.request import CustomerId, IntakeId, MechanicId, RequestId
from headstart.store.postgres import connected

if TYPE_CHECKING:
    from bench.rivals import Pooled

POLICY = json.dumps(
    {
        "offline": "wait",
        "extension": "PT5M",
        "join_limit": None,
        "overall_limit": "PT30M",
        "offline_window": "PT2M",
        "priority_enabled": True,
        "broadcast_minimum": "PT5M",
    }
)

CREATE = """
insert into session_requests (
    id, intake_id, customer_id, plan_code, checkout_session_id, status, stage, due_at,
    routing_type, preferred_mechanic_id, chain, chain_windows_s, chain_step, reserved_for,
    priority_window_minutes, priority_notified_at, silent_mechanics, excluded_mechanics, round,
    policy, metadata, version, created_at)
select $1::uuid, $2::uuid, $3::uuid, 'standard', 'cs_' || $1, 'pending', 'reserved', now,
       'priority_broadcast', $4::uuid, array[$4::uuid], '{0}', 0, $4::uuid,
       0, now, '{}', '{}', 0, $5::text::jsonb, jsonb_build_object(
           'routing_type', 'priority_broadcast', 'preferred_mechanic_id', $4::uuid,
           'priority_notified_at', iso_instant(now), 'priority_window_minutes', 0),
       2, now
from (select clock() as now) seen
returning created_at"""

LOG_CREATION = """
insert into session_events (request_id, version, kind, at, actor, round, payload)
values ($1::uuid, 1, 'session_requested', $2::timestamptz, 'system', 0, $3::text::jsonb),
       ($1::uuid, 2, 'request_reserved', $2::timestamptz, 'system', 0, $4::text::jsonb)"""

LOCK_DUE = """
select stage, reserved_for, due_at <= clock() as is_due
from session_requests where id = $1 for update"""

FALL_BACK = """
update session_requests r
set stage = 'open', reserved_for = null, chain_step = null, version = version + 2,
    due_at = greatest(created_at + interval '30 minutes', seen.now + interval '5 minutes'),
    fallback_broadcast_at = seen.now, fallback_reason = 'no_response', broadcast_at = seen.now,
    silent_mechanics = silent_mechanics || reserved_for,
    metadata = metadata || jsonb_build_object(
        'fallback_broadcast_at', iso_instant(seen.now), 'fallback_reason', 'no_response')
from (select clock() as now) seen
where id = $1
returning version, broadcast_at, round, due_at"""

LOG_FALLBACK = """
insert into session_events (request_id, version, kind, at, actor, round, payload, eligible)
values ($1::uuid, $2::integer - 1, 'reservation_ended', $3::timestamptz, 'system', $4::smallint,
        jsonb_build_object('mechanic', $6::uuid, 'reason', 'no_response'), null),
       ($1::uuid, $2::integer, 'request_opened', $3::timestamptz, 'system', $4::smallint,
        jsonb_build_object('until', $5::timestamptz, 'fallback', 'no_response',
                           'untold', array[$6::uuid]),
        array(select id from eligible_mechanics))"""

LOCK_MATCH = """
select status, matched_mechanic_id from session_requests where id = $1 for update"""

COMPLETE = """
update session_requests set status = 'completed', due_at = null, version = version + 1
where id = $1
returning version, clock() as at, round"""

LOG_COMPLETION = """
insert into session_events (request_id, version, kind, at, actor, round, payload)
values ($1, $2, 'session_completed', $3, $4, $5, $6::text::jsonb)"""


@dataclass(frozen=True, slots=True)
class Booking:
    """What all requests of a contest have in common."""

    customer: CustomerId
    intake: IntakeId
    favorite: MechanicId


@dataclass(frozen=True, slots=True)
class Life:
    """The four steps as one client takes them; its own mechanic accepts and completes."""

    create: Callable[[RequestId], Awaitable[None]]
    fall_back: Callable[[RequestId], Awaitable[bool]]
    accept: Callable[[RequestId, MechanicId], Awaitable[bool]]
    complete: Callable[[RequestId, MechanicId], Awaitable[bool]]


Lives = Callable[[str, int, Booking], AbstractAsyncContextManager[Sequence[Life]]]


@asynccontextmanager
async def hand_written(dsn: str, clients: int, booking: Booking) -> AsyncIterator[Sequence[Life]]:
    """Four transactions, each on a connection from the pool, as the service takes them."""
    async with connected(dsn, connections_max=clients) as pool:

        async def create(request: RequestId) -> None:
            async with pool.acquire() as connection:
                await _create(connection, request, booking)

        async def fall_back(request: RequestId) -> bool:
            async with pool.acquire() as connection:
                return await _fall_back(connection, request)

        async def accept(request: RequestId, mechanic: MechanicId) -> bool:
            async with pool.acquire() as connection:
                return await rivals.lock_update_insert(connection, request, mechanic)

        async def complete(request: RequestId, mechanic: MechanicId) -> bool:
            async with pool.acquire() as connection:
                return await _complete(connection, request, mechanic)

        yield [Life(create, fall_back, accept, complete)] * clients


async def _create(connection: "Pooled", request: RequestId, booking: Booking) -> None:
    async with connection.transaction():
        at = await connection.fetchval(
            CREATE, request, booking.intake, booking.customer, booking.favorite, POLICY
        )
        requested = _requested(booking, str(request))
        reserved = _reserved(booking, at.isoformat())
        await connection.execute(LOG_CREATION, request, at, requested, reserved)


def _requested(booking: Booking, request: str) -> str:
    favorite = str(booking.favorite)
    return json.dumps(
        {
            "plan": "standard",
            "chain": [{"window": "PT0S", "mechanic": favorite}],
            "intake": str(booking.intake),
            "policy": json.loads(POLICY),
            "payment": {"payment_intent": None, "checkout_session": f"cs_{request}"},
            "customer": str(booking.customer),
            "preferred": favorite,
            "routing_type": "priority_broadcast",
        }
    )


def _reserved(booking: Booking, until: str) -> str:
    reserved = {"step": 0, "until": until, "window": "PT0S", "shortened": False}
    return json.dumps(reserved | {"mechanic": str(booking.favorite)})


async def _fall_back(connection: "Pooled", request: RequestId) -> bool:
    async with connection.transaction():
        row = await connection.fetchrow(LOCK_DUE, request)
        if row is None or row["stage"] != "reserved" or not row["is_due"]:
            return False
        opened = await connection.fetchrow(FALL_BACK, request)
        assert opened is not None, "a locked row is still there"
        await connection.execute(LOG_FALLBACK, request, *opened.values(), row["reserved_for"])
        return True


async def _complete(connection: "Pooled", request: RequestId, mechanic: MechanicId) -> bool:
    async with connection.transaction():
        row = await connection.fetchrow(LOCK_MATCH, request)
        if row is None or row["status"] != "matched" or row["matched_mechanic_id"] != mechanic:
            return False
        done = await connection.fetchrow(COMPLETE, request)
        assert done is not None, "a locked row is still there"
        version, at, round_ = done
        payload = json.dumps({"mechanic": str(mechanic)})
        actor = f"mechanic:{mechanic}"
        await connection.execute(LOG_COMPLETION, request, version, at, actor, round_, payload)
        return True


def accept_script(mechanic: str) -> str:
    """The accept of ``rivals`` as a script; ``mechanic`` is SQL."""
    request = numbered_sql("r")
    payload = (
        "jsonb_build_object('mechanic', $1, 'stage', 'open', 'join_by', null, 'assigned', false)"
        "::text"
    )
    logged = ("version", "matched_at", f"'mechanic:' || {mechanic}", "round")
    arguments = (request, *[_variable(name) for name in logged])
    return (
        "begin;\n"
        + with_arguments(rivals.LOCK, request, ends=" \\gset")
        + with_arguments(rivals.UPDATE, request, mechanic, ends=" \\gset")
        + with_arguments(rivals.INSERT, *arguments, with_arguments(payload, mechanic, ends=""))
        + "commit;\n"
    )


def life_script(booking: Booking) -> str:
    """All four steps as a script. Mechanic ``m0`` is the first client's, and so on."""
    request, mechanic = numbered_sql("r"), numbered_sql("m", "client_id")
    ids = [f"'{one}'" for one in (booking.intake, booking.customer, booking.favorite)]
    sample = "00000000-0000-0000-0000-000000000000"
    payloads = [f"'{_requested(booking, sample)}'", f"'{_reserved(booking, '2026-01-01T00:00Z')}'"]
    opened = [_variable(name) for name in ("version", "broadcast_at", "round", "due_at")]
    done = [_variable("version"), _variable("at"), f"'mechanic:' || {mechanic}"]
    payload = f"jsonb_build_object('mechanic', {mechanic})::text"
    return (
        "begin;\n"
        + with_arguments(CREATE, request, *ids, f"'{POLICY}'", ends=" \\gset")
        + with_arguments(LOG_CREATION, request, _variable("created_at"), *payloads)
        + "commit;\nbegin;\n"
        + with_arguments(LOCK_DUE, request, ends=" \\gset")
        + with_arguments(FALL_BACK, request, ends=" \\gset")
        + with_arguments(LOG_FALLBACK, request, *opened, _variable("reserved_for"))
        + "commit;\n"
        + accept_script(mechanic)
        + "begin;\n"
        + with_arguments(LOCK_MATCH, request, ends=" \\gset")
        + with_arguments(COMPLETE, request, ends=" \\gset")
        + with_arguments(LOG_COMPLETION, request, *done, _variable("round"), payload)
        + "commit;\n"
    )


def _variable(name: str) -> str:
    """Something a statement before has answered."""
    return name if name.startswith("'") else f":{name}"
