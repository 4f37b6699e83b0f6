"""Publishes the log into a project, from a place that is kept: what was not accepted is sent again.

One process does it at a time. Messages keep their order, and nothing overtakes one that waits: so
on each topic the news arrive in the order in which they happened.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID, uuid5

import structlog

from headstart.app.ports import Cursor, EventLog, LoggedEvent, Publications, Unavailable
from headstart.app.wakeups import Wakeups
from headstart.realtime.publishing.messages import Message, mechanics_in, messages_of
from headstart.realtime.publishing.project import Answer, Outcome, Project
from headstart.telemetry import PUBLISH_LAG_S, PUBLISHED

NAME = "supabase"
PAGE_EVENTS_MAX = 100
LEASE_S = 30.0  # longer than an answer takes
POLL_S = 1.0
HELD_ELSEWHERE_S = 5.0
BACK_OFF_S, BACK_OFF_S_MAX = 0.5, 30.0
JITTER = 1009
SHARE = 0.5  # of the plan's rate: what was sent in the last minute counts as well
_NAMES = UUID("5f6d1f5e-6f0b-4a5e-9d1d-2f1f0f6c9a11")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Due:
    """A message of the event at ``cursor``, the ``number``-th of so many; None: it has none."""

    message: Message | None
    cursor: Cursor
    number: int = 0
    is_last: bool = True


class Publisher:
    """``name`` makes the id of an event; ``per_s`` is what the project's plan allows: messages and
    their deliveries, since every delivery counts there."""

    def __init__(
        self,
        event_log: EventLog,
        publications: Publications,
        project: Project,
        wakeups: Wakeups,
        process: UUID,
        *,
        name: Callable[[Cursor], str],
        per_s: float,
    ) -> None:
        self._log = event_log
        self._publications = publications
        self._project = project
        self._woken = wakeups.subscribe()
        self._process = process
        self._name = name
        self._per_s = per_s * SHARE
        self._batch = self._batch_max = max(1, int(self._per_s))
        self._failures = 0
        self._done: tuple[Cursor, int] = (Cursor(), 0)  # of an event that is published in part
        self._crowd = 1  # as many mechanics as were ever asked at once
        self._free_at_s = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._nap(await self._turn())
        finally:
            await self._project.close()

    async def _turn(self) -> float:
        """Answers with how long to wait before the next one. An error ends nothing."""
        try:
            return await self._publish_some()
        except Unavailable as error:
            log.warning("publisher_waits_for_the_database", error=str(error))
        except Exception:
            log.exception("publisher_failed")
        return BACK_OFF_S

    async def _publish_some(self) -> float:
        """What is there now. Answers with how long to wait before looking again."""
        self._woken.clear()
        place = await self._publications.claim(NAME, self._process, LEASE_S)
        if place is None:
            return HELD_ELSEWHERE_S
        page = await self._log.after(place, PAGE_EVENTS_MAX)
        PUBLISH_LAG_S.set((page[0].read_at - page[0].at).total_seconds() if page else 0)
        due = await self._due(page)
        while due:
            if (wait_s := self._free_at_s - asyncio.get_running_loop().time()) > 0:
                return wait_s
            batch = self._next_batch(due)
            answer = await self._send(batch)
            if answer.outcome is not Outcome.ACCEPTED and not self._gives_up(batch, answer):
                return self._back_off_s()
            self._failures = 0
            place = self._passed(batch, place)
            if not await self._publications.move(NAME, self._process, place, LEASE_S):
                return HELD_ELSEWHERE_S
            due = due[len(batch) :]
        return 0.0 if len(page) == PAGE_EVENTS_MAX else POLL_S

    async def _due(self, page: Sequence[LoggedEvent]) -> list[Due]:
        """The page as messages, less what was accepted of its first event before."""
        named = {mechanic for logged in page for mechanic in mechanics_in(logged)}
        approved = await self._log.approved(list(named)) if named else frozenset()
        due: list[Due] = []
        for logged in page:
            self._crowd = max(self._crowd, len(logged.eligible))
            known = uuid5(_NAMES, self._name(logged.cursor))
            made = [*messages_of(logged, approved, known, self._crowd)]
            parts = [
                Due(message, logged.cursor, number, number == len(made))
                for number, message in enumerate(made, 1)
            ]
            done = self._done[1] if self._done[0] == logged.cursor else 0
            due += parts[done:] or [Due(None, logged.cursor)]
        return due

    def _next_batch(self, due: Sequence[Due]) -> list[Due]:
        """A priority offer goes alone; else as much as fits, up to the next one."""
        batch: list[Due] = []
        for one in due:
            if len(batch) >= self._batch:
                break
            if one.message is not None and one.message.is_priority:
                return batch or [one]
            batch.append(one)
        return batch

    async def _send(self, batch: Sequence[Due]) -> Answer:
        messages = [one.message for one in batch if one.message is not None]
        if not messages:
            return Answer(Outcome.ACCEPTED)
        if messages[0].is_priority:
            answer = await self._project.publish_priority(messages[0])
        else:
            answer = await self._project.publish(messages)
        PUBLISHED.labels(answer.outcome).inc(len(messages))
        if answer.outcome is Outcome.ACCEPTED:
            self._batch = min(self._batch_max, self._batch * 2)
        return answer

    def _gives_up(self, batch: Sequence[Due], answer: Answer) -> bool:
        """May we go on behind it? Only if the message itself is at fault, and it is known which."""
        messages = [one.message for one in batch if one.message is not None]
        about = {"status": answer.status, "said": answer.said, "messages": len(messages)}
        if answer.outcome is Outcome.UNFIT and len(messages) == 1:
            named = {"topic": messages[0].topic, "id": str(messages[0].id)}
            log.error("publisher_leaves_out_a_message", **about, **named)
            return True
        self._failures += 1
        self._batch = 1 if answer.outcome is Outcome.UNFIT else max(1, len(batch) // 2)
        if answer.outcome is Outcome.REFUSED:
            log.error("publisher_is_refused", **about)
        else:
            log.warning("publisher_tries_again", outcome=answer.outcome.value, **about)
        return False

    def _passed(self, batch: Sequence[Due], place: Cursor) -> Cursor:
        """How far the log is published now. What is done of an event is kept in mind."""
        clock = asyncio.get_running_loop().time
        last, whole = batch[-1], [one.cursor for one in batch if one.is_last]
        self._done = (last.cursor, 0 if last.is_last else last.number)
        cost = sum(1 + one.message.listeners for one in batch if one.message is not None)
        self._free_at_s = max(clock(), self._free_at_s) + cost / self._per_s
        return whole[-1] if whole else place

    def _back_off_s(self) -> float:
        """Longer each time, and not as long as any other process's."""
        longest: float = min(BACK_OFF_S_MAX, BACK_OFF_S * 2 ** min(self._failures, 10))
        return longest * (1 + self._process.int % JITTER / JITTER) / 2

    async def _nap(self, wait_s: float) -> None:
        """A wake-up ends the wait for news. No other wait: for a project or a database that is
        away, for another process, or for its turn by the rate."""
        if wait_s != POLL_S:
            await asyncio.sleep(wait_s)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._woken.wait()
