"""What a piece of work computed, on both sides of the socket: steadier than the wall clock."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Cpu(NamedTuple):
    """Seconds of computing: in this process, and in the server processes that serve it."""

    client_s: float
    server_s: float


class CpuMeter:
    """Reads both. Without what all of the server shares: writer of the log, checkpointer, vacuum.

    The server's part needs Linux; elsewhere it stays zero.
    """

    def __init__(self, processes: Iterable[int] = ()) -> None:
        files = [Path(f"/proc/{pid}/schedstat") for pid in processes]
        self._files = [file for file in files if file.exists()]

    def read(self) -> Cpu:
        """Since some moment in the past."""
        served_ns = sum(int(file.read_text().split()[0]) for file in self._files)
        return Cpu(time.process_time(), served_ns / 1e9)
