"""Time's own loop: acts on what is due, in any number of processes, and sleeps until the next."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from headstart.app.dispatcher import Dispatcher
from headstart.app.ports import Requests, Unavailable
from headstart.app.wakeups import Wakeups
from headstart.telemetry import DEADLINE_HEARTBEAT

BATCH_MAX = 500
POLL_S = 0.5  # the backstop when a wake-up is lost
RETRY_S = 0.25  # after the database could not be reached
RETRY_SOONEST_S = 0.001
DEBOUNCE_S = 0.005  # a burst of wake-ups costs one sweep

log = structlog.get_logger()


class Deadlines:
    """Sweeps what is due, starting with the backlog."""

    def __init__(self, dispatcher: Dispatcher, requests: Requests, wakeups: Wakeups) -> None:
        self._dispatcher = dispatcher
        self._requests = requests
        self._woken = wakeups.subscribe()
        self._fruitless = 0
        self._swept_at_s = time.monotonic()

    @property
    def silence_s(self) -> float:
        """Seconds since the last complete sweep: more than a few mean that it is stuck."""
        return time.monotonic() - self._swept_at_s

    async def run(self) -> None:
        """Until cancelled. An error is reported and the sweep goes on."""
        while True:
            try:
                await self._nap(await self.sweep())
            except Unavailable as error:
                log.warning("deadlines_wait_for_the_database", error=str(error))
                await asyncio.sleep(RETRY_S)
            except Exception:
                log.exception("sweep_failed")
                await asyncio.sleep(RETRY_S)

    async def sweep(self) -> float:
        """Act on everything that is due now; answers the seconds to sleep."""
        acted = await self._exhaust(self._dispatcher.enforce_due)
        self._woken.clear()  # by ourselves; what others have written by now is read below
        acted += await self._exhaust(self._dispatcher.review_unfit)
        self._swept_at_s = time.monotonic()
        DEADLINE_HEARTBEAT.set(time.time())
        next_due_s = await self._requests.next_due_s()
        if next_due_s is None:
            return POLL_S
        if next_due_s > 0 or acted:
            self._fruitless = 0
            return min(POLL_S, next_due_s)
        self._fruitless += 1  # overdue but held elsewhere, or impossible: look again, ever slower
        return min(RETRY_S, RETRY_SOONEST_S * float(1 << min(self._fruitless, 10)))

    async def _exhaust(self, act: Callable[[int], Awaitable[int]]) -> int:
        """Until a batch is not full. A backlog has two at work: while the database writes for
        the one, the other decides."""
        acted = await act(BATCH_MAX)
        if acted == BATCH_MAX:
            acted += sum(await asyncio.gather(_drain(act), _drain(act)))
        return acted

    async def _nap(self, seconds: float) -> None:
        """Sleep, or less when woken."""
        if seconds <= 0:
            return
        until = asyncio.get_running_loop().time() + seconds
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._woken.wait()
                await asyncio.sleep(DEBOUNCE_S)


async def _drain(act: Callable[[int], Awaitable[int]]) -> int:
    total = acted = await act(BATCH_MAX)
    while acted == BATCH_MAX:
        acted = await act(BATCH_MAX)
        total += acted
    return total
