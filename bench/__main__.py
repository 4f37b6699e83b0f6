"""``python -m bench [names…]``: run benchmarks, show tables, and write JSON if asked to."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

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
from bench.peers.line import peers
from bench.report import as_json, show, show_surroundings, surroundings
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
    "peers": peers,
}


def main() -> None:
    """Everything, or what was named."""
    arguments = _arguments()
    options = Options(arguments.repeat, arguments.scale, arguments.crowd)
    console = Console(width=max(140, Console().width))
    with server() as dsn:
        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)  # as the service runs
        with runner:
            around = runner.run(surroundings(dsn, options))
            show_surroundings(console, around)
            results = []
            for name in arguments.names or BENCHMARKS:
                results.append(runner.run(_run(name, dsn, options)))
                show(console, results[-1])
    if arguments.json:
        arguments.json.write_text(as_json(around, results))


async def _run(name: str, dsn: str, options: Options) -> Result:
    return await BENCHMARKS[name](dsn, options)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which; all by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="repetitions")
    parser.add_argument("--scale", type=float, default=1.0, help="less than 1: only see it run")
    parser.add_argument("--crowd", type=int, default=1000, help="how many accept in 'hot'")
    return parser.parse_args()


if __name__ == "__main__":
    main()
