"""A Redis of our own for Celery: on a socket in a directory that goes away."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROGRAM = "redis-server"
PATIENCE_S = 10.0
NOT_RUN = f"NOT RUN: Celery, since there is no {PROGRAM} (Debian: apt-get install redis-server)"

AS_IT_COMES: Sequence[str] = ()
DURABLE = ("--appendonly", "yes")  # flushed every second, as its documentation recommends


def is_there() -> bool:
    """Is it installed?"""
    return shutil.which(PROGRAM) is not None


@contextmanager
def redis(options: Sequence[str]) -> Iterator[str]:
    """The address for Celery of a fresh, empty server."""
    with tempfile.TemporaryDirectory(prefix="hs-redis-", dir="/var/tmp") as made:
        door = Path(made) / "socket"
        place = ["--port", "0", "--unixsocket", str(door), "--dir", made, "--daemonize", "no"]
        server = subprocess.Popen([PROGRAM, *place, *options], stdout=subprocess.DEVNULL)
        try:
            give_up_at = time.monotonic() + PATIENCE_S
            while not door.exists():
                assert time.monotonic() < give_up_at, "Redis does not start"
                time.sleep(0.01)
            yield f"redis+socket://{door}"
        finally:
            server.terminate()
            server.wait()
