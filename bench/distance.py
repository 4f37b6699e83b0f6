"""The same accepts with a network in between: every trip to the database costs a round trip."""

import multiprocessing
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from bench.accept import HAND_WRITTEN, OURS, SINGLE, VARIANTS, contest, repetition
from bench.figures import Result, Tally, Verdict
from bench.options import Options
from bench.world import connect, world

ONE_WAY_S = 0.00025  # half a millisecond there and back: another machine in the same town
ACCEPTS = 200
PINGS = 50
CHUNK_BYTES = 65_536
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
    """An address that leads to the same server, by a process that holds everything up a little."""
    address = urlsplit(dsn)
    server = Path(parse_qs(address.query)["host"][0]) / ".s.PGSQL.5432"
    with tempfile.TemporaryDirectory(prefix="hs-") as made, socket.socket(socket.AF_UNIX) as door:
        door.bind(str(Path(made) / server.name))
        door.listen()
        relay = multiprocessing.get_context("fork").Process(
            target=_relay, args=(door, str(server)), daemon=True
        )
        relay.start()
        try:
            yield urlunsplit(address._replace(query=f"host={quote(made)}&port=5432"))
        finally:
            relay.terminate()
            relay.join()


def _relay(door: socket.socket, server: str) -> None:
    while True:
        near, _ = door.accept()
        far = socket.socket(socket.AF_UNIX)
        far.connect(server)
        for source, target in ((near, far), (far, near)):
            threading.Thread(target=_carry, args=(source, target), daemon=True).start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    while chunk := source.recv(CHUNK_BYTES):
        time.sleep(ONE_WAY_S)
        target.sendall(chunk)
    target.close()
