"""One library in the contest: its programs, and the measures taken from outside."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.figures import percentile
from bench.peers import environment

ARMED = {1: 200, 16: 800}  # by the number of clients
WARM_UP = 50
DUE_AT_ONCE = 5_000
SPREAD_PER_S = 100
SPREAD_S = 3.0
KILLED = 2_000
START_S = 3.5  # a worker has started, read what is armed and gone to sleep
PAUSE_S = 0.5  # between the last of the spread and those at once
SLACK = 1.25  # arming may be so much slower than it was a moment ago
PATIENCE_S = 60.0
WATCHED_S = 40.0  # after the kill
LOOK_S = 0.001
SETTLE_S = 0.5  # what is done is also acknowledged, and is not done again by the next worker
END_PATIENCE_S = 5.0
FAR_S = 24 * 3600.0
ATTEMPTS = 3
CLOCKS_APART_S = 0.001  # the server's and ours are one machine's


@dataclass(frozen=True, slots=True)
class Contestant:
    """A library in one setting. ``tuned`` is as tight as its own options go."""

    name: str
    library: str
    tuned: bool = False
    needs_redis: bool = False

    @property
    def is_ours(self) -> bool:
        """It needs the service's own environment."""
        return self.library == "ours"

    @property
    def label(self) -> str:
        """In tables."""
        return f"{self.name}, tuned" if self.tuned else self.name


@dataclass(slots=True)
class Stand:
    """A contestant with a store of its own and a client that waits for orders."""

    contestant: Contestant
    address: str
    directory: Path
    client: "subprocess.Popen[str]"
    scale: float
    _next_key: int = 1
    _files: int = field(default=0)

    def arming(self) -> dict[str, float]:
        """Timers armed and cancelled in a second."""
        keys, _ = self._arm([time.time() + FAR_S] * WARM_UP, clients=max(ARMED))
        figures = {}
        for clients, number in ARMED.items():
            keys, spent_s = self._arm([time.time() + FAR_S] * self._scaled(number), clients=clients)
            figures[f"arm_{clients}_per_s"] = len(keys) / spent_s
        spent_s = self._ask("cancel", keys=list(keys), clients=max(ARMED))
        figures[f"cancel_{max(ARMED)}_per_s"] = len(keys) / spent_s
        return figures

    def firing(self, arms_per_s: float) -> dict[str, float]:
        """Some over a while, then many in one instant; how late is each, and when the last?"""
        few = round(SPREAD_PER_S * max(0.2, SPREAD_S * self.scale))
        due = self._armed_in_time(few, self._scaled(DUE_AT_ONCE), arms_per_s)
        keys, at_once_s = range(min(due), max(due) + 1), max(due.values())
        with self._working() as file:
            _wait_for(file, keys, len(keys), until_s=at_once_s + PATIENCE_S)
            time.sleep(SETTLE_S)
            fired = _read(file)
        late_s = [fired[key][0] - due[key] for key in keys[:few] if key in fired]
        ends_s = [fired[key][0] - at_once_s for key in keys[few:] if key in fired]
        if not late_s or not ends_s:
            raise RuntimeError(f"{self.contestant.label} fired nothing: {_tail(self._log)}")
        assert min(*late_s, *ends_s) > -CLOCKS_APART_S, "one was fired too early"
        return {
            "all_fired_s": max(ends_s),
            "late_p50_ms": percentile(late_s, 0.50) * 1e3,
            "late_p99_ms": percentile(late_s, 0.99) * 1e3,
            **_exactly_once(keys, fired),
        }

    def _armed_in_time(self, few: int, number: int, arms_per_s: float) -> dict[int, float]:
        """Due times by key. The first is so far away that a worker can still start; where arming
        took longer than it did a moment ago, everything is cancelled and armed once more."""
        for attempt in range(1, ATTEMPTS + 1):
            lead_s = (few + number) / arms_per_s * SLACK * attempt + START_S
            first_s = time.time() + lead_s
            spread = [first_s + index / SPREAD_PER_S for index in range(few)]
            due_s = [*spread, *[spread[-1] + PAUSE_S] * number]
            keys, _ = self._arm(due_s, clients=max(ARMED))
            if time.time() < first_s - START_S * 0.8:
                time.sleep(max(0.0, first_s - START_S - time.time()))
                return dict(zip(keys, due_s, strict=True))
            self._ask("cancel", keys=list(keys), clients=max(ARMED))
        raise TimeoutError(f"{self.contestant.label} arms too slowly")

    def killed(self) -> dict[str, float]:
        """Kill the worker when half are fired, start another, and see what becomes of the rest."""
        number = self._scaled(KILLED)
        due_s = time.time() + number / 300 + START_S
        keys, _ = self._arm([due_s] * number, clients=max(ARMED))
        with self._working() as file:
            _wait_for(file, keys, number // 2, until_s=due_s + PATIENCE_S)
        before = len(_read(file).keys() & set(keys))
        restarted_s = time.time()
        with self._working(file):
            _wait_for(file, keys, number, until_s=restarted_s + WATCHED_S)
            fired = _read(file)
        once = _exactly_once(keys, fired)
        last_s = time.time() if once["missing"] else max(fired[key][0] for key in keys)
        watched_s = max(0.0, last_s - restarted_s)
        return {"fired_before_kill": before, "watched_s": watched_s, **once}

    def _scaled(self, number: int) -> int:
        return max(20, round(number * self.scale))

    def _arm(self, due_s: Sequence[float], *, clients: int) -> tuple[range, float]:
        keys = range(self._next_key, self._next_key + len(due_s))
        self._next_key = keys.stop
        return keys, self._ask("arm", keys=list(keys), due_s=list(due_s), clients=clients)

    def _ask(self, what: str, **more: Any) -> float:
        assert self.client.stdin is not None
        assert self.client.stdout is not None
        print(json.dumps({"do": what, **more}), file=self.client.stdin, flush=True)
        answer = self.client.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.contestant.label} ended: {_tail(self._log)}")
        spent_s: float = json.loads(answer)["spent_s"]
        return spent_s

    @property
    def _log(self) -> Path:
        return self.directory / "log"

    @contextmanager
    def _working(self, file: Path | None = None) -> Iterator[Path]:
        """A worker in a process group of its own, killed at the end with all its children."""
        self._files += 1
        file = file or self.directory / f"fired-{self._files}"
        file.touch()
        worker = start(self.contestant, "work", self.address, self.directory, str(file))
        try:
            yield file
            assert worker.poll() is None, f"the worker ended: {_tail(self._log)}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


