"""An event loop whose time jumps to the next thing to do. One seed, one story, every time."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from types import coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

Callback = Callable[..., Any]
Nap = Callable[..., Awaitable[None]]


class Deadlock(Exception):
    """Everybody waits and nothing will ever happen."""


class _Call(list[Any]):
    """Something to call, with its arguments, and no more than that."""

    __slots__ = ()

    def cancel(self) -> None:
        """And let go of what it holds."""
        self[:] = None, ()


class _Life(asyncio.Task[Any]):
    """A task that can be cancelled while it naps: nobody else could wake it."""

    def cancel(self, msg: Any = None) -> bool:
        """As ever; and one that waits for no future may be napping."""
        cancelled = super().cancel(msg)
        loop = self.get_loop()
        waits_for_nobody = self._must_cancel  # type: ignore[attr-defined]  # not in the stubs
        if cancelled and waits_for_nobody and isinstance(loop, VirtualLoop):
            loop.wake(self)
        return cancelled


class VirtualLoop(asyncio.BaseEventLoop):
    """Time is a number. There are no sockets, so there is nothing to wait for but time.

    A fifth of a story's cost is this loop, so it does only what a story needs: no contexts, and no
    future for a nap. A task keeps its own errors; an error in any other callback ends the story.
    """

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._calls: deque[_Call] = deque()
        self._timers: list[tuple[float, int, _Call]] = []
        self._numbers = count()  # of two timers for one instant, the older comes first
        self._nap_s: float | None = None  # of the task that is about to yield
        self._stopped = False

    def time(self) -> float:
        """Seconds since the beginning of the story."""
        return self._now_s

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, Result], *, name: Any = None, context: Context | None = None
    ) -> "asyncio.Task[Result]":
        """One that can nap."""
        return _Life(coro, loop=self, name=name, context=context)

    def call_soon(  # type: ignore[override]
        self, callback: Callback, *args: Any, context: Context | None = None
    ) -> _Call:
        """After everything that was to be called before; a task that naps, after its nap."""
        call = _Call((callback, args))
        if self._nap_s is None:
            self._calls.append(call)
        else:
            heappush(self._timers, (self._now_s + self._nap_s, next(self._numbers), call))
            self._nap_s = None
        return call

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callback, *args: Any, context: Context | None = None
    ) -> _Call:
        """There is one thread."""
        return self.call_soon(callback, *args)

    def call_at(  # type: ignore[override]  # nobody asks a timer when it is due
        self, when: float, callback: Callback, *args: Any, context: Context | None = None
    ) -> _Call:
        """At this time, once nothing more is to be done before it."""
        call = _Call((callback, args))
        heappush(self._timers, (when, next(self._numbers), call))
        return call

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callback, *args: Any, context: Context | None = None
    ) -> _Call:
        """After so many seconds."""
        return self.call_at(self._now_s + delay, callback, *args)

    @coroutine
    def nap(self, seconds: float, error: Exception | None = None) -> Generator[None, None, None]:
        """A task that yields nothing is called again soon: here, after so many seconds."""
        self._nap_s = seconds
        yield
        if error is not None:
            raise error

    def wake(self, task: "asyncio.Task[Any]") -> None:
        """Call it now, if it naps."""
        for _, _, call in self._timers:
            if getattr(call[0], "__self__", None) is task:
                self._calls.append(_Call(call))
                call.cancel()

    def stop(self) -> None:
        """After what is being called now."""
        super().stop()
        self._stopped = True

    def _run_once(self) -> None:
        """Everything, until somebody says stop; asked by ``run_forever``."""
        self._stopped, calls = False, self._calls
        while not self._stopped:
            if not calls:
                self._jump()
            callback, arguments = calls.popleft()
            if callback is not None:
                callback(*arguments)

    def _jump(self) -> None:
        """To the next instant in which something happens, and to all that happens in it."""
        timers = self._timers
        while timers and timers[0][2][0] is None:
            heappop(timers)
        if not timers:
            raise Deadlock
        when, _, call = heappop(timers)
        self._calls.append(call)
        if when > self._now_s:
            self._now_s = when
        while timers and timers[0][0] <= self._now_s:
            self._calls.append(heappop(timers)[2])


async def _nap(seconds: float, error: Exception | None = None) -> None:
    await asyncio.sleep(seconds)
    if error is not None:
        raise error


def napping() -> Nap:
    """``asyncio.sleep`` on this loop, for the many short ones of a story; one may end with an
    error."""
    loop = asyncio.get_running_loop()
    return loop.nap if isinstance(loop, VirtualLoop) else _nap


def run_in_virtual_time(story: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end, as fast as the machine can think."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story)
