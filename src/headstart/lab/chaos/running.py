"""A run: as many rounds as it takes, each with a seed and a verdict of its own."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from random import Random

from headstart.lab.backstage import scratch_directory, server_environment
from headstart.lab.chaos import witness
from headstart.lab.chaos.house import Database, nursery
from headstart.lab.chaos.monkey import Habits
from headstart.lab.chaos.rounds import House, Report, play
from headstart.lab.chaos.scenery import Size
from headstart.lab.checkers import Verdict, judge
from headstart.lab.evidence import Evidence, this_commit, this_machine
from headstart.store.migrate import migrate

Tell = Callable[[str], None]

TEMPLATE = "headstart"
ROUND_REQUESTS_MAX = 2_000
LARGE = Size(
    requests=ROUND_REQUESTS_MAX,
    per_s=35.0,
    mechanics=16,
    window_s=3.0,
    offline_window_s=1.2,
    overall_limit_s=12.0,
    broadcast_minimum_s=3.0,
    join_limit_s=3.0,
    extension_s=1.0,
)
SMALL = replace(  # for every change
    LARGE,
    requests=120,
    mechanics=10,
    per_s=18.0,
    window_s=1.5,
    offline_window_s=0.6,
    overall_limit_s=5.1,
    broadcast_minimum_s=0.6,
    join_limit_s=1.5,
    extension_s=0.5,
)
OUTAGES_EVERY_S = (5.0, 40.0)
OUTAGES_SOON_S = (1.5, 3.5)
OUTAGES_MAX = 1_000  # of one round: in effect, until it ends
VIOLATIONS_OF_A_KIND = 3  # kept of each round


@dataclass(slots=True)
class Run:
    """The sum of all rounds."""

    requests: int = 0
    rounds: int = 0
    counts: Counter[str] | None = None
    operations: int = 0
    slowest_calm_s: float = 0.0
    slowest_liveness_s: float = 0.0
    faulty_s: float = 0.0
    judged_s: float = 0.0
    late_s: float = 0.0

    def add(self, report: Report, judged_s: float) -> None:
        """One round more."""
        history = report.history
        self.requests += len(history.final)
        self.rounds += 1
        self.counts = (self.counts or Counter()) + report.counts
        self.operations += len(history.operations)
        self.slowest_calm_s = max(self.slowest_calm_s, report.calm_s)
        self.slowest_liveness_s = max(self.slowest_liveness_s, report.calm_s + report.liveness_s)
        self.late_s = max(self.late_s, report.late_s)
        self.faulty_s += report.faulty_s
        self.judged_s += judged_s


def run(
    requests: int,
    kills: int,
    seed: int,
    tell: Tell,
    *,
    size: Size = LARGE,
    sabotage: Sequence[str] = (),
) -> Evidence:
    """That many requests and ``kill -9``, in rounds; what was broken, as sentences."""
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)  # of its pool, while nobody is there
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # lines that were cut
    logging.getLogger("headstart").setLevel(logging.ERROR)  # the sandbox is one
    began_s = time.monotonic()
    total, violations = asyncio.run(_run(requests, kills, seed, tell, size, sabotage))
    wall_s = time.monotonic() - began_s
    return Evidence(
        part="monkey",
        seeds=f"{seed} to {seed + total.rounds - 1}",
        figures=_figures(total, wall_s),
        violations=violations,
        wall_s=wall_s,
        command=f"python -m headstart.lab.chaos --requests {requests} --kills {kills}"
        f" --seed {seed}",
        commit=this_commit(),
        machine=this_machine(),
    )


async def _run(
    requests: int, kills: int, seed: int, tell: Tell, size: Size, sabotage: Sequence[str]
) -> tuple[Run, list[str]]:
    rounds = max(1, round(requests / size.requests))
    total, violations = Run(), list[str]()
    async with a_house() as house:
        for number in range(rounds):
            share = replace(size, requests=_share(requests, rounds, number))
            habits = _habits(seed + number, share, _share(kills, rounds, number), sabotage)
            report = await play(house, seed + number, share, habits)
            began_s = time.perf_counter()
            verdicts = judge(report.history)
            total.add(report, time.perf_counter() - began_s)
            broken = list(_sentences(verdicts))
            violations += broken
            for words in (_line(number, rounds, report, verdicts, total.judged_s), *broken):
                tell(words)
    return total, violations


def _share(whole: int, parts: int, number: int) -> int:
    return whole * (number + 1) // parts - whole * number // parts


def _habits(seed: int, size: Size, kills: int, sabotage: Sequence[str]) -> Habits:
    expected_s = size.requests / size.per_s
    short = expected_s < OUTAGES_EVERY_S[1]
    return Habits(
        kills=kills,
        kill_every_s=expected_s / (kills + 1),
        outages_min=2 if short else 1,
        outages_max=2 if short else OUTAGES_MAX,
        outages_every_s=OUTAGES_SOON_S if short else OUTAGES_EVERY_S,
        pauses_backends=Random(seed).random() < 0.3,
        sabotage=sabotage,
    )


@asynccontextmanager
async def a_house() -> AsyncIterator[House]:
    """PostgreSQL with a database to copy, and a nursery of servers."""
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(scratch_directory())
        warm = await stack.enter_async_context(nursery(server_environment({})))
        database = Database(directory)
        stack.push_async_callback(database.stop)
        await database.start()
        template = database.address_of(TEMPLATE)
        await migrate(template)
        await witness.install(template)
        yield House(directory, database, warm, TEMPLATE)


def _sentences(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """The first few of each kind."""
    told = Counter[str]()
    for verdict in verdicts:
        told[verdict.finding.invariant] += 1
        if told[verdict.finding.invariant] <= VIOLATIONS_OF_A_KIND:
            yield str(verdict)


def _line(
    number: int, rounds: int, report: Report, verdicts: Sequence[Verdict], judged_s: float
) -> str:
    counts, history = report.counts, report.history
    return (
        f"round {number + 1} of {rounds}, seed {history.seed}: {len(history.final):,} requests in"
        f" {report.faulty_s:.0f} s with faults, {counts['kills']} kills,"
        f" {counts['database restarts']} database restarts,"
        f" {counts['lost commit answers']} lost commits; calm after {report.calm_s:.1f} s,"
        f" at rest after {report.calm_s + report.liveness_s:.1f} s;"
        f" {len(verdicts)} broken promises; judged in {judged_s:.1f} s"
    )


FIGURES = (
    "paid",
    "attempts",
    "ok",
    "fail",
    "unknown",
    "frames",
    "sights judged",
    "webhooks",
    "webhooks refused",
    "webhook answers lost",
    "capture",
    "cancel",
    "refund",
    "kills",
    "lives",
    "database restarts",
    "lost commit answers",
    "pauses",
    "database pauses",
    "clock steps",
    "streams broken",
    "streams begun anew",
    "not sent",
    "no answer",
    "answered 401",
    "answered 500",
    "answered 503",
)


def _figures(total: Run, wall_s: float) -> dict[str, int | float | str]:
    counts = total.counts or Counter()
    return {
        "rounds": total.rounds,
        "session requests": total.requests,
        "operations": total.operations,
        **{name: counts[name] for name in FIGURES},
        "requests per second with faults": round(total.requests / max(total.faulty_s, 0.1), 1),
        "requests per second in all": round(total.requests / wall_s, 1),
        "slowest to work off what was dammed up, s": round(total.slowest_calm_s, 1),
        "slowest liveness, s": round(total.slowest_liveness_s, 1),
        "latest this machine was, s": round(total.late_s, 2),
        "judged, s": round(total.judged_s, 1),
    }
