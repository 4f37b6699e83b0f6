"""What one accept costs: distinct open requests, distinct mechanics, every commit durable."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from bench import pgbench, rivals, rivals_psycopg
from bench.cpu import CpuMeter
from bench.figures import Result, Tally, Verdict, percentile
from bench.options import Options
from bench.pgbench import PgBench, numbered, numbered_sql
from bench.rivals import Accept, Clients
from bench.rivals_lifecycle import accept_script
from bench.world import World, world
from headstart.core.request import MechanicId, RequestId

OURS = "ours"
HAND_WRITTEN = "(a) lock, update, insert, commit"
WITH_FACTS = "(a) and the facts our rules ask for"
SINGLE = "(b) one statement"
HELD = "(a) own connection"
LOCK_FIRST = "(c) lock first, then our rules"
PGBENCH = "pgbench, the same SQL as (a)"

VARIANTS: Mapping[str, Clients] = {
    OURS: rivals.ours,
    HAND_WRITTEN: rivals.hand_written_pooled,
    WITH_FACTS: rivals.hand_written_with_facts,
    SINGLE: rivals.single_statement,
    LOCK_FIRST: rivals.lock_first,
    "ours, own connection": rivals.ours_unpooled,
    HELD: rivals.hand_written,
}
TURNS = 20
BARS = {HAND_WRITTEN: 1.0, WITH_FACTS: None, SINGLE: 2.0, LOCK_FIRST: None, HELD: None}
ACCEPTS = {1: 300, 16: 1200}  # by the number of clients
WARM_UP_ACCEPTS = 12  # of each client: connections, prepared statements, their generic plans
ARMED_WINDOWS = 10_000

Job = tuple[RequestId, MechanicId]


async def accept(dsn: str, options: Options) -> Result:
    """Accepts per second and the time one takes, with 1 and with 16 clients."""
    result = Result("accept", "What does one accept cost beside hand-written SQL?")
    variants = {**VARIANTS, **rivals_psycopg.variants()}
    if not pgbench.is_there():
        result.notes.append(pgbench.NOT_RUN)
    if not rivals_psycopg.AVAILABLE:
        result.notes.append(rivals_psycopg.NOT_RUN)
    tally = Tally()
    async with world(dsn) as place:
        await place.windows(await place.mechanics(500), [3600.0] * options.scaled(ARMED_WINDOWS))
        limit = PgBench(place.dsn, accept_script(numbered_sql("m")))
        for clients, wanted in ACCEPTS.items():
            number, where = options.scaled(wanted), setting(clients)
            async with contest(place, variants, clients) as runs:
                for _ in range(options.repeat):
                    await repetition(place, runs, number)
                    for run in runs:
                        tally.add(where, run.variant, **run.figures())
                    if pgbench.is_there():
                        tally.add(where, PGBENCH, **await _limit(place, limit, clients, number))
    result.rows = tally.rows()
    for clients in ACCEPTS:
        result.verdicts += _verdicts(tally, setting(clients))
    return result


def setting(clients: int) -> str:
    """How the table names it."""
    return f"{clients} client{'s' if clients > 1 else ''}"


def _verdicts(tally: Tally, where: str) -> Iterator[Verdict]:
    ours = tally.figure(where, OURS, "cost_us")
    for rival, bar in BARS.items():
        ratio = ours.over(tally.figure(where, rival, "cost_us"))
        yield Verdict(f"cost of ours / {rival}, {where}", ratio, bar)
    if tally.has(where, PGBENCH):
        limit = tally.figure(where, PGBENCH, "cost_us")
        yield Verdict(f"cost of ours / {PGBENCH}, {where}", ours.over(limit))
    for mine, theirs in rivals_psycopg.COMPARED.items():
        if tally.has(where, theirs):
            ratio = tally.figure(where, theirs, "cost_us").over(
                tally.figure(where, mine, "cost_us")
            )
            yield Verdict(f"cost of {theirs} / {mine}, {where}", ratio)


class Run:
    """One variant's clients, and what they needed in the present repetition."""

    def __init__(self, variant: str, accepts: Sequence[Accept], cpu: CpuMeter | None) -> None:
        self.variant = variant
        self.accepts = accepts
        self._cpu = cpu or CpuMeter()
        self.start_over()

    def start_over(self) -> None:
        """A new repetition."""
        self.samples: list[float] = []
        self.spent_s = self.client_s = self.server_s = 0.0

    async def work(self, todo: Sequence[Job]) -> None:
        """Every client takes the next request as soon as it is done with the last."""
        queue = iter(todo)
        before, began = self._cpu.read(), time.perf_counter()
        await asyncio.gather(*(self._client(accept, queue) for accept in self.accepts))
        self.spent_s += time.perf_counter() - began
        after = self._cpu.read()
        self.client_s += after.client_s - before.client_s
        self.server_s += after.server_s - before.server_s

    async def _client(self, accept: Accept, queue: Iterator[Job]) -> None:
        for request, mechanic in queue:
            began = time.perf_counter()
            won = await accept(request, mechanic)
            self.samples.append(time.perf_counter() - began)
            assert won, "nobody else wants this request"

    def figures(self) -> dict[str, float]:
        """Per accept: ``cost`` by the wall clock, and the computing on both sides."""
        number = len(self.samples)
        return {
            "per_s": number / self.spent_s,
            "cost_us": self.spent_s / number * 1e6,
            "client_cpu_us": self.client_s / number * 1e6,
            "server_cpu_us": self.server_s / number * 1e6,
            "p50_ms": percentile(self.samples, 0.50) * 1e3,
            "p99_ms": percentile(self.samples, 0.99) * 1e3,
        }


