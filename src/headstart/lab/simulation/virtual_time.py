"""An event loop whose time jumps to the next thing to do. One seed, one story, every time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class Deadlock(Exception):
    """Everybody waits and nothing will ever happen."""


class _Jump(selectors.SelectSelector):
    """Never waits: when nothing is ready, time moves on to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """No sockets exist here, so there is never anything but time."""
        if timeout is None:
            raise Deadlock
        self.now_s += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time is a number."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Seconds since the beginning of the story."""
        return self._jump.now_s


def run_in_virtual_time(story: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end, as fast as the machine can think."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story)
