"""The same accepts with a network in between: every trip to the database costs a round trip."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from bench.accept import HAND_WRITTEN, OURS, SINGLE, VARIANTS, contest, repetition
from bench.figures import Result, Tally, Verdict
from bench.options import Options
from bench.report import ROOT
from bench.world import connect, world

ONE_WAY_S = 0.00025  # half a millisecond there and back: another machine in the same town
ACCEPTS = 200
PINGS = 50
PATIENCE_S = 10.0
CONTENDERS = {name: VARIANTS[name] for name in (OURS, HAND_WRITTEN, SINGLE)}


async def distance(dsn: str, options: Options) -> Result:
    """One client, on a server that is a little way off."""
    tally = Tally()
    async with world(dsn) as place:
        await place.open_requests(1)
        with far_away(place.dsn) as far:
            result = Result("distance", "What does one accept cost over a network?")
            result.notes.append(f"a round trip takes {await _round_trip_ms(far):.2f} ms here")
            async with contest(place, CONTENDERS, 1, dsn=far) as runs:
                for _ in range(options.repeat):
                    await repetition(place, runs, options.scaled(ACCEPTS))
                    for run in runs:
                        tally.add("1 client", run.variant, **run.figures())
    result.rows = tally.rows()
    for rival, bar in ((HAND_WRITTEN, 1.0), (SINGLE, 2.0)):
        mine, theirs = (tally.figure("1 client", name, "cost_us") for name in (OURS, rival))
        result.verdicts.append(Verdict(f"cost of ours / {rival}", mine.over(theirs), bar))
    return result


async def _round_trip_ms(dsn: str) -> float:
    connection = await connect(dsn)
    try:
        await connection.fetchval("select 1")
        began = time.perf_counter()
        for _ in range(PINGS):
            await connection.fetchval("select 1")
        return (time.perf_counter() - began) / PINGS * 1e3
    finally:
        await connection.close()


@contextmanager
def far_away(dsn: str) -> Iterator[str]:
    """An address that leads to the same server, but by a wire that takes its time."""
    address = urlsplit(dsn)
    server = Path(parse_qs(address.query)["host"][0]) / ".s.PGSQL.5432"
    with tempfile.TemporaryDirectory(prefix="hs-") as made:
        door = Path(made) / server.name
        wire = [sys.executable, "-m", "bench.relay", str(server), str(door), str(ONE_WAY_S)]
        relay = subprocess.Popen(wire, cwd=ROOT)
        try:
            _wait_for(door)
            yield urlunsplit(address._replace(query=f"host={quote(made)}&port=5432"))
        finally:
            relay.terminate()
            relay.wait()


def _wait_for(door: Path) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while not door.exists():
        assert time.monotonic() < give_up_at, "the relay does not start"
        time.sleep(0.01)
