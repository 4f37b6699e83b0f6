"""``python -m bench.peers.libraries NAME client|work ADDRESS default|tuned [FILE]``.

A client reads commands from its standard input, one JSON object in a line, and answers each in a
line. A worker works until it is killed and notes in FILE what it fires.
"""

import asyncio
import inspect
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from bench.peers.libraries import Fired


def main(name: str, role: str, address: str, setting: str, *file: str) -> None:
    """Until the input ends, or for ever."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not look like an answer
    library = import_module(f"bench.peers.libraries.{name}")
    tuned = setting == "tuned"
    if role == "work":
        work = library.work(address, tuned, Fired(Path(file[0])))
        if inspect.isawaitable(work):
            run(work)
    else:
        run(_serve(library, address, tuned, answers))


def run(work: Any) -> None:
    """On the faster loop where there is one, as each of them may be used."""
    try:
        factory = import_module("uvloop").new_event_loop
    except ModuleNotFoundError:
        factory = None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work)


async def _serve(library: Any, address: str, tuned: bool, answers: TextIO) -> None:
    async with library.client(address, tuned) as timers:
        for line in sys.stdin:
            command = json.loads(line)
            began = time.perf_counter()
            if command["do"] == "arm":
                todo = list(zip(command["keys"], command["due_s"], strict=True))
                await _spread(timers.arm, todo, command["clients"])
            elif command["do"] == "cancel":
                await _spread(
                    timers.cancel, [(key,) for key in command["keys"]], command["clients"]
                )
            print(json.dumps({"spent_s": time.perf_counter() - began}), file=answers, flush=True)


async def _spread(act: Callable[..., Any], todo: Sequence[Sequence[Any]], clients: int) -> None:
    """So many at work at a time, each one after another: tasks, or threads where it blocks."""
    if inspect.iscoroutinefunction(act):
        queue = iter(todo)
        await asyncio.gather(*(_one_client(act, queue) for _ in range(clients)))
        return
    with ThreadPoolExecutor(clients) as threads:
        shares = [todo[start::clients] for start in range(clients)]
        list(threads.map(lambda share: [act(*one) for one in share], shares))


async def _one_client(act: Callable[..., Any], queue: Iterator[Sequence[Any]]) -> None:
    for one in queue:
        await act(*one)


if __name__ == "__main__":
    main(*sys.argv[1:])
