"""The line ``sockets``: 10,000 listeners at one node, beside what a team would pick; and one of
1,000 who does not read.
"""

import asyncio
import json
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.figures import Result, Tally, Verdict
from bench.options import Options
from bench.peers import environment
from bench.sockets.houses import BARE, NODE, OTHERS, House, Payload, Standing, ours
from bench.sockets.people import SETTLE_S, People, people

LISTENERS = 10_000
BROADCASTS = 5  # the middle one counts
WARM_UP = 2
FILES = 19_000  # open at once, for a server and for the listeners
BAR = 0.8
TOLD_BAR_MS = 250.0

READERS = 1_000
FILLING = 250  # news that nobody reads: more than all buffers on the way take
MEASURED = 60
CUT_AFTER_MAX = 1_500
CUT = 'headstart_socket_ends_total{reason="too_slow"}'
STALLED_BAR = 1.1

OURS = "ours"
CROWDED = f"{LISTENERS:,} listeners"
READING, STALLED = "all of them read", "one more never reads"
SLOW = f"{READERS:,} listeners, ours"


async def sockets(dsn: str, options: Options) -> Result:
    """Everybody in turn, each repetition on servers of its own."""
    return await asyncio.to_thread(_sockets, dsn, options)


def _sockets(dsn: str, options: Options) -> Result:
    result = Result("sockets", "So many listen at one node: when has the last one heard it?")
    environment.make()
    if NODE.missing is None:
        environment.make_node()
    others = [one for one in OTHERS if one.missing is None]
    result.notes += [
        f"NOT RUN: {one.name}, since there is no {one.missing}" for one in OTHERS if one.missing
    ]
    result.notes += [
        "ours: from the event's time in the log, which is before its commit; it is committed, read"
        " from PostgreSQL, judged for each listener, written and pinged for a receipt",
        "the others: from the call that tells the room; nothing is stored, judged or acknowledged",
        "listener cpu: of the process that plays them all, until the last has heard it; bare"
        " sockets show how fast it can be",
    ]
    tally = crowd(dsn, [BARE, *others], options)
    result.rows = tally.rows()
    result.verdicts = _verdicts(tally, others)
    slow = slow_reader(dsn, options)
    result.rows += slow.rows()
    ratio = slow.figure(SLOW, STALLED, "p99_ms").over(slow.figure(SLOW, READING, "p99_ms"))
    what = f"p99 of the others, one never reads / all read, {READERS:,} listeners"
    result.verdicts.append(Verdict(what, ratio, STALLED_BAR))
    return result


def crowd(dsn: str, others: Sequence[House], options: Options) -> Tally:
    """How they come in, what they weigh, and when the last one has heard it."""
    tally, number = Tally(), options.scaled(LISTENERS)
    with files():
        for _ in range(options.repeat):
            with ours(dsn, number) as standing:
                figures, payload = _crowd(standing)
                tally.add(CROWDED, OURS, **figures)
            for house in others:
                with house.open(payload, number) as standing:
                    figures, _ = _crowd(standing)
                    tally.add(CROWDED, house.name, **figures)
    return tally


def _crowd(standing: Standing) -> tuple[dict[str, float], Payload]:
    before_kb, number = _resident_kb(standing.pid), len(standing.hellos)
    with people(standing) as listeners:
        spent_s = listeners.come(standing.hellos)
        weight_kb = _resident_kb(standing.pid) - before_kb
        told = [listeners.hear(standing) for _ in range(WARM_UP + BROADCASTS)]
    counted = told[WARM_UP:]
    figures = {
        "come_in_per_s": number / spent_s,
        "memory_each_kb": weight_kb / number,
        **{
            f"{name}_ms": median(getattr(one, name) for one in counted)
            for name in ("p50", "last", "server_cpu", "listener_cpu")
        },
    }
    return figures, json.loads(told[0].sample)[4]["payload"] if standing.stage else {}


def slow_reader(dsn: str, options: Options) -> Tally:
    """What everybody else notices of one who reads nothing, from when all buffers between are full
    until the server cuts it off, which it must."""
    tally, number = Tally(), options.scaled(READERS)
    measured = min(MEASURED, options.scaled(MEASURED))
    with files(), ours(dsn, number + options.repeat) as standing, people(standing) as listeners:
        assert standing.stage is not None
        listeners.come(standing.hellos[:number])
        for _ in range(WARM_UP):
            listeners.hear(standing)
        for repetition in range(options.repeat):
            tally.add(SLOW, READING, **_p99(listeners, standing, measured))
            listeners.add_one_who_never_reads(standing.hellos[number + repetition])
            for _ in range(FILLING):
                listeners.hear(standing, settle_s=0)
            tally.add(SLOW, STALLED, **_p99(listeners, standing, measured))
            assert _cut(standing) == repetition, "it was cut before it was measured"
            news = 0
            while _cut(standing) == repetition:
                news += 1
                assert news < CUT_AFTER_MAX, "it is never cut: what waits for it is not bounded"
                listeners.hear(standing, settle_s=0)
    return tally


def _p99(listeners: "People", standing: Standing, number: int) -> dict[str, float]:
    told = [listeners.hear(standing, settle_s=SETTLE_S / 10) for _ in range(number)]
    return {f"{name}_ms": median(getattr(one, name) for one in told) for name in ("p50", "p99")}


def _cut(standing: Standing) -> int:
    assert standing.stage is not None
    lines = standing.stage.metrics().splitlines()
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(CUT))


def _verdicts(tally: Tally, others: Sequence[House]) -> list[Verdict]:
    mine = tally.figure(CROWDED, OURS, "last_ms")
    figures = {one.name: tally.figure(CROWDED, one.name, "last_ms") for one in others}
    best = min(figures, key=lambda name: figures[name].middle)
    return [
        *(
            Verdict(
                f"until the last has heard it: ours / {name}",
                mine.over(theirs),
                BAR if name == best else None,
            )
            for name, theirs in figures.items()
        ),
        Verdict(f"ours: decided to the last of {CROWDED}, ms", mine, TOLD_BAR_MS),
    ]


@contextmanager
def files() -> Iterator[None]:
    """Room for as many sockets, in the programs that are started here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, FILES), hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _resident_kb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("VmRSS")))
