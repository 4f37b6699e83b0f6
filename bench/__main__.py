"""``python -m bench [names…]``: run benchmarks and show tables; JSON, picture and page if asked."""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

from bench.accept import accept
from bench.contention import contention
from bench.deadlines import lateness, sweep
from bench.distance import distance
from bench.figures import Result
from bench.growth import growth
from bench.hot import hot
from bench.lifecycle import lifecycle
from bench.options import Options
from bench.page import put_between_the_markers
from bench.peers.line import peers
from bench.plot import picture
from bench.report import kept, show, show_surroundings, surroundings
from bench.seen import seen
from bench.sockets.line import sockets
from bench.told import told
from bench.world import server

BENCHMARKS: Mapping[str, Callable[[str, Options], Awaitable[Result]]] = {
    "accept": accept,
    "lifecycle": lifecycle,
    "distance": distance,
    "hot": hot,
    "contention": contention,
    "sweep": sweep,
    "lateness": lateness,
    "growth": growth,
    "told": told,
    "seen": seen,
    "sockets": sockets,
    "peers": peers,
}


ALL = "all"


def main() -> None:
    """Everything, or what was named; or only the picture and the page of an earlier run."""
    arguments = _arguments()
    document = json.loads(arguments.read.read_text()) if arguments.read else _measured(arguments)
    if arguments.plot:
        arguments.plot.write_text(picture(document))
    if arguments.page:
        drawn = os.path.relpath(arguments.plot, arguments.page.parent) if arguments.plot else None
        put_between_the_markers(arguments.page, document, drawn)


def _measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """The JSON is written after each benchmark: what comes later cannot lose it. What the file
    holds of benchmarks that are not run now stays there."""
    options = Options(arguments.repeat, arguments.scale, arguments.crowd)
    console = Console(width=max(140, Console().width))
    names = BENCHMARKS if ALL in (arguments.names or [ALL]) else arguments.names
    with (
        server() as dsn,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,  # as the service runs
    ):
        around = runner.run(surroundings(dsn, options))
        show_surroundings(console, around)
        there = arguments.json is not None and arguments.json.exists()
        document = json.loads(arguments.json.read_text()) if there else {"benchmarks": []}
        for name in names:
            began = time.monotonic()
            result = runner.run(_run(name, dsn, options))
            show(console, result)
            console.print(f"{name} took {time.monotonic() - began:.0f} s", style="dim")
            measured = {**result.as_json(), "surroundings": around}
            document["benchmarks"] = kept(document["benchmarks"], measured, list(BENCHMARKS))
            if arguments.json:
                arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    return document


async def _run(name: str, dsn: str, options: Options) -> Result:
    return await BENCHMARKS[name](dsn, options)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    known = [ALL, *BENCHMARKS]
    parser.add_argument("names", nargs="*", choices=[*known, []], help="which; all by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw them as SVG")
    parser.add_argument("--page", type=Path, metavar="FILE", help="put the tables on this page")
    parser.add_argument("--read", type=Path, metavar="FILE", help="no run: the JSON of another")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="repetitions")
    parser.add_argument("--scale", type=float, default=1.0, help="less than 1: only see it run")
    parser.add_argument("--crowd", type=int, default=1000, help="how many accept in 'hot'")
    return parser.parse_args()


if __name__ == "__main__":
    main()
