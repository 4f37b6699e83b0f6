"""A model of the database, held to PostgreSQL by a shared contract suite.

It has what matters for races: transactions, row locks that are waited for or skipped, unique keys
that wait for an uncommitted rival, versions read again after a lock, a snapshot that a wait does
not refresh, and an event log whose numbers are given out before the commit.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from headstart.app.ports import Cursor, Flag, Intake, LoggedEvent, Plan
from headstart.core.facts import Facts, MechanicFacts
from headstart.core.request import CustomerId, IntakeId, Matched, MechanicId, RequestId
from headstart.core.request import SessionRequest as Request
from headstart.lab.simulation.books import Books
from headstart.lab.simulation.virtual_time import napping

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def seconds(at: datetime) -> float:
    """Since the beginning of the story."""
    return (at - EPOCH).total_seconds()


Place = tuple[int, int]  # a cursor, as an index keeps it


@dataclass(slots=True)
class Faults:
    """How long a statement travels each way, and how often it fails on the way.

    ``after`` has had its effect, and only the answer is lost.
    """

    before: float = 0.0
    after: float = 0.0
    slow: float = 0.0
    trip_s_max: float = 0.02
    slow_trip_s_max: float = 3.0

    def trip(self, random: Random, fails: float) -> tuple[float, bool]:
        """One way, to the database or back: its seconds, and whether the connection is cut."""
        trip_s = random.random() * self.trip_s_max
        if self.slow and random.random() < self.slow:
            trip_s += random.random() * self.slow_trip_s_max
        return trip_s, bool(fails) and random.random() < fails


@dataclass(slots=True)
class StoredEvent:
    """A row of the log; when its transaction began, its statement looked at the world, and both
    were committed."""

    logged: LoggedEvent
    command_key: str | None
    actor: str
    began_s: float
    stated_s: float
    committed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a statement saw when it began. Waiting for a lock does not refresh it."""

    at_s: float
    approved: frozenset[MechanicId]
    eligible: frozenset[MechanicId]


@dataclass(slots=True)
class State:
    """Everything that is committed."""

    requests: dict[RequestId, Request] = field(default_factory=dict)
    matched: dict[RequestId, MechanicId] = field(default_factory=dict)
    checkouts: dict[str, RequestId] = field(default_factory=dict)
    due: dict[RequestId, datetime] = field(default_factory=dict)  # who is still waited for
    log: list[StoredEvent] = field(default_factory=list)  # in the order of reading
    places: list[Place] = field(default_factory=list)  # the index of the log
    commits: list[StoredEvent] = field(default_factory=list)  # in the order of committing
    keys: set[tuple[RequestId, str | None]] = field(default_factory=set)
    intakes: dict[IntakeId, Intake] = field(default_factory=dict)
    receipts: dict[str, str] = field(default_factory=dict)
    mechanics: dict[MechanicId, str] = field(default_factory=dict)
    favorites: set[tuple[CustomerId, MechanicId]] = field(default_factory=set)
    online_until_s: dict[MechanicId, float] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    flag: Flag = field(default_factory=lambda: Flag("ENABLE_FAVORITES_PRIORITY", True, 100))
    books: Books = field(default_factory=Books)

    def facts(self, customer: CustomerId, concerned: Iterable[MechanicId], at_s: float) -> Facts:
        """What the rules may know of those who exist."""
        busy = set(self.matched.values())
        return Facts(
            {
                mechanic: MechanicFacts(
                    approved=self.mechanics[mechanic] == "approved",
                    busy=mechanic in busy,
                    online=self.online_until_s.get(mechanic, -1.0) > at_s,
                    favorite=(customer, mechanic) in self.favorites,
                )
                for mechanic in concerned
                if mechanic in self.mechanics
            }
        )

    def snapshot(self, at_s: float) -> Snapshot:
        """As a statement sees it that begins now."""
        approved = frozenset(one for one, status in self.mechanics.items() if status == "approved")
        return Snapshot(at_s, approved, approved.difference(self.matched.values()))

    def with_own(self, transaction: "Transaction") -> "State":
        """As somebody sees it who has written, and not committed yet. Nothing of it may be kept."""
        keys = {(one.logged.request_id, one.command_key) for one in transaction.events}
        own = replace(
            self,
            requests=self.requests.copy(),
            matched=self.matched.copy(),
            due=self.due.copy(),
            keys=self.keys | keys,
            checkouts=self.checkouts | transaction.checkouts,
        )
        for request in transaction.requests.values():
            own.keep(request)
        return own

    def holds_another(self, mechanic: MechanicId, request_id: RequestId) -> bool:
        """Whether the mechanic is matched with a request other than this one."""
        return any(m == mechanic and one != request_id for one, m in self.matched.items())

    def keep(self, request: Request) -> None:
        """Commit one row, and the indexes of active matches and of deadlines with it."""
        self.requests[request.id] = request
        if isinstance(request.state, Matched):
            self.matched[request.id] = request.state.mechanic
        else:
            self.matched.pop(request.id, None)
        if request.due_at is not None:
            self.due[request.id] = request.due_at
        else:
            self.due.pop(request.id, None)

    def append(self, stored: StoredEvent) -> None:
        """Commit one event."""
        place = _place(stored.logged.cursor)
        index = bisect_right(self.places, place)
        self.places.insert(index, place)
        self.log.insert(index, stored)
        self.commits.append(stored)
        self.keys.add((stored.logged.request_id, stored.command_key))

    def after(self, cursor: Cursor, horizon: int, limit: int) -> Sequence[LoggedEvent]:
        """The next events that no running transaction can still overtake."""
        start = bisect_right(self.places, _place(cursor))
        end = min(start + limit, self._readable(horizon))
        return [stored.logged for stored in self.log[start:end]]

    def held_up(self, horizon: int) -> Sequence[LoggedEvent]:
        """What is committed, and may still be overtaken by a running transaction."""
        return [stored.logged for stored in self.log[self._readable(horizon) :]]

    def end(self, horizon: int) -> Cursor:
        """The last place that no running transaction can still overtake."""
        readable = self._readable(horizon)
        return self.log[readable - 1].logged.cursor if readable else Cursor()

    def _readable(self, horizon: int) -> int:
        return bisect_left(self.places, (horizon, 0))


