"""Everybody wants the one request: a winner, and a polite no to all others."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from bench import rivals
from bench.figures import Result, Tally, Verdict, percentile
from bench.options import Options
from bench.world import World, world
from headstart.app.dispatcher import Dispatcher, Done
from headstart.core.commands import AcceptOffer, Actor
from headstart.core.refusals import Refusal
from headstart.core.request import MechanicId, RequestId
from headstart.store.postgres import connected
from headstart.store.requests import RequestStore

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

CONNECTIONS = 10
OURS = "ours"
QUEUE = "lock first, then our rules"

Accept = Callable[[RequestId, MechanicId], Awaitable[bool]]


async def hot(dsn: str, options: Options) -> Result:
    """``--crowd`` mechanics accept one open request at the same time."""
    result = Result("hot", f"{options.crowd:,} accept one request at once: when do all know?")
    tally = Tally()
    async with world(dsn) as place, connected(place.dsn, connections_max=CONNECTIONS) as pool:
        variants = {OURS: partial(_ours, pool), QUEUE: partial(rivals.lock_decide_write, pool)}
        for accept in variants.values():
            await _rush(place, accept, CONNECTIONS * 10)  # connections and plans
        for _ in range(options.repeat):
            for variant, accept in variants.items():
                tally.add("", variant, **await _rush(place, accept, options.crowd))
    result.rows = tally.rows()
    mine, theirs = (tally.figure("", name, "all_answered_s") for name in (OURS, QUEUE))
    result.verdicts.append(Verdict("ours / queueing on the row lock", mine.over(theirs)))
    return result


async def _ours(pool: "Pool", request: RequestId, mechanic: MechanicId) -> bool:
    """True for the winner; everybody else must be told the true reason."""
    command = AcceptOffer(request, mechanic, Actor("mechanic", str(mechanic)))
    outcome = await Dispatcher(RequestStore(pool), lambda: None).execute(command)
    assert isinstance(outcome, Done) or outcome is Refusal.ALREADY_MATCHED, outcome
    return isinstance(outcome, Done)


async def _rush(place: World, accept: Accept, crowd: int) -> dict[str, float]:
    mechanics = await place.mechanics(crowd)
    [request] = await place.open_requests(1)
    answered: list[float] = []
    began = time.perf_counter()

    async def one(mechanic: MechanicId) -> bool:
        won = await accept(request, mechanic)
        answered.append(time.perf_counter() - began)
        return won

    winners = sum(await asyncio.gather(*(one(mechanic) for mechanic in mechanics)))
    assert winners == 1, f"{winners} winners"
    matches = await place.connection.fetchval(
        "select count(*) from session_events where request_id = $1 and kind = 'request_matched'",
        request,
    )
    assert matches == 1, f"{matches} matches in the log"
    return {
        "all_answered_s": max(answered),
        "answers_per_s": crowd / max(answered),
        "p50_ms": percentile(answered, 0.50) * 1e3,
        "p99_ms": percentile(answered, 0.99) * 1e3,
    }
