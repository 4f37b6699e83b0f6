"""The feed: tails the event log and tells each event to the people ``core.audience`` names."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

import structlog

from headstart.app.approval import Approval
from headstart.app.ports import Cursor, EventLog, LoggedEvent, Unavailable
from headstart.app.views import Payload, notice_payload
from headstart.app.wakeups import Wakeups
from headstart.app.watch import FEED_WAITS_S_MAX
from headstart.core.access import Operation, Principal, Role, may, owning
from headstart.core.audience import (
    EligibleMechanics,
    EveryMechanic,
    ItsCustomer,
    Notice,
    OneMechanic,
    Recipients,
    audience,
)
from headstart.core.request import MechanicId
from headstart.telemetry import FEED_LAG_S, FEED_STALL_S, STREAMS, STREAMS_CUT

PAGE_EVENTS_MAX = 500
REPLAY_EVENTS_MAX = 5_000
RECENT_EVENTS_MAX = 2_000  # kept in memory, for the many who come back after a short cut
QUEUE_FRAMES_MAX = 256
POLL_S = 0.5  # the backstop when a wake-up is lost
RETRY_S = 0.25

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Frame:
    """One message to those it is meant for. ``cursor`` is where they resume after it;
    ``personal``: it is one mechanic's own news."""

    cursor: Cursor
    topic: str
    event: str
    payload: Payload
    personal: bool = False


class Ear(Protocol):
    """Whoever listens for one person. ``offer`` never blocks."""

    @property
    def who(self) -> Principal:
        """The person."""
        ...

    def offer(self, frame: Frame) -> None:
        """The next frame of theirs."""
        ...

    def end(self) -> None:
        """No more will come from this process."""
        ...


class TooSlow(Exception):
    """The subscriber's queue overflowed: start again from the snapshot."""


class ReplayTooLong(Exception):
    """The subscriber was away for too long: start again from the snapshot."""


@dataclass(slots=True, eq=False)
class Subscription:
    """One open stream of one person."""

    who: Principal
    queue: asyncio.Queue[Frame | None] = field(
        default_factory=lambda: asyncio.Queue(maxsize=QUEUE_FRAMES_MAX + 1)  # one for the end
    )
    overflowed: bool = False

    async def next(self) -> Frame | None:
        """Wait for the next frame; None at the end of the stream.

        TooSlow once frames were dropped and everything before them was read.
        """
        if self.overflowed and self.queue.empty():
            raise TooSlow
        return await self.queue.get()

    def offer(self, frame: Frame) -> None:
        """Never blocks: one slow reader must not delay anybody else."""
        if self.overflowed:
            return
        if self.queue.qsize() < QUEUE_FRAMES_MAX:
            self.queue.put_nowait(frame)
        else:
            self.overflowed = True
            STREAMS_CUT.inc()

    def end(self) -> None:
        """No more frames will come."""
        if not self.queue.full():
            self.queue.put_nowait(None)


