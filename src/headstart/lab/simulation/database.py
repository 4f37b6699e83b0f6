"""A model of the database, held to PostgreSQL by a shared contract suite.

It has what matters for races: transactions, row locks that are waited for or skipped, unique keys
that wait for an uncommitted rival, versions re-read after a lock, and an event log whose numbers
are given out before the commit. Every statement costs virtual time, before and after its effect,
so that transactions overlap; a statement may fail before its effect, or after it, unseen.
"""

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from headstart.app.ports import (
    Flag,
    Intake,
    LoggedEvent,
    Plan,
)
from headstart.app.views import OFFER_FIELDS
from headstart.core.request import (
    CustomerId,
    IntakeId,
    MechanicId,
    RequestId,
    SessionRequest,
)

NOBODY = UUID(int=0)
CARD = dict.fromkeys(OFFER_FIELDS, "")  # what is on a card is not what races are about
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Faults:
    """How often a statement fails; the second kind commits first and loses the answer."""

    before: float = 0.0
    after: float = 0.0


@dataclass(slots=True)
class StoredEvent:
    """A row of the log."""

    xid: int
    id: int
    logged: LoggedEvent
    command_key: str | None


@dataclass(slots=True)
class State:
    """Everything that is committed."""

    requests: dict[RequestId, SessionRequest] = field(default_factory=dict)
    events: list[StoredEvent] = field(default_factory=list)
    intakes: dict[IntakeId, Intake] = field(default_factory=dict)
    receipts: dict[str, str] = field(default_factory=dict)
    mechanics: dict[MechanicId, str] = field(default_factory=dict)
    favorites: set[tuple[CustomerId, MechanicId]] = field(default_factory=set)
    online_until: dict[MechanicId, float] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    flag: Flag = field(default_factory=lambda: Flag("ENABLE_FAVORITES_PRIORITY", True, 100))


class Transaction:
    """What one transaction has changed so far, and the locks it holds until it ends."""

    def __init__(self, database: "ModelDatabase") -> None:
        self._database = database
        self._held: list[Hashable] = []
        self.xid: int | None = None
        self.requests: dict[RequestId, SessionRequest] = {}
        self.events: list[StoredEvent] = []
        self.intakes: dict[IntakeId, Intake] = {}
        self.receipts: dict[str, str] = {}

    def begin_writing(self) -> int:
        """The number that orders this transaction's events in the log."""
        if self.xid is None:
            self.xid = self._database.next_xid
            self._database.next_xid += 1
            self._database.running.add(self.xid)
        return self.xid

    async def lock(self, key: Hashable) -> None:
        """Wait until nobody else holds the key."""
        while self._database.holders.get(key) not in (None, self):
            waiting = asyncio.get_running_loop().create_future()
            self._database.waiting.setdefault(key, []).append(waiting)
            await waiting
        self._take(key)

    def lock_if_free(self, key: Hashable) -> bool:
        """Take the key, or skip it."""
        if self._database.holders.get(key) not in (None, self):
            return False
        self._take(key)
        return True

    def _take(self, key: Hashable) -> None:
        if self._database.holders.get(key) is not self:
            self._database.holders[key] = self
            self._held.append(key)

    def commit(self) -> None:
        """Everything at once."""
        state = self._database.state
        state.requests |= self.requests
        state.intakes |= self.intakes
        state.receipts |= self.receipts
        state.events += self.events
        self.end()

    def end(self) -> None:
        """Release what is held; without a commit nothing has happened."""
        if self.xid is not None:
            self._database.running.discard(self.xid)
        for key in self._held:
            del self._database.holders[key]
            for waiting in self._database.waiting.pop(key, []):
                if not waiting.done():
                    waiting.set_result(None)
        self._held.clear()


class ModelDatabase:
    """What all stores of one world share."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.state = State()
        self.holders: dict[Hashable, Transaction] = {}
        self.waiting: dict[Hashable, list[asyncio.Future[None]]] = {}
        self.running: set[int] = set()
        self.next_xid = 1
        self.next_event_id = 1

    def now(self) -> datetime:
        """The database's clock."""
        return EPOCH + timedelta(seconds=asyncio.get_running_loop().time())
