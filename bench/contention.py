"""What one accept costs as more and more people want the same request."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from bench.cpu import CpuMeter
from bench.figures import Result, Tally, Verdict
from bench.options import Options
from bench.world import World, world
from headstart.app.dispatcher import Dispatcher, Done
from headstart.core.commands import AcceptOffer, Actor
from headstart.core.refusals import Refusal
from headstart.core.request import MechanicId, RequestId
from headstart.store.postgres import connected
from headstart.store.requests import RequestStore

if TYPE_CHECKING:
    import asyncpg

    from headstart.store.postgres import Pool

CROWDS = (1, 10, 100, 1_000, 10_000)
CONNECTIONS = 10
REQUESTS = {1: 200, 10: 50, 100: 10}  # one rush of few is too short to measure
OURS = "ours"

_spent: ContextVar[list[float]] = ContextVar("spent")


async def contention(dsn: str, options: Options) -> Result:
    """Everybody waits at the door; then it opens."""
    result = Result("contention", "What does one accept cost as contenders for one request grow?")
    result.notes.append(
        f"{CONNECTIONS} connections. winner_db: the winner's own statements, from sending to answer"
    )
    crowds = sorted({min(options.scaled(crowd), crowd) for crowd in CROWDS})
    tally = Tally()
    async with world(dsn) as place, connected(place.dsn, connections_max=CONNECTIONS) as pool:
        before = await place.server_processes()
        await _rushes(place, pool, CONNECTIONS * 10, 1)  # connections and plans
        meter = CpuMeter(await place.server_processes() - before)
        for _ in range(options.repeat):
            for crowd in crowds:
                cpu = meter.read()
                figures = await _rushes(place, pool, crowd, REQUESTS.get(crowd, 1))
                answers = crowd * REQUESTS.get(crowd, 1)
                figures["server_cpu_us"] = (meter.read().server_s - cpu.server_s) / answers * 1e6
                tally.add(_name(crowd), OURS, **figures)
    result.rows = tally.rows()
    least, most = _name(crowds[0]), _name(crowds[-1])
    for figure, bar in (("each_us", 1.0), ("winner_db_ms", None)):
        ratio = tally.figure(most, OURS, figure).over(tally.figure(least, OURS, figure))
        result.verdicts.append(Verdict(f"{figure}: {most} / {least}", ratio, bar))
    return result


def _name(crowd: int) -> str:
    return f"{crowd:,} at once"


class _Timed:
    """A pool that notes how long each statement took, without the wait for a connection."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool

    async def fetch(self, sql: str, *values: Any) -> "list[asyncpg.Record]":
        async with self._pool.acquire() as connection:
            began = time.perf_counter()
            rows = await connection.fetch(sql, *values)
            _spent.get().append(time.perf_counter() - began)
            return rows


async def _rushes(place: World, pool: "Pool", crowd: int, number: int) -> dict[str, float]:
    """Several rushes, one after another, on a request each."""
    mechanics = await place.mechanics(crowd * number)
    requests = await place.open_requests(number)
    spent_s, winners_s = 0.0, []
    for index, request in enumerate(requests):
        contenders = mechanics[index * crowd : (index + 1) * crowd]
        all_s, winner_s = await _rush(pool, request, contenders)
        spent_s += all_s
        winners_s.append(winner_s)
    found = await place.connection.fetchval(
        "select count(*) from session_events"
        " where request_id = any($1::uuid[]) and kind = 'request_matched'",
        requests,
    )
    assert found == number, f"{found} matches of {number} requests are in the log"
    return {
        "all_answered_ms": spent_s / number * 1e3,
        "each_us": spent_s / (crowd * number) * 1e6,
        "winner_db_ms": sorted(winners_s)[len(winners_s) // 2] * 1e3,
    }


async def _rush(
    pool: "Pool", request: RequestId, contenders: Sequence[MechanicId]
) -> tuple[float, float]:
    """Seconds until all are answered, and those the winner's statements took."""
    store: Any = _Timed(pool)
    dispatcher = Dispatcher(RequestStore(store), lambda: None)
    async with AsyncExitStack() as door:
        for _ in range(CONNECTIONS):
            await door.enter_async_context(pool.acquire())
        crowd = [asyncio.create_task(_accept(dispatcher, request, one)) for one in contenders]
        await asyncio.sleep(0)  # everybody has come as far as the door
    began = time.perf_counter()
    outcomes = await asyncio.gather(*crowd)
    spent_s = time.perf_counter() - began
    [winner_s] = [one for one in outcomes if one is not None]
    return spent_s, winner_s


async def _accept(dispatcher: Dispatcher, request: RequestId, mechanic: MechanicId) -> float | None:
    """The winner's time in the database; None for everybody who was told the true reason."""
    _spent.set([])
    command = AcceptOffer(request, mechanic, Actor("mechanic", str(mechanic)))
    outcome = await dispatcher.execute(command)
    assert isinstance(outcome, Done) or outcome is Refusal.ALREADY_MATCHED, outcome
    return sum(_spent.get()) if isinstance(outcome, Done) else None
