"""The process that plays all listeners, and what it has to say of a broadcast."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.cpu import CpuMeter
from bench.figures import percentile
from bench.peers import environment
from bench.sockets.houses import Standing
from bench.sockets.servers import EVENT

SETTLE_S = 0.5  # between two broadcasts: the answers to pings are out, too


@dataclass(frozen=True, slots=True)
class Heard:
    """One broadcast, in milliseconds since it began; and what it cost in computing."""

    p50: float
    p99: float
    last: float
    server_cpu: float
    listener_cpu: float
    sample: str


class People:
    """The process that plays everybody."""

    def __init__(self, process: "subprocess.Popen[str]", standing: Standing) -> None:
        self._process = process
        self._ready = standing.ready
        self._cpu = CpuMeter([standing.pid])

    def come(self, hellos: Sequence[str]) -> float:
        """Until all are in; answers with how long it took (seconds)."""
        self._say("connect", hellos=hellos, ready=self._ready)
        spent_s: float = self._answer()["spent_s"]
        time.sleep(SETTLE_S)
        return spent_s

    def add_one_who_never_reads(self, hello: str) -> None:
        """With the smallest buffers there are."""
        self._say("stall", hello=hello, ready=self._ready)
        self._answer()

    def hear(self, standing: Standing, *, settle_s: float = SETTLE_S) -> Heard:
        """Everybody, once."""
        self._say("listen")
        self._answer()
        before_s = self._cpu.read().server_s
        began_s = standing.tell()
        answer = self._answer()
        time.sleep(settle_s)
        heard_s = [at_s - began_s for at_s in answer["heard_s"]]
        return Heard(
            p50=percentile(heard_s, 0.50) * 1e3,
            p99=percentile(heard_s, 0.99) * 1e3,
            last=heard_s[-1] * 1e3,
            server_cpu=(self._cpu.read().server_s - before_s) * 1e3,
            listener_cpu=answer["worked_s"] * 1e3,
            sample=answer["sample"],
        )

    def _say(self, what: str, **more: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **more}) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the listeners' process ended by itself")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise TimeoutError(answer["error"])
        return answer


@contextmanager
def people(standing: Standing) -> Iterator[People]:
    """Nobody has come yet."""
    program = [sys.executable, "-m", "bench.sockets.listeners"]
    with subprocess.Popen(
        [*program, str(standing.port), standing.path, EVENT],
        cwd=environment.ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield People(process, standing)
        finally:
            process.kill()
