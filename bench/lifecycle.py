"""What a whole life of a request costs: create, end the window, accept, complete."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from uuid import uuid4

from bench import pgbench
from bench.figures import Result, Tally, Verdict
from bench.options import Options
from bench.pgbench import PgBench, numbered
from bench.rivals_lifecycle import Booking, Life, Lives, hand_written, life_script
from bench.world import World, order, world
from headstart.app.dispatcher import Dispatcher, Done
from headstart.core import commands
from headstart.core.request import MechanicId, RequestId
from headstart.store.postgres import connected
from headstart.store.requests import RequestStore

OURS = "ours"
HAND_WRITTEN = "hand-written SQL"
PGBENCH = "pgbench, the same SQL"

LIVES = {1: 200, 16: 800}  # by the number of clients
WARM_UP = 8
TURNS = 10
MECHANICS = 50  # who are recorded as asked by each fallback
ARMED_WINDOWS = 10_000
STEPS = ("create", "fall_back", "accept", "complete")


async def lifecycle(dsn: str, options: Options) -> Result:
    """Lives per second and what each step takes, with 1 and with 16 clients."""
    result = Result(
        "lifecycle", "What does a whole life cost: create, fall back, accept, complete?"
    )
    result.notes.append(f"each fallback records {MECHANICS} mechanics; the four steps are commits")
    tally = Tally()
    async with world(dsn) as place:
        mechanics = await place.mechanics(MECHANICS)
        await place.windows(mechanics, [3600.0] * options.scaled(ARMED_WINDOWS))
        booking = Booking(*await place.customer(mechanics[0]), mechanics[0])
        limit = await _limit(place, booking, max(LIVES)) if pgbench.is_there() else None
        if limit is None:
            result.notes.append(pgbench.NOT_RUN)
        for clients, wanted in LIVES.items():
            number, where = options.scaled(wanted), _setting(clients)
            async with _contest(place, booking, clients) as runs:
                for _ in range(options.repeat):
                    await _repetition(place, runs, number)
                    for run in runs:
                        tally.add(where, run.variant, **run.figures())
                    if limit:
                        tally.add(where, PGBENCH, **await _run_limit(place, limit, clients, number))
    result.rows = tally.rows()
    for clients in LIVES:
        result.verdicts += _verdicts(tally, _setting(clients))
    return result


def _setting(clients: int) -> str:
    return f"{clients} client{'s' if clients > 1 else ''}"


def _verdicts(tally: Tally, where: str) -> Iterator[Verdict]:
    ours = tally.figure(where, OURS, "cost_us")
    yield Verdict(
        f"a life, ours / {HAND_WRITTEN}, {where}",
        ours.over(tally.figure(where, HAND_WRITTEN, "cost_us")),
        1.0,
    )
    if tally.has(where, PGBENCH):
        ratio = ours.over(tally.figure(where, PGBENCH, "cost_us"))
        yield Verdict(f"a life, ours / {PGBENCH}, {where}", ratio)


@asynccontextmanager
async def _ours(dsn: str, clients: int, booking: Booking) -> AsyncIterator[Sequence[Life]]:
    """The product's four commands. The loop would end many windows in one batch; here it is one."""
    async with connected(dsn, connections_max=clients) as pool:
        requests = RequestStore(pool)
        dispatcher = Dispatcher(requests, lambda: None)
        life = Life(
            partial(_create, dispatcher, requests, booking),
            partial(_fall_back, dispatcher),
            partial(_accept, dispatcher),
            partial(_complete, dispatcher),
        )
        yield [life] * clients


async def _create(
    dispatcher: Dispatcher, requests: RequestStore, booking: Booking, request: RequestId
) -> None:
    command = order(request, booking.customer, booking.intake, booking.favorite, timedelta(0))
    async with requests.transaction() as tx:
        await dispatcher.request_session(command, tx)


async def _fall_back(dispatcher: Dispatcher, request: RequestId) -> bool:
    return _has_changed(await dispatcher.execute(commands.EnforceDeadline(request)))


async def _accept(dispatcher: Dispatcher, request: RequestId, mechanic: MechanicId) -> bool:
    actor = commands.Actor("mechanic", str(mechanic))
    return _has_changed(await dispatcher.execute(commands.AcceptOffer(request, mechanic, actor)))


async def _complete(dispatcher: Dispatcher, request: RequestId, mechanic: MechanicId) -> bool:
    actor = commands.Actor("mechanic", str(mechanic))
    command = commands.CompleteSession(request, mechanic, actor)
    return _has_changed(await dispatcher.execute(command))


def _has_changed(outcome: object) -> bool:
    return isinstance(outcome, Done) and outcome.changed


