"""The line ``peers``: arm, cancel and fire, beside the libraries a team would pick."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

from bench.figures import Result, Tally, Verdict
from bench.options import Options
from bench.peers import environment
from bench.peers import redis as redis_server
from bench.peers.contest import (
    DUE_AT_ONCE,
    KILLED,
    SPREAD_PER_S,
    SPREAD_S,
    Contestant,
    Stand,
    stand,
)
from bench.world import world

OURS = Contestant("ours", "ours")
BARE = Contestant("bare SQL, one small table", "bare")
LIBRARIES = (
    Contestant("PgQueuer", "pgqueuer_1"),
    Contestant("PgQueuer", "pgqueuer_1", tuned=True),
    Contestant("Procrastinate", "procrastinate_3"),
    Contestant("Procrastinate", "procrastinate_3", tuned=True),
    Contestant("DBOS", "dbos_3"),
    Contestant("DBOS", "dbos_3", tuned=True),
    Contestant("APScheduler 3", "apscheduler_3"),
    Contestant("Celery, Redis", "celery_5", needs_redis=True),
    Contestant("Celery, Redis", "celery_5", tuned=True, needs_redis=True),
)
FAILURES = (RuntimeError, TimeoutError, AssertionError)
AT_WORK = "at work"
KILLED_HALF_WAY = "killed half way"


async def peers(dsn: str, options: Options) -> Result:
    """Everybody in turn, repetition by repetition."""
    environment.make()
    result = Result("peers", "Arm, cancel and fire a window: ours and what a team would pick")
    result.notes += [
        f"at work: {DUE_AT_ONCE:,} due in one instant, after {SPREAD_PER_S} a second for"
        f" {SPREAD_S:g} s",
        f"killed half way: {KILLED:,} due at once; once for each, all of them side by side",
        "ours writes the request, its events and 200 mechanics asked; a library's job only notes"
        " the time in a file",
    ]
    contestants = [OURS, BARE, *LIBRARIES]
    if not redis_server.is_there():
        contestants = [one for one in contestants if not one.needs_redis]
        result.notes.append(redis_server.NOT_RUN)
    tally, failures = await contest(dsn, contestants, options)
    result.notes += failures
    result.rows = tally.rows()
    result.verdicts = _verdicts(tally, contestants, options.repeat)
    return result


async def contest(
    dsn: str, contestants: Sequence[Contestant], options: Options
) -> tuple[Tally, list[str]]:
    """All the figures of these, and who had to leave: a library that fails ends only its own."""
    tally, failures = Tally(), []
    async with _stands(dsn, contestants, options.scale) as stands:
        for repetition in range(options.repeat):
            first = repetition % len(stands)
            for one in (*stands[first:], *stands[:first]):
                try:
                    figures = await asyncio.to_thread(one.arming)
                    figures |= await asyncio.to_thread(one.firing, figures["arm_16_per_s"])
                except FAILURES as error:
                    if one.contestant in (OURS, BARE):
                        raise
                    failures.append(f"FAILED: {one.contestant.label}: {error}")
                    stands.remove(one)
                else:
                    tally.add(AT_WORK, one.contestant.label, **figures)
        with ThreadPoolExecutor(len(stands)) as threads:
            ends = list(threads.map(Stand.killed, stands))
        for one, figures in zip(stands, ends, strict=True):
            tally.add(KILLED_HALF_WAY, one.contestant.label, **figures)
    return tally, failures


@asynccontextmanager
async def _stands(
    dsn: str, contestants: Sequence[Contestant], scale: float
) -> AsyncIterator[list[Stand]]:
    """Each with a fresh database, or a fresh Redis."""
    async with AsyncExitStack() as databases:
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hs-peers-")))
            stands = []
            for number, one in enumerate(contestants):
                if one.needs_redis:
                    kind = redis_server.DURABLE if one.tuned else redis_server.AS_IT_COMES
                    address = stack.enter_context(redis_server.redis(kind))
                else:
                    address = (await databases.enter_async_context(world(dsn))).dsn
                place = directory / f"{number}-{one.library}"
                stands.append(stack.enter_context(stand(one, address, place, scale)))
            yield stands


def _verdicts(tally: Tally, contestants: Sequence[Contestant], repeat: int) -> list[Verdict]:
    """Ours beside each, where less is better. At 1 or below ours is no worse."""
    questions = {"all_fired_s": "all fired", "late_p99_ms": "lateness, p99"}
    verdicts = []
    for name, question in questions.items():
        mine = tally.figure(AT_WORK, OURS.label, name)
        for one in contestants:
            if one is OURS or not tally.has(AT_WORK, one.label):
                continue
            theirs = tally.figure(AT_WORK, one.label, name)
            if len(theirs.values) == repeat:
                bar = None if one is BARE else 1.0
                what = f"{question}: ours / {one.label}"
                verdicts.append(Verdict(what, mine.over(theirs), bar))
    return verdicts
