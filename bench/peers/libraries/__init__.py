"""One module for each library. Each has ``client``, which arms and cancels, and ``work``.

A timer has a number for a key. ``arm`` has made it durable, as far as the library can, when it
returns. ``work`` calls ``fired`` with the key when the time has come, and does nothing else.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path


class Fired:
    """Notes what was fired when, so that a kill in the next instant does not unmake it."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def __call__(self, *keys: int) -> None:
        """One line for each: the key and the time."""
        self.all(keys)

    def all(self, keys: Iterable[int]) -> None:
        """Several, at the same time."""
        now = time.time()
        os.write(self._file, "".join(f"{key} {now:.6f}\n" for key in keys).encode())
