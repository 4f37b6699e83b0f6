"""Takes over the past of an older system: all of its rows, in order, beside the traffic.

It can be stopped at any instant, begun again, repeated, and run twice at once: what is there
already is left alone. It writes nothing but requests that have ended, so nobody is asked, and
nobody is told.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import structlog

from headstart.app.older.reading import Fate, Reader, Reading, people_of, request_id_of
from headstart.app.ports import OlderSystem, Unavailable

BATCH_FIRST = 100
BATCH_MAX = 1_000
JUDGED_AT_ONCE = 25
BATCH_GOAL_S = 0.1  # news of others waits for a batch that is being written
SLOW_S = 0.5  # a statement of somebody else that runs for longer is a sign of strain,
LATE_S = 0.5  # and so is a deadline that is later than that
STRAIN_PAUSE_S = 0.5
STRAIN_PAUSES_MAX = 60  # in a row; then one batch, so that it comes to an end
FAILURES_MAX = 30  # in a row
FAILURE_PAUSE_S = 1.0
PROGRESS_S = 5.0

log = structlog.get_logger()


@dataclass(slots=True)
class Tally:
    """What a run has done so far. ``batch_max_s`` is the longest transaction that wrote."""

    rows: int = 0
    fates: Counter[Fate] = field(default_factory=Counter)
    batches: int = 0
    batch_max_s: float = 0.0
    pauses: int = 0
    failures: int = 0
    began_s: float = field(default_factory=time.monotonic)

    def line(self, estimate: int) -> str:
        """Where it is, in one line."""
        took_s = max(time.monotonic() - self.began_s, 0.001)
        fates = ", ".join(f"{self.fates[fate]:,} {fate.value}" for fate in Fate)
        rows = f"{self.rows:,} of about {max(estimate, self.rows):,} rows"
        return f"{rows}: {fates}; {self.rows / took_s:,.0f} rows/s"


Tell = Callable[[str], None]


class Backfill:
    """One run over one table. ``duty`` is the share of time the database may work for it."""

    def __init__(self, older: OlderSystem, source: str, *, duty: float, tell: Tell) -> None:
        self._older = older
        self._source = source
        self._duty = duty
        self._tell = tell
        self._batch = BATCH_FIRST
        self.tally = Tally()

    async def run(self) -> Tally:
        """To the end of the table. LookupError or ValueError when it is not one that can be read;
        Unavailable when the database keeps failing: begin again."""
        table = await self._older.table(self._source)
        plans = await self._older.plan_codes()
        after: str | None = None
        ahead: Sequence[Reading] = ()
        failed = 0
        told_s = time.monotonic()
        while True:
            await self._wait_while_strained()
            began_s = time.monotonic()
            try:
                judged = ahead or await self._judge(table.name, after, plans)
                ahead = ()
                if not judged:
                    self._tell(self.tally.line(table.rows))
                    return self.tally
                worked_s, ahead = await self._write_and_judge(table.name, judged, plans)
            except Unavailable as error:
                failed += 1
                await self._give_way(error, failed)
                continue
            after, failed = judged[-1].row, 0
            self._count(judged)
            if time.monotonic() - told_s > PROGRESS_S:
                told_s = time.monotonic()
                self._tell(self.tally.line(table.rows))
            await asyncio.sleep(max(0.0, worked_s / self._duty - (time.monotonic() - began_s)))

    async def _write_and_judge(
        self, source: str, judged: Sequence[Reading], plans: Collection[str]
    ) -> tuple[float, Sequence[Reading]]:
        """While the database writes one batch, the next is judged here."""
        worked_s, ahead = await asyncio.gather(
            self._write(source, judged),
            self._judge(source, judged[-1].row, plans),
            return_exceptions=True,  # both come to an end, whatever becomes of the other
        )
        if isinstance(worked_s, BaseException):
            raise worked_s
        return worked_s, () if isinstance(ahead, BaseException) else ahead

    async def _judge(
        self, source: str, after: str | None, plans: Collection[str]
    ) -> Sequence[Reading]:
        """The next rows, judged; nothing after the end."""
        page = await self._older.page(source, after, self._batch)
        if not page:
            return ()
        requests = [request_id_of(source, row.key) for row in page]
        people = {person for row in page for person in people_of(row)}
        existing = await self._older.existing(requests, people)
        reader = Reader(source, existing, plans, await self._older.clock())
        judged = []
        for number, row in enumerate(page):
            judged.append(reader.read(row))
            if number % JUDGED_AT_ONCE == 0:
                await asyncio.sleep(0)  # a transaction may be waiting for us to go on
        return judged

    async def _write(self, source: str, judged: Sequence[Reading]) -> float:
        """One short transaction; answers with the seconds it took."""
        new = [one for one in judged if one.fate is not Fate.KNOWN]
        if not new:
            self._batch = BATCH_MAX  # nothing is written: a second run, or what a first one did
            return 0.0
        began_s = time.monotonic()
        async with self._older.bounded() as older:
            await older.keep([one.past for one in new if one.past])
            unreadable = [value for one in new for value in one.unreadable]
            await older.report(source, [one.row for one in new], unreadable)
        took_s = time.monotonic() - began_s
        self.tally.batch_max_s = max(self.tally.batch_max_s, took_s)
        fitting = len(judged) * BATCH_GOAL_S / max(took_s, 0.001)
        self._batch = int(min(BATCH_MAX, max(1, fitting, self._batch / 2), self._batch * 2))
        return took_s

    def _count(self, judged: Sequence[Reading]) -> None:
        self.tally.rows += len(judged)
        self.tally.batches += 1
        self.tally.fates.update(one.fate for one in judged)

    async def _wait_while_strained(self) -> None:
        """Let the service go first, but come to an end all the same."""
        for _ in range(STRAIN_PAUSES_MAX):
            try:
                if not await self._older.strain(slow_s=SLOW_S, late_s=LATE_S):
                    return
            except Unavailable:
                return  # the batch will find out, and count it
            self.tally.pauses += 1
            await asyncio.sleep(STRAIN_PAUSE_S)

    async def _give_way(self, error: Unavailable, failed: int) -> None:
        """A lock or a statement took too long, or the database was away: less at a time, later."""
        log.warning("backfill_gives_way", error=str(error), failed=failed)
        self.tally.failures += 1
        if failed >= FAILURES_MAX:
            raise error
        self._batch = max(1, self._batch // 2)
        await asyncio.sleep(FAILURE_PAUSE_S)
