"""A durable server with default settings, and databases full of requests.

One request of each kind is made by the product; the thousands are its copies, so that rows, events
and policies are real ones.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from headstart.app.dispatcher import Dispatcher
from headstart.core import commands
from headstart.core.policy import OfflinePolicy, Policy
from headstart.core.request import (
    ChainStep,
    CustomerId,
    IntakeId,
    MechanicId,
    RequestId,
    RoutingType,
)
from headstart.store.embedded import running
from headstart.store.migrate import migrate
from headstart.store.people import PeopleStore
from headstart.store.postgres import SERVER_SETTINGS, connected
from headstart.store.requests import RequestStore

if TYPE_CHECKING:
    from headstart.store.postgres import Connection

POLICY = Policy(
    priority_enabled=True,
    offline=OfflinePolicy.WAIT,
    offline_window=timedelta(minutes=2),
    overall_limit=timedelta(minutes=30),
    broadcast_minimum=timedelta(minutes=5),
    join_limit=None,
)
WINDOW = timedelta(minutes=10)
LOAD_TIMEOUT_S = 600
CLOCK_QUESTIONS = 50
COPIED_AT_ONCE = 100_000
SETTINGS = {"max_connections": "500"}  # all variants stay connected; nothing else is special
_numbers = count()

_COPY_REQUESTS = """
with copied as (
    insert into session_requests ({columns})
    select {values}
    from session_requests original
    cross join unnest($2::uuid[], $3::uuid[], $4::timestamptz[])
        as copy (id, mechanic, due_at)
    where original.id = $1
)
insert into session_events
    (request_id, version, kind, at, actor, round, payload, eligible, eligible_digest)
