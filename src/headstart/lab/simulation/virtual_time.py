"""An event loop whose time jumps to the next thing to do. One seed, one story, every time."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from heapq import heappop, heappush
from itertools import count
from typing import Any, TypeVar

Result = TypeVar("Result")

Callback = Callable[..., Any]
Nap = asyncio.Future[None]


class Deadlock(Exception):
    """Everybody waits and nothing will ever happen."""


class _Call(asyncio.Handle):
    """Something to call, and no more than that."""

    __slots__ = ("arguments", "callback", "context")

    def __init__(
        self, callback: Callback | None, arguments: tuple[Any, ...], context: Context | None
    ) -> None:
        self.callback = callback
        self.arguments = arguments
        self.context = copy_context() if context is None else context

    def cancel(self) -> None:
        """And let go of what it holds."""
        self.callback, self.arguments = None, ()

    def cancelled(self) -> bool:
        """Whether it will not be called any more."""
        return self.callback is None


class VirtualLoop(asyncio.BaseEventLoop):
    """Time is a number. There are no sockets, so there is nothing to wait for but time.

    A third of a story's cost is this loop, so it does only what a story needs. A task keeps its own
    errors; an error in any other callback ends the story.
    """

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._calls: deque[_Call] = deque()
        self._timers: list[tuple[float, int, _Call | Nap, Exception | None]] = []
        self._numbers = count()  # of two timers for one instant, the older comes first
        self._stopped = False

    def time(self) -> float:
        """Seconds since the beginning of the story."""
        return self._now_s

    def call_soon(  # type: ignore[override]
        self, callback: Callback, *args: Any, context: Context | None = None
    ) -> _Call:
        """After everything that was to be called before."""
        call = _Call(callback, args, context)
        self._calls.append(call)
        return call

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callback, *args: Any, context: Context | None = None
    ) -> _Call:
        """There is one thread."""
        return self.call_soon(callback, *args, context=context)

    def call_at(  # type: ignore[override]  # nobody asks a timer when it is due
        self, when: float, callback: Callback, *args: Any, context: Context | None = None
    ) -> _Call:
        """At this time, once nothing more is to be done before it."""
        call = _Call(callback, args, context)
        heappush(self._timers, (when, next(self._numbers), call, None))
        return call

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callback, *args: Any, context: Context | None = None
    ) -> _Call:
        """After so many seconds."""
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def nap(self, seconds: float, error: Exception | None) -> Nap:
        """A timer that is only waited for."""
        future: Nap = asyncio.Future(loop=self)
        heappush(self._timers, (self._now_s + seconds, next(self._numbers), future, error))
        return future

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
            call = calls.popleft()
            if call.callback is not None:
                call.context.run(call.callback, *call.arguments)

    def _jump(self) -> None:
        """To the next instant in which something happens, and to all that happens in it."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heappop(timers)
        if not timers:
            raise Deadlock
        self._now_s = now_s = max(self._now_s, timers[0][0])
        while timers and timers[0][0] <= now_s:
            _, _, due, error = heappop(timers)
            if isinstance(due, _Call):
                self._calls.append(due)
            else:
                _end(due, error)


def nap(seconds: float, error: Exception | None = None) -> Nap:
    """``asyncio.sleep``, for the many short ones of a story; one may end with an error."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualLoop):
        return loop.nap(seconds, error)
    future: Nap = asyncio.Future()
    loop.call_later(seconds, _end, future, error)
    return future


def _end(nap: Nap, error: Exception | None) -> None:
    if nap.done():
        return
    if error is None:
        nap.set_result(None)
    else:
        nap.set_exception(error)


def run_in_virtual_time(story: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end, as fast as the machine can think."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story)
