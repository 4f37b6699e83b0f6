"""A warm process that servers are forked from: they start in an instant, and are killed for real.

What is saved is the reading of some hundred modules, two seconds of it for each life. From there on
a child is ``headstart serve`` like any other: its own process, environment, log and connections.
What the lab does to a child before it begins is done here, so that the service has no switch for
any of it: its clock may step, a sabotage may be committed, and its end may be foretold.

One order on each line of standard input, as JSON; the answer is the child's process id. When the
input ends, so do all children.
"""

import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import headstart.command_line
import headstart.lab.chaos.fate
import headstart.lab.chaos.sabotage
import headstart.serving

LEASE_S = 3.0
WAIT_S_MAX = 2.0

Order = dict[str, Any]


def main() -> None:
    """Until nobody gives orders any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the lab's affair
    children = []
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _live(json.loads(line))
        children.append(pid)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _live(order: Order) -> None:
    """The child's whole life."""
    for number in (signal.SIGCHLD, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, place in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, place)
    os.chdir(Path(order["log"]).parent)  # the caller's .env is none of ours
    os.environ.clear()
    os.environ.update(order["environment"])
    random.seed()
    status = 1
    try:
        if order["clock_step_s"]:
            _step_the_clock(order["clock_step_s"], order["steps_after_s"])
        if order["sabotage"]:
            headstart.lab.chaos.sabotage.commit(order["sabotage"])
        if order["hasty"]:
            _make_haste()
        if order["fate"]:
            headstart.lab.chaos.fate.await_the_end(**order["fate"])
        sys.argv = ["headstart", "serve"]
        headstart.command_line.main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(status)


def _make_haste() -> None:
    """What a dead process had taken is soon taken by another. A lease may be shorter than the pause
    of a process, so that now and then two do the same: that has to be harmless, too."""
    headstart.app.cashier.LEASE = timedelta(seconds=LEASE_S)
    headstart.app.cashier.WAIT_MAX = timedelta(seconds=WAIT_S_MAX)


def _step_the_clock(by_s: float, after_s: float) -> None:
    """From some moment on this process is told another time: by ``time``, which the service and
    what it is made of ask, and by the ``datetime`` of those who check tokens."""
    real, real_ns, at_s = time.time, time.time_ns, time.monotonic() + after_s

    def offset_s() -> float:
        return by_s if time.monotonic() >= at_s else 0.0

    class Stepped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Stepped":
            return cls.fromtimestamp(real(), tz) + timedelta(seconds=offset_s())

    time.time = lambda: real() + offset_s()
    time.time_ns = lambda: real_ns() + int(offset_s() * 1e9)
    vars(sys.modules["jwt.api_jwt"])["datetime"] = Stepped


if __name__ == "__main__":
    main()
