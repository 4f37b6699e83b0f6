"""How late time's own acts are: for many windows in one instant, and for one after another."""

import asyncio
import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import datetime

from bench.figures import Result, Tally, Verdict, percentile
from bench.options import Options
from bench.sweepers import BARE, OURS, SWEEPERS, Stamps, Sweeper
from bench.world import World, world
from headstart.core.request import MechanicId, RequestId

ARMED = 100_000
MECHANICS = 200
DUE_AT_ONCE = 10_000
SPREAD = 500
SPREAD_S = 5.0
LEAD_S = 20.0  # time to load a repetition; what is left of it is skipped by the test clock
HEAD_START_S = 1.5  # the sweeper is connected, planned and asleep when the first window ends
LOOK_S = 0.02
PATIENCE_S = 120.0

Due = Mapping[RequestId, datetime]


async def sweep(dsn: str, options: Options) -> Result:
    """10,000 windows end in one instant; 100,000 more are armed."""
    number, armed = options.scaled(DUE_AT_ONCE), options.scaled(ARMED)
    result = Result("sweep", f"{number:,} due at once: when is the last one opened?")
    result.notes.append(
        f"{armed:,} armed, {MECHANICS} mechanics eligible and recorded on each event"
    )
    tally = Tally()
    async with world(dsn) as place:
        await _arm(place, armed)
        for repetition in range(options.repeat):
            for variant in _turns(repetition):
                late = await _lateness(place, SWEEPERS[variant], [LEAD_S] * number)
                last_s = max(late.committed)
                figures = {"all_opened_s": last_s, "per_s": number / last_s}
                tally.add("", variant, **figures)
    mine, theirs = (tally.figure("", name, "all_opened_s") for name in (OURS, BARE))
    result.rows = tally.rows()
    result.verdicts = [
        Verdict("ours: seconds until all are opened", mine, 1.5),
        Verdict("ours / bare SQL", mine.over(theirs)),
    ]
    return result


async def lateness(dsn: str, options: Options) -> Result:
    """500 windows end in the course of 5 s; 100,000 more are armed."""
    number, armed = options.scaled(SPREAD), options.scaled(ARMED)
    result = Result("lateness", f"{number:,} due over {SPREAD_S:g} s: how late is the fallback?")
    result.notes.append("decided: the event's own time. committed: when anybody could see it")
    tally = Tally()
    chance = random.Random(1)
    async with world(dsn) as place:
        await _arm(place, armed)
        for repetition in range(options.repeat):
            for variant in _turns(repetition):
                due = sorted(LEAD_S + chance.random() * SPREAD_S for _ in range(number))
                late = await _lateness(place, SWEEPERS[variant], due)
                tally.add("", variant, **late.figures())
    result.rows = tally.rows()
    for name, bar in (("committed_p50_ms", 3.0), ("committed_p99_ms", 15.0)):
        mine, theirs = (tally.figure("", variant, name) for variant in (OURS, BARE))
        result.verdicts.append(Verdict(f"ours: {name}", mine, bar))
        result.verdicts.append(Verdict(f"ours / bare SQL: {name}", mine.over(theirs)))
    return result


class Lateness:
    """Seconds from each deadline to the decision, and to the commit that made it visible."""

    def __init__(self, decided: list[float], committed: list[float]) -> None:
        self.decided = decided
        self.committed = committed

    def figures(self) -> dict[str, float]:
        """In milliseconds."""
        return {
            f"{name}_p{share}_ms": percentile(samples, share / 100) * 1e3
            for name, samples in (("decided", self.decided), ("committed", self.committed))
            for share in (50, 99, 100)
        }


async def _arm(place: World, number: int) -> None:
    day_s = 24 * 3600.0
    await place.windows(await place.mechanics(MECHANICS), [day_s] * number)


def _turns(repetition: int) -> list[str]:
    """Who goes first changes, so that nobody always has the smaller table."""
    return [OURS, BARE] if repetition % 2 == 0 else [BARE, OURS]


async def _lateness(place: World, sweeper: Sweeper, due_in_s: list[float]) -> Lateness:
    rows = await place.connection.fetch(f"select id from mechanics order by id limit {MECHANICS}")
    mechanics = [row["id"] for row in rows]
    return await judged(place, *await watched(place, sweeper, mechanics, due_in_s))


async def watched(
    place: World, sweeper: Sweeper, mechanics: Sequence[MechanicId], due_in_s: list[float]
) -> tuple[Due, Stamps]:
    """Let these windows end under the eyes of a sweeper; the times of its commits."""
    due = await place.windows(mechanics, due_in_s)
    await place.settle()
    await place.come_close_to(min(due.values()), by_s=HEAD_START_S)
    commits: Stamps = []
    async with sweeper(place.dsn, commits):
        await _all_opened(place, due)
        await _all_noted(place, due, commits)
    return due, commits


async def _all_opened(place: World, due: Due) -> None:
    last = max(due.values())
    looks = round(PATIENCE_S / LOOK_S)
    for _ in range(looks):
        await asyncio.sleep(LOOK_S)
        if await place.connection.fetchval(
            "select clock() > $1 and not exists (select from session_requests where due_at <= $1)",
            last,
        ):
            return
    raise TimeoutError("some windows did not end")


async def _all_noted(place: World, due: Due, commits: Stamps) -> None:
    """What is committed is seen by us a moment before its sweeper is told and notes it."""
    last = await place.connection.fetchval(
        "select max(at) from session_events where request_id = any($1::uuid[])", list(due)
    )
    last_s = last.timestamp() - await place.clock_offset_s()
    async with asyncio.timeout(PATIENCE_S):
        while not commits or commits[-1] < last_s:  # noqa: ASYNC110 - the sweeper has no event
            await asyncio.sleep(LOOK_S)


async def judged(place: World, due: Due, commits: Stamps) -> Lateness:
    """From the log, where each fallback must stand exactly once."""
    offset_s = await place.clock_offset_s()
    seen_s = [stamp + offset_s for stamp in commits]
    rows = await place.connection.fetch(
        "select request_id, at from session_events"
        " where request_id = any($1::uuid[]) and kind = 'request_opened'",
        list(due),
    )
    assert len(rows) == len(due) == len({row["request_id"] for row in rows}), "not exactly once"
    decided, committed = [], []
    for row in rows:
        end_s, at_s = due[row["request_id"]].timestamp(), row["at"].timestamp()
        assert at_s >= end_s, "a window was cut short"
        decided.append(at_s - end_s)
        first = min(bisect_left(seen_s, at_s), len(seen_s) - 1)  # two clocks are a little apart
        committed.append(max(at_s, seen_s[first]) - end_s)
    return Lateness(decided, committed)