@asynccontextmanager
async def contest(
    place: World, variants: Mapping[str, Clients], clients: int, *, dsn: str | None = None
) -> AsyncIterator[list[Run]]:
    """All variants connected and warm, so that they can take turns."""
    async with AsyncExitStack() as stack:
        runs = []
        for variant, kind in variants.items():
            before = await place.server_processes()
            accepts = await stack.enter_async_context(kind(dsn or place.dsn, clients))
            await warm_up(place, accepts)
            meter = CpuMeter(await place.server_processes() - before)
            runs.append(Run(variant, accepts, meter))
        yield runs


async def warm_up(place: World, accepts: Sequence[Accept]) -> None:
    """Every client has connected and planned its statements on the statistics of the moment."""
    await Run("", accepts, None).work(await jobs(place, WARM_UP_ACCEPTS * len(accepts)))


async def repetition(place: World, runs: list[Run], number: int) -> None:
    """Turns of a few accepts each: what slows the machine for a second slows everybody alike."""
    turn = max(1, number // TURNS)
    work = await jobs(place, turn * TURNS * len(runs))
    await place.settle()
    todo = iter([work[start : start + turn] for start in range(0, len(work), turn)])
    for run in runs:
        await warm_up(place, run.accepts)
        run.start_over()
    for index in range(TURNS):
        first = index % len(runs)
        for run in (*runs[first:], *runs[:first]):
            await run.work(next(todo))
    await _check_all_matched(place, work)


async def _limit(place: World, limit: PgBench, clients: int, number: int) -> Mapping[str, float]:
    """The statements of (a) without a line of Python, on requests of its own."""
    each = max(1, number // clients)
    numbers = list(limit.next_numbers(clients, each))
    requests = [RequestId(numbered("r", one)) for one in numbers]
    mechanics = [MechanicId(numbered("m", one)) for one in numbers]
    work = await jobs(place, len(numbers), requests, mechanics)
    figures = await limit.run(clients, each)
    await _check_all_matched(place, work)
    return figures


async def jobs(
    place: World,
    number: int,
    requests: Sequence[RequestId] | None = None,
    mechanics: Sequence[MechanicId] | None = None,
) -> Sequence[Job]:
    """Fresh open requests, each with a mechanic of its own."""
    made = await place.open_requests(number, requests)
    return list(zip(made, await place.mechanics(number, mechanics), strict=True))


async def _check_all_matched(place: World, todo: Sequence[Job]) -> None:
    """Each variant must have done the work it was timed for: the row and its event."""
    done = await place.connection.fetchval(
        "select count(*) from session_requests r"
        " join session_events e on e.request_id = r.id and e.version = r.version"
        " join unnest($1::uuid[], $2::uuid[]) as todo (id, mechanic)"
        "   on todo.id = r.id and todo.mechanic = r.matched_mechanic_id"
        " where r.status = 'matched' and r.version = 3 and e.kind = 'request_matched'"
        "   and e.at = r.matched_at and e.actor = 'mechanic:' || todo.mechanic"
        "   and e.payload = jsonb_build_object("
        "       'mechanic', todo.mechanic, 'stage', 'open', 'join_by', null, 'assigned', false)",
        [request for request, _ in todo],
        [mechanic for _, mechanic in todo],
    )
    assert done == len(todo), f"{done} of {len(todo)} accepts are in the log"