VARIANTS: Mapping[str, Lives] = {OURS: _ours, HAND_WRITTEN: hand_written}


class _Run:
    """One variant's clients, each with a mechanic of its own, and what they needed."""

    def __init__(
        self, variant: str, lives: Sequence[Life], mechanics: Sequence[MechanicId]
    ) -> None:
        self.variant = variant
        self._clients = list(zip(lives, mechanics, strict=True))
        self.start_over()

    def start_over(self) -> None:
        """A new repetition."""
        self.lived: list[RequestId] = []
        self.spent_s = 0.0
        self.steps_s = dict.fromkeys(STEPS, 0.0)

    async def work(self, number: int) -> None:
        """So many lives among all clients."""
        todo = iter([RequestId(uuid4()) for _ in range(number)])
        began = time.perf_counter()
        await asyncio.gather(*(self._client(*one, todo) for one in self._clients))
        self.spent_s += time.perf_counter() - began

    async def _client(self, life: Life, mechanic: MechanicId, todo: Iterator[RequestId]) -> None:
        for request in todo:
            marks = [time.perf_counter()]
            await life.create(request)
            marks.append(time.perf_counter())
            assert await life.fall_back(request), "the window has ended"
            marks.append(time.perf_counter())
            assert await life.accept(request, mechanic), "nobody else wants it"
            marks.append(time.perf_counter())
            assert await life.complete(request, mechanic), "it is theirs"
            marks.append(time.perf_counter())
            for step, begins, ends in zip(STEPS, marks, marks[1:], strict=False):
                self.steps_s[step] += ends - begins
            self.lived.append(request)

    def figures(self) -> dict[str, float]:
        """``cost`` is one whole life by the wall clock; the steps are what a client waits."""
        number = len(self.lived)
        waits = {f"{step}_ms": self.steps_s[step] / number * 1e3 for step in STEPS}
        per_s = number / self.spent_s
        return {"per_s": per_s, "cost_us": 1e6 / per_s, **waits}


@asynccontextmanager
async def _contest(place: World, booking: Booking, clients: int) -> AsyncIterator[list[_Run]]:
    async with AsyncExitStack() as stack:
        runs = []
        for variant, kind in VARIANTS.items():
            lives = await stack.enter_async_context(kind(place.dsn, clients, booking))
            runs.append(_Run(variant, lives, await place.mechanics(clients)))
        yield runs


async def _repetition(place: World, runs: list[_Run], number: int) -> None:
    await place.settle()
    for run in runs:
        await run.work(WARM_UP * number // max(LIVES.values()) + WARM_UP)
        run.start_over()
    for index in range(TURNS):
        first = index % len(runs)
        for run in (*runs[first:], *runs[:first]):
            await run.work(max(1, number // TURNS))
    await _leave_the_same(place, [request for run in runs for request in run.lived])


_TRACES = """
select count(*) as lives, count(distinct trace) as kinds from (
    select concat_ws('/', r.status, r.stage, r.version, r.round, r.routing_type, r.chain_step,
                     r.fallback_reason, cardinality(r.silent_mechanics),
                     (select string_agg(key, ',' order by key)
                      from jsonb_object_keys(r.metadata) key),
                     string_agg(concat_ws(',', e.version, e.kind, split_part(e.actor, ':', 1),
                                          (select string_agg(key, '+' order by key)
                                           from jsonb_object_keys(e.payload) key),
                                          cardinality(e.eligible) > 0), ';' order by e.version)
           ) as trace
    from session_requests r join session_events e on e.request_id = r.id
    where r.id = any($1::uuid[]) and r.status = 'completed'
    group by r.id) traces"""


async def _leave_the_same(place: World, lived: Sequence[RequestId]) -> None:
    """Whoever did it, the rows and events differ in nothing but ids and times."""
    found = await place.connection.fetchrow(_TRACES, lived)
    assert found is not None
    assert found["lives"] == len(lived), f"{found['lives']} of {len(lived)} lives are complete"
    assert found["kinds"] == 1, f"{found['kinds']} different traces of the same life"


async def _limit(place: World, booking: Booking, clients_max: int) -> PgBench:
    """The same statements without a line of Python."""
    await place.mechanics(
        clients_max, [MechanicId(numbered("m", client)) for client in range(clients_max)]
    )
    return PgBench(place.dsn, life_script(booking))


async def _run_limit(
    place: World, limit: PgBench, clients: int, number: int
) -> Mapping[str, float]:
    each = max(5, number // clients)
    numbers = limit.next_numbers(clients, each)
    lived = [RequestId(numbered("r", one)) for one in numbers]
    figures = await limit.run(clients, each)
    await _leave_the_same(place, lived)
    return {name: figures[name] for name in ("per_s", "cost_us")}