@contextmanager
def stand(contestant: Contestant, address: str, directory: Path, scale: float) -> Iterator[Stand]:
    """Put it up on an empty store."""
    directory.mkdir()
    with start(contestant, "client", address, directory) as client:
        try:
            yield Stand(contestant, address, directory, client, scale)
        finally:
            assert client.stdin is not None
            client.stdin.close()
            try:
                client.wait(END_PATIENCE_S)
            except subprocess.TimeoutExpired:
                client.kill()


def start(
    contestant: Contestant, role: str, address: str, directory: Path, *more: str
) -> "subprocess.Popen[str]":
    """One of its two programs."""
    python = sys.executable if contestant.is_ours else str(environment.PYTHON)
    setting = "tuned" if contestant.tuned else "default"
    program = [python, "-m", "bench.peers.libraries", contestant.library, role, address, setting]
    with (directory / "log").open("a") as log:
        return subprocess.Popen(
            [*program, *more],
            cwd=environment.ROOT,
            stdin=subprocess.PIPE if role == "client" else subprocess.DEVNULL,
            stdout=subprocess.PIPE if role == "client" else log,
            stderr=log,
            text=True,
            start_new_session=True,
        )


def _wait_for(file: Path, keys: range, number: int, *, until_s: float) -> None:
    """Until so many of the keys are there, or the patience ends. Others may come once more."""
    fired: set[int] = set()
    rest = b""
    with file.open("rb") as reading:
        while len(fired) < number and time.time() < until_s:
            *lines, rest = (rest + reading.read()).split(b"\n")
            fired.update(key for line in lines if (key := int(line.split()[0])) in keys)
            if not lines:
                time.sleep(LOOK_S)


def _read(file: Path) -> dict[int, list[float]]:
    """When each key was fired, and fired again."""
    fired: dict[int, list[float]] = {}
    for line in file.read_text().splitlines():
        key, at_s = line.split()
        fired.setdefault(int(key), []).append(float(at_s))
    return fired


def _exactly_once(keys: Sequence[int], fired: dict[int, list[float]]) -> dict[str, float]:
    times = Counter(min(2, len(fired.get(key, ()))) for key in keys)
    return {"missing": float(times[0]), "twice": float(times[2])}


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])
