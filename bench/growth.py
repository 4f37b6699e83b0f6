"""Whether an accept stays as cheap while the armed windows grow a thousandfold."""

from contextlib import AsyncExitStack

from bench.accept import Run, jobs, warm_up
from bench.cpu import CpuMeter
from bench.figures import Result, Tally, Verdict
from bench.options import Options
from bench.rivals import ours
from bench.world import World, world

ARMED = (100, 1_000, 10_000, 100_000)
MECHANICS = 500
ACCEPTS = 400
TURNS = 20


async def growth(dsn: str, options: Options) -> Result:
    """One client; the databases take turns, so that they meet the same weather."""
    result = Result("growth", "What does one accept cost as armed windows grow?")
    tally = Tally()
    async with AsyncExitStack() as stack:
        places = {}
        for armed in (options.scaled(number) for number in ARMED):
            place = await stack.enter_async_context(world(dsn))
            await place.windows(await place.mechanics(MECHANICS), [24 * 3600.0] * armed)
            before = await place.server_processes()
            accepts = await stack.enter_async_context(ours(place.dsn, 1))
            await warm_up(place, accepts)
            meter = CpuMeter(await place.server_processes() - before)
            places[_name(armed)] = (place, Run(_name(armed), accepts, meter))
        for _ in range(options.repeat):
            await _repetition(places, options.scaled(ACCEPTS))
            for name, (_, run) in places.items():
                tally.add(name, "ours", **run.figures())
    result.rows = tally.rows()
    least, *_, most = places
    ratio = tally.figure(most, "ours", "cost_us").over(tally.figure(least, "ours", "cost_us"))
    result.verdicts.append(Verdict(f"{most} / {least}", ratio, 1.2))
    return result


def _name(armed: int) -> str:
    return f"{armed:,} armed"


async def _repetition(places: dict[str, tuple[World, Run]], number: int) -> None:
    turn = max(1, number // TURNS)
    for place, run in places.values():
        await place.settle()
        await warm_up(place, run.accepts)
        run.start_over()
    for _ in range(TURNS):
        for place, run in places.values():
            await run.work(await jobs(place, turn))