def _place(cursor: Cursor) -> Place:
    return cursor.xid, cursor.id


class Transaction:
    """What one transaction has changed so far, and the locks it holds until it ends."""

    __slots__ = (
        *("_books", "_database", "_held", "began_s", "owed_s", "xid"),
        *("checkouts", "events", "intakes", "receipts", "requests"),
    )

    def __init__(self, database: "ModelDatabase") -> None:
        self._database = database
        self._held: list[Hashable] = []
        self.began_s = database.now_s()
        self.owed_s = 0.0  # on the way, and nobody has waited for it yet
        self.xid: int | None = None
        self.requests: dict[RequestId, Request] = {}
        self.checkouts: dict[str, RequestId] = {}
        self.events: list[StoredEvent] = []
        self.intakes: dict[IntakeId, Intake] = {}
        self.receipts: dict[str, str] = {}
        self._books: Books | None = None  # most never write about money

    @property
    def books(self) -> Books:
        """What it has written about money."""
        if self._books is None:
            self._books = Books()
        return self._books

    def begin_writing(self) -> int:
        """The number that orders this transaction's events in the log."""
        if self.xid is None:
            self.xid = self._database.next_xid
            self._database.next_xid += 1
            self._database.running[self.xid] = self
        return self.xid

    async def free(self, *keys: Hashable) -> None:
        """Wait until nobody else holds any of the keys."""
        while held := [key for key in keys if self._is_held_by_another(key)]:
            waiting = asyncio.get_running_loop().create_future()
            self._database.waiting.setdefault(held[0], []).append(waiting)
            await waiting

    async def lock(self, key: Hashable) -> None:
        """Wait until nobody else holds the key, and take it."""
        await self.free(key)
        self.begin_writing()
        self._take(key)

    def lock_if_free(self, key: Hashable) -> bool:
        """Take the key, or skip it."""
        if self._is_held_by_another(key):
            return False
        self.begin_writing()
        self._take(key)
        return True

    def _is_held_by_another(self, key: Hashable) -> bool:
        return self._database.holders.get(key) not in (None, self)

    def _take(self, key: Hashable) -> None:
        if self._database.holders.get(key) is not self:
            self._database.holders[key] = self
            self._held.append(key)

    def commit(self) -> None:
        """Everything at once."""
        if self._has_written:
            self._keep()
        self.end()

    @property
    def _has_written(self) -> bool:
        rows = self.requests or self.intakes or self.receipts
        return bool(rows or self._books or self.checkouts or self.events)

    def _keep(self) -> None:
        state = self._database.state
        for request in self.requests.values():
            state.keep(request)
        state.checkouts |= self.checkouts
        state.intakes |= self.intakes
        state.receipts |= self.receipts
        if self._books is not None:
            state.books.add(self._books)
        for stored in self.events:
            stored.committed_s = self._database.now_s()
            state.append(stored)

    def end(self) -> None:
        """Release what is held; without a commit nothing has happened."""
        if self.xid is not None:
            self._database.running.pop(self.xid, None)
        if self._held:
            self._release(0)

    def mark(self) -> "Mark":
        """Where a savepoint is."""
        written = (self.requests, self.checkouts, self.intakes, self.receipts, self.books)
        copies = tuple(one.copy() for one in written)
        return Mark(copies, len(self.events), len(self._held))

    def back_to(self, mark: "Mark") -> None:
        """Nothing since then has happened. The number stays: it was given out."""
        self.requests, self.checkouts, self.intakes, self.receipts, self._books = mark.written
        del self.events[mark.events :]
        self._release(mark.held)

    def _release(self, first: int) -> None:
        for key in self._held[first:]:
            del self._database.holders[key]
            for waiting in self._database.waiting.pop(key, []):
                if not waiting.done():
                    waiting.set_result(None)
        del self._held[first:]


@dataclass(frozen=True, slots=True)
class Mark:
    """What a transaction had written and held at a savepoint."""

    written: tuple[Any, ...]
    events: int
    held: int


class ModelDatabase:
    """What all stores of one world share."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.state = State()
        self.holders: dict[Hashable, Transaction] = {}
        self.waiting: dict[Hashable, list[asyncio.Future[None]]] = {}
        self.running: dict[int, Transaction] = {}
        self.next_xid = 1
        self.next_event_id = 1
        self.ahead_s = 0.0  # the test clock
        self._time_s = asyncio.get_running_loop().time
        self.nap = napping()

    @property
    def horizon(self) -> int:
        """Nothing below it can still be committed."""
        return min(self.running, default=self.next_xid)

    def now_s(self) -> float:
        """The database's clock, in seconds since the beginning."""
        return self._time_s() + self.ahead_s

    def now(self) -> datetime:
        """The database's clock."""
        return EPOCH + timedelta(seconds=self.now_s())
