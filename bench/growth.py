"""Whether anything costs more, or comes later, while the armed windows grow a thousandfold."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from bench.accept import Run, jobs, warm_up
from bench.cpu import CpuMeter
from bench.deadlines import LEAD_S, judged, watched
from bench.figures import Result, Tally, Verdict
from bench.options import Options
from bench.rivals import ours
from bench.sweepers import OURS, SWEEPERS
from bench.world import World, order, world
from headstart.app.dispatcher import Dispatcher
from headstart.core.commands import RequestSession
from headstart.core.request import MechanicId, RequestId
from headstart.store.postgres import connected
from headstart.store.requests import RequestStore

ARMED = (1_000, 10_000, 100_000, 1_000_000)
MECHANICS = 200
ACCEPTS = 200
ARMS = 200
TURNS = 20
SPREAD = 300
SPREAD_PER_S = 100
AT_ONCE = 2_000
PAUSE_S = 1.0

BARS = {"accept_us": 1.2, "arm_us": 1.2, "fire_us": 1.2, "late_p50_ms": 1.2, "late_p99_ms": 1.2}


@dataclass(frozen=True, slots=True)
class _Place:
    """One database, with so many windows that end long after the benchmark."""

    world: World
    mechanics: Sequence[MechanicId]
    accepting: Run
    arming: "_Arming"


async def growth(dsn: str, options: Options) -> Result:
    """One client; the databases take turns, so that they meet the same weather."""
    result = Result("growth", "What do accept, arm and fire cost as armed windows grow?")
    result.notes.append(
        f"fire: one of {AT_ONCE:,} that end in one instant; late: {SPREAD} at {SPREAD_PER_S} a"
        " second, until others can see it"
    )
    tally = Tally()
    async with AsyncExitStack() as stack:
        places: dict[str, _Place] = {}
        for armed in (options.scaled(number) for number in ARMED):
            places[f"{armed:,} armed"] = await _place(stack, dsn, armed)
        for _ in range(options.repeat):
            for name, figures in (await _repetition(places, options)).items():
                tally.add(name, OURS, **figures)
    result.rows = tally.rows()
    least, *_, most = places
    for figure, bar in BARS.items():
        ratio = tally.figure(most, OURS, figure).over(tally.figure(least, OURS, figure))
        result.verdicts.append(Verdict(f"{figure}: {most} / {least}", ratio, bar))
    return result


async def _place(stack: AsyncExitStack, dsn: str, armed: int) -> _Place:
    place = await stack.enter_async_context(world(dsn))
    mechanics = await place.mechanics(MECHANICS)
    await place.windows(mechanics, [24 * 3600.0] * armed)
    before = await place.server_processes()
    accepts = await stack.enter_async_context(ours(place.dsn, 1))
    await warm_up(place, accepts)
    meter = CpuMeter(await place.server_processes() - before)
    pool = await stack.enter_async_context(connected(place.dsn, connections_max=1))
    booking = await place.customer(mechanics[0])
    requests = RequestStore(pool)
    command = partial(order, customer=booking[0], intake=booking[1], favorite=mechanics[0])
    arming = _Arming(requests, Dispatcher(requests, lambda: None), command)
    await arming.work(TURNS)
    return _Place(place, mechanics, Run(OURS, accepts, meter), arming)


class _Arming:
    """Creates reserved requests, one after another."""

    def __init__(
        self,
        requests: RequestStore,
        dispatcher: Dispatcher,
        command: Callable[[RequestId], RequestSession],
    ) -> None:
        self._requests, self._dispatcher, self._command = requests, dispatcher, command
        self.start_over()

    def start_over(self) -> None:
        """A new repetition."""
        self.armed, self.spent_s = 0, 0.0

    async def work(self, number: int) -> None:
        """Each in a transaction of its own."""
        began = time.perf_counter()
        for _ in range(number):
            async with self._requests.transaction() as tx:
                await self._dispatcher.request_session(self._command(RequestId(uuid4())), tx)
        self.spent_s += time.perf_counter() - began
        self.armed += number


async def _repetition(
    places: Mapping[str, _Place], options: Options
) -> dict[str, dict[str, float]]:
    """Accepting and arming in short turns, then the deadlines of each place."""
    for place in places.values():
        await place.world.settle()
        await warm_up(place.world, place.accepting.accepts)
        place.accepting.start_over()
        place.arming.start_over()
    for _ in range(TURNS):
        for place in places.values():
            turn = max(1, options.scaled(ACCEPTS) // TURNS)
            await place.accepting.work(await jobs(place.world, turn))
            await place.arming.work(max(1, options.scaled(ARMS) // TURNS))
    return {
        name: {
            "accept_us": place.accepting.figures()["cost_us"],
            "accept_server_cpu_us": place.accepting.figures()["server_cpu_us"],
            "arm_us": place.arming.spent_s / place.arming.armed * 1e6,
            **await _deadlines(place, options),
        }
        for name, place in places.items()
    }


async def _deadlines(place: _Place, options: Options) -> dict[str, float]:
    spread, number = options.scaled(SPREAD), options.scaled(AT_ONCE)
    due_in_s = [LEAD_S + index / SPREAD_PER_S for index in range(spread)]
    at_once_s = due_in_s[-1] + PAUSE_S
    due, commits = await watched(
        place.world, SWEEPERS[OURS], place.mechanics, [*due_in_s, *[at_once_s] * number]
    )
    few = dict(list(due.items())[:spread])
    many = dict(list(due.items())[spread:])
    late = (await judged(place.world, few, commits)).figures()
    last_s = max((await judged(place.world, many, commits)).committed)
    return {
        "fire_us": last_s / number * 1e6,
        "late_p50_ms": late["committed_p50_ms"],
        "late_p99_ms": late["committed_p99_ms"],
    }