select copy.id, e.version, e.kind, e.at, e.actor, e.round, e.payload, e.eligible, e.eligible_digest
from session_events e cross join unnest($2::uuid[]) as copy (id)
where e.request_id = $1
order by copy.id, e.version"""

_CHANGED_IN_A_COPY = {
    "id": "copy.id",
    "checkout_session_id": "'cs_' || copy.id",
    "due_at": "copy.due_at",
    "reserved_for": "copy.mechanic",
    "preferred_mechanic_id": "copy.mechanic",
    "chain": "case when copy.mechanic is null then original.chain else array[copy.mechanic] end",
    "metadata": """case when copy.mechanic is null then original.metadata
        else original.metadata || jsonb_build_object('preferred_mechanic_id', copy.mechanic) end""",
}


@contextmanager
def server() -> Iterator[str]:
    """The address of an empty PostgreSQL with the settings of production: everything is durable."""
    with tempfile.TemporaryDirectory(prefix="headstart-bench-", dir=_roomy()) as directory:
        os.chmod(directory, 0o711)  # the server may run under an account of its own
        with running(Path(directory) / "data", settings=SETTINGS) as dsn:
            asyncio.run(migrate(dsn))
            yield dsn


def _roomy() -> str | None:
    """A disk rather than memory: a benchmark of durability must pay for it."""
    return "/var/tmp" if Path("/var/tmp").is_dir() else None


class World:
    """One database with people and requests in it."""

    def __init__(self, dsn: str, connection: "Connection") -> None:
        self.dsn = dsn
        self.connection = connection

    async def mechanics(
        self, number: int, ids: Sequence[MechanicId] | None = None
    ) -> Sequence[MechanicId]:
        """So many new ones, all approved."""
        ids = ids or [MechanicId(uuid4()) for _ in range(number)]
        await self.connection.execute(
            "insert into mechanics (id, name, status)"
            " select id, 'Mechanic', 'approved' from unnest($1::uuid[]) as new (id)",
            ids,
        )
        return ids

    async def open_requests(
        self, number: int, ids: Sequence[RequestId] | None = None
    ) -> Sequence[RequestId]:
        """So many plain broadcasts, due long after the benchmark."""
        ids = ids or [RequestId(uuid4()) for _ in range(number)]
        original = await self._original(None)
        due = await self.connection.fetchval("select clock() + interval '1 day'")
        await self._copy(original, ids, [None] * number, [due] * number)
        return ids

    async def windows(
        self, mechanics: Sequence[MechanicId], due_in_s: Sequence[float]
    ) -> dict[RequestId, datetime]:
        """Requests reserved for these mechanics in turn, one for each deadline from now."""
        original = await self._original(mechanics[0])
        now = await self.connection.fetchval("select clock()")
        due = [now + timedelta(seconds=wait_s) for wait_s in due_in_s]
        turns = [mechanics[index % len(mechanics)] for index in range(len(due))]
        ids = [RequestId(uuid4()) for _ in due]
        for start in range(0, len(ids), COPIED_AT_ONCE):
            some = slice(start, start + COPIED_AT_ONCE)
            await self._copy(original, ids[some], turns[some], due[some])
        return dict(zip(ids, due, strict=True))

    async def clock_offset_s(self) -> float:
        """The database's clock less ours, judged by the quickest of several answers."""
        answers = []
        for _ in range(CLOCK_QUESTIONS):
            asked = time.time()
            theirs = await self.connection.fetchval("select extract(epoch from clock())::float8")
            took = time.time() - asked
            answers.append((took, theirs - (asked + took / 2)))
        offset_s: float = min(answers)[1]
        return offset_s

    async def come_close_to(self, instant: datetime, *, by_s: float) -> None:
        """Move the clock of the test on, so that this instant is only so far away."""
        await self.connection.execute(
            "update test_clock set ahead = ahead + ($1 - clock()) - make_interval(secs => $2)",
            instant,
            by_s,
        )

    async def server_processes(self) -> set[int]:
        """Everybody who serves this database now."""
        rows = await self.connection.fetch(
            "select pid from pg_stat_activity where datname = current_database()"
        )
        return {row["pid"] for row in rows}

    async def settle(self) -> None:
        """What a database that has been running for a while has behind it."""
        await self.connection.execute("vacuum (analyze)", timeout=LOAD_TIMEOUT_S)
        await self.connection.execute("checkpoint", timeout=LOAD_TIMEOUT_S)

    async def _copy(
        self,
        original: RequestId,
        ids: Sequence[RequestId],
        mechanics: Sequence[MechanicId | None],
        due: Sequence[datetime],
    ) -> None:
        columns = await self._columns()
        statement = _COPY_REQUESTS.format(
            columns=", ".join(columns),
            values=", ".join(_CHANGED_IN_A_COPY.get(name, f"original.{name}") for name in columns),
        )
        await self.connection.execute(
            statement, original, ids, mechanics, due, timeout=LOAD_TIMEOUT_S
        )

    async def _columns(self) -> list[str]:
        rows = await self.connection.fetch(
            "select attname from pg_attribute where attrelid = 'session_requests'::regclass"
            " and attnum > 0 and not attisdropped and attgenerated = '' order by attnum"
        )
        return [row["attname"] for row in rows]

    async def customer(self, *favorites: MechanicId) -> tuple[CustomerId, IntakeId]:
        """A new one with these favourites, and what they filled in."""
        customer = CustomerId(uuid4())
        async with connected(self.dsn, connections_max=2) as pool:
            people = PeopleStore(pool)
            await people.add_customer(customer, "Carla")
            for favorite in favorites:
                await people.add_favorite(customer, favorite)
        return customer, await self._intake(customer)

    async def _original(self, favorite: MechanicId | None) -> RequestId:
        """A request made by the product, reserved for the favourite if there is one."""
        customer, intake = await self.customer(*[favorite] if favorite else [])
        async with connected(self.dsn, connections_max=2) as pool:
            requests = RequestStore(pool)
            made = await Dispatcher(requests, lambda: None).request_session(
                order(RequestId(uuid4()), customer, intake, favorite), requests
            )
        return made.id

    async def _intake(self, customer: CustomerId) -> IntakeId:
        intake = IntakeId(uuid4())
        await self.connection.execute(
            "insert into intakes (id, customer_id, plan_code, amount, currency, routing_type,"
            " preferred_mechanic_ids, specialist, urgent, concern, vehicle, fingerprint)"
            " values ($1, $2, 'standard', 2999, 'cad', 'broadcast', '{}', false, false,"
            " 'It squeaks', 'A car', '')",
            intake,
            customer,
        )
        return intake


def order(
    request: RequestId,
    customer: CustomerId,
    intake: IntakeId,
    favorite: MechanicId | None,
    window: timedelta = WINDOW,
) -> commands.RequestSession:
    """The command that creates a request: reserved for the favourite, or open."""
    return commands.RequestSession(
        request_id=request,
        customer=customer,
        intake=intake,
        plan="standard",
        payment=commands.Payment(f"cs_{request}", None),
        routing_type=RoutingType.PRIORITY_BROADCAST if favorite else RoutingType.BROADCAST,
        chain=(ChainStep(favorite, window),) if favorite else (),
        policy=POLICY,
    )


@asynccontextmanager
async def world(server_dsn: str) -> AsyncIterator[World]:
    """A fresh database, gone afterwards."""
    name = f"bench_{next(_numbers)}"
    admin = await asyncpg.connect(_with_database(server_dsn, "postgres"))
    try:
        await admin.execute(f"create database {name} template headstart")
        dsn = _with_database(server_dsn, name)
        connection = await connect(dsn, statement_timeout="0")
        try:
            yield World(dsn, connection)
        finally:
            await connection.close()
            await admin.execute(f"drop database {name} with (force)")
    finally:
        await admin.close()


async def connect(dsn: str, **settings: str) -> "Connection":
    """A connection of one's own, as a rival would hold it: no pool, no codecs, no time-outs."""
    wanted = {name: SERVER_SETTINGS[name] for name in ("search_path", "timezone", "jit")}
    return await asyncpg.connect(dsn, server_settings={**wanted, **settings})


def _with_database(dsn: str, name: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