class Feed:
    """One reader of the log per process, and everybody who listens in this process."""

    def __init__(self, event_log: EventLog, wakeups: Wakeups) -> None:
        self._log = event_log
        self._woken = wakeups.subscribe()
        self._cursor = Cursor()
        self._recent: deque[LoggedEvent] = deque(maxlen=RECENT_EVENTS_MAX)
        self._recent_after = Cursor()
        self._approval = Approval(event_log)
        self._ears: dict[Role, dict[UUID, tuple[Ear, ...]]] = {role: {} for role in Role}
        self._ended = False
        self.stall_s = 0.0
        self.started = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled. An error is reported and reading goes on where it was."""
        while True:
            try:
                if not self.started.is_set():
                    self._cursor = self._recent_after = await self._log.end()
                    self.started.set()
                await self._read_on()
                await self._nap()
            except Unavailable as error:
                log.warning("feed_waits_for_the_database", error=str(error))
                await asyncio.sleep(RETRY_S)
            except Exception:
                log.exception("feed_failed")
                await asyncio.sleep(RETRY_S)

    @contextmanager
    def subscribe(self, who: Principal) -> Iterator[Subscription]:
        """Frames for this person from now on."""
        subscription = Subscription(who)
        self.attach(subscription)
        STREAMS.inc()
        try:
            yield subscription
        finally:
            STREAMS.dec()
            self.detach(subscription)

    def attach(self, ear: Ear) -> None:
        """Everything told from now on."""
        if self._ended:
            ear.end()
        who, listening = ear.who, self._ears[ear.who.role]
        if who.id in listening:
            listening[who.id] += (ear,)
        elif who.role is Role.MECHANIC:
            mechanic = self._log.as_told(MechanicId(who.id))
            listening[mechanic] = (ear,)
            self._approval.came(mechanic)
        else:
            listening[who.id] = (ear,)

    def detach(self, ear: Ear) -> None:
        """Nothing more. Harmless when repeated."""
        who, listening = ear.who, self._ears[ear.who.role]
        left = tuple(one for one in listening.get(who.id, ()) if one is not ear)
        if left:
            listening[who.id] = left
        elif listening.pop(who.id, None) and who.role is Role.MECHANIC:
            self._approval.left(MechanicId(who.id))

    @property
    def told(self) -> Cursor:
        """Everything up to here was offered to everybody who listened."""
        return self._cursor

    def end_streams(self) -> None:
        """The process is about to stop: let everybody go and connect elsewhere."""
        self._ended = True
        for listening in self._ears.values():
            for ear in [ear for ears in listening.values() for ear in ears]:
                ear.end()

    def streams_of(self, who: Principal) -> int:
        """How many streams this person has open."""
        ears = self._ears[who.role].get(who.id, ())
        return sum(isinstance(ear, Subscription) for ear in ears)

    async def of_the_unapproved(self) -> Sequence[Ear]:
        """The ears of mechanics who may be told nothing, now."""
        approved, listening = await self._approval.now(), self._ears[Role.MECHANIC]
        return [ear for mechanic in listening.keys() - approved for ear in listening[mechanic]]

    async def recent(self, who: Principal, after: Cursor, now: datetime) -> Sequence[Frame] | None:
        """The same as ``replay``, from memory, up to ``told``; None when memory begins later."""
        approved = await self._approved([who])
        if after < self._recent_after:  # only now: the oldest may have been forgotten meanwhile
            return None
        return [
            frame
            for logged in self._recent
            if logged.cursor > after
            for frame in frames_for(who, logged, approved, now=now)
        ]

    async def replay(
        self, who: Principal, after: Cursor, *, events_max: int = REPLAY_EVENTS_MAX
    ) -> AsyncIterator[Frame]:
        """What this person was meant to get after a place in the log."""
        read = 0
        while True:
            page = await self._log.after(after, PAGE_EVENTS_MAX)
            approved = await self._approved([who])
            for logged in page:
                for frame in frames_for(who, logged, approved):
                    yield frame
            if len(page) < PAGE_EVENTS_MAX:
                return
            after = page[-1].cursor
            read += len(page)
            if read >= events_max:
                raise ReplayTooLong

    async def place(self) -> Cursor:
        """Where a stream that starts from a snapshot taken now must go on."""
        return await self._log.end()

    async def _read_on(self) -> None:
        self._woken.clear()
        while True:
            page = await self._log.after(self._cursor, PAGE_EVENTS_MAX)
            if page:
                await self._tell(page)
                self._cursor = page[-1].cursor
                self._remember(page)
            if len(page) < PAGE_EVENTS_MAX:
                break
        self.stall_s = await self._log.stall_s()
        FEED_STALL_S.set(self.stall_s)
        if self.stall_s > FEED_WAITS_S_MAX:
            log.error("feed_held_up_by_a_foreign_transaction", stall_s=round(self.stall_s, 1))

    def forget_recent(self) -> None:
        """Keep nothing of the past in memory; the log has it."""
        self._recent.clear()
        self._recent_after = self._cursor

    def _remember(self, page: Sequence[LoggedEvent]) -> None:
        forgotten = len(self._recent) + len(page) - RECENT_EVENTS_MAX
        if forgotten > 0:
            known = [*self._recent, *page]
            self._recent_after = known[forgotten - 1].cursor
        self._recent.extend(page)

    async def _tell(self, page: Sequence[LoggedEvent]) -> None:
        approved = await self._approval.now()
        for logged in page:
            FEED_LAG_S.observe(max(0.0, (logged.read_at - logged.at).total_seconds()))
            for notice in audience(logged.request_id, logged.event):
                frame = _frame(notice, logged)
                for ear in self._listening(notice, logged, approved):
                    ear.offer(frame)

    def _listening(
        self, notice: Notice, logged: LoggedEvent, approved: Set[MechanicId]
    ) -> Sequence[Ear]:
        """Everybody's who is told, in the order they came: so they lie in memory, and to go through
        thousands in any other order takes notably longer."""
        if isinstance(notice.to, ItsCustomer):
            owner = Principal(Role.CUSTOMER, logged.customer)
            people = [owner, *(Principal(Role.OPERATOR, one) for one in self._ears[Role.OPERATOR])]
            told = [who for who in people if _is_told(who, notice, logged, approved)]
            return [ear for who in told for ear in self._ears[who.role].get(who.id, ())]
        listening, asked = self._ears[Role.MECHANIC], _asked(notice.to, logged, approved)
        if isinstance(notice.to, OneMechanic):
            return [ear for one in asked & approved for ear in listening.get(one, ())]
        return [
            ear
            for one, ears in listening.items()
            if one in asked and one in approved
            for ear in ears
        ]

    async def _approved(self, people: Sequence[Principal]) -> frozenset[MechanicId]:
        mechanics = [MechanicId(who.id) for who in people if who.role is Role.MECHANIC]
        return await self._log.approved(mechanics) if mechanics else frozenset()

    async def _nap(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._woken.wait()


def _could_be_told(who: Principal, logged: LoggedEvent) -> bool:
    return who.role is not Role.CUSTOMER or who.id == logged.customer


def frames_for(
    who: Principal,
    logged: LoggedEvent,
    approved: Set[MechanicId],
    *,
    now: datetime | None = None,
) -> Iterator[Frame]:
    """The frames of one event for one person; most often none, and then none is made.

    ``now`` is told as the server's time, where the event was read some time ago.
    """
    if not _could_be_told(who, logged):
        return
    for notice in audience(logged.request_id, logged.event):
        if _is_told(who, notice, logged, approved):
            yield _frame(notice, replace(logged, read_at=now) if now else logged)


def _frame(notice: Notice, logged: LoggedEvent) -> Frame:
    """What is said; the same for everybody who is told."""
    payload = notice_payload(notice, logged)
    personal = isinstance(notice.to, OneMechanic)
    return Frame(logged.cursor, notice.topic, notice.event, payload, personal)


def _is_told(
    who: Principal, notice: Notice, logged: LoggedEvent, approved: Set[MechanicId]
) -> bool:
    if who.role is not Role.MECHANIC:
        being = owning(who, logged.customer)
        return isinstance(notice.to, ItsCustomer) and may(who, Operation.REQUEST_READ, being)
    mechanic = MechanicId(who.id)
    return mechanic in approved and mechanic in _asked(notice.to, logged, approved)


def _asked(to: Recipients, logged: LoggedEvent, approved: Set[MechanicId]) -> Set[MechanicId]:
    """Which mechanics are meant; of these, the approved are told."""
    match to:
        case OneMechanic(mechanic=mechanic):
            return {mechanic}
        case EligibleMechanics(untold=untold):
            return logged.eligible - untold if untold else logged.eligible
        case EveryMechanic():
            return approved
        case ItsCustomer():
            return frozenset()
