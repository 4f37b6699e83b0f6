"""Receipts on their way to the database: many listeners, one statement now and then.

A bookmark that lags behind is safe: it only makes frames come again.
"""

import asyncio
from contextlib import suppress
from itertools import islice
from uuid import UUID

import structlog

from headstart.app.ports import Bookmark, Cursor, Receipts, Unavailable
from headstart.core.access import Principal

FLUSH_S = 0.25
ALIVE_S = 2.0
SWEEP_S = 3600.0
FLUSHED_MAX = 2_000  # in one statement
LAST_FLUSH_S = 2.0

log = structlog.get_logger()


class ReceiptBook:
    """The bookmarks of this process's listeners. Every process has an id of its own."""

    def __init__(self, receipts: Receipts, process: UUID) -> None:
        self._receipts = receipts
        self._process = process
        self._moved: dict[UUID, Cursor] = {}
        self._let_go: list[UUID] = []
        self._left: list[UUID] = []
        self._flushing = asyncio.Lock()

    async def hold(self, who: Principal, topic: str, since_ms: int | None) -> Bookmark:
        """Where this listener goes on. What was written down last is flushed first: the same
        listener may have been here a moment ago."""
        await self._flush()
        holding = asyncio.ensure_future(
            self._receipts.hold(who, topic, self._process, since_ms=since_ms)
        )
        try:
            return await asyncio.shield(holding)
        except asyncio.CancelledError:
            holding.add_done_callback(self._let_go_of_orphan)
            raise

    async def place_at(self, since_ms: int) -> Cursor:
        """Before the first event since then."""
        return await self._receipts.place_at(since_ms)

    def _let_go_of_orphan(self, holding: asyncio.Future[Bookmark]) -> None:
        """Whoever wanted it is gone already."""
        if not holding.cancelled() and holding.exception() is None:
            self.let_go(holding.result().id)

    def move(self, bookmark: UUID, cursor: Cursor) -> None:
        """Heard up to there."""
        if cursor > self._moved.get(bookmark, Cursor()):
            self._moved[bookmark] = cursor

    def let_go(self, bookmark: UUID) -> None:
        """Its listener is gone and may come back."""
        self._let_go.append(bookmark)

    def forget(self, bookmark: UUID) -> None:
        """Its listener has left for good."""
        self._moved.pop(bookmark, None)
        self._left.append(bookmark)

    async def run(self) -> None:
        """Until cancelled; then what is left is flushed, if the database is there."""
        clock = asyncio.get_running_loop().time
        alive_at, sweep_at = clock() - ALIVE_S, clock()
        try:
            while True:
                try:
                    if clock() - alive_at >= ALIVE_S:
                        await self._receipts.alive(self._process)
                        alive_at = clock()
                    if clock() >= sweep_at:
                        await self._receipts.forget_old()
                        sweep_at = clock() + SWEEP_S
                    await self._flush()
                except Unavailable as error:
                    log.warning("receipts_wait_for_the_database", error=str(error))
                except Exception:
                    log.exception("receipts_failed")
                await asyncio.sleep(FLUSH_S)
        finally:
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(LAST_FLUSH_S):
                    await self._flush()

    async def _flush(self) -> None:
        """Receipts first: a bookmark that is let go of stands where it was left."""
        async with self._flushing:
            while self._moved:
                moved = dict(islice(self._moved.items(), FLUSHED_MAX))
                await self._receipts.move(list(moved.items()))
                for bookmark, cursor in moved.items():
                    if self._moved.get(bookmark) == cursor:
                        del self._moved[bookmark]
            for gone, tell in (
                (self._let_go, self._receipts.let_go),
                (self._left, self._receipts.forget),
            ):
                while gone:
                    some = gone[:FLUSHED_MAX]
                    await tell(some, self._process)
                    del gone[: len(some)]
