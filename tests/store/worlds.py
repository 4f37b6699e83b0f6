"""A database and the people in it, twice: PostgreSQL, and the model the simulation runs on."""

import typing
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from headstart.app.dispatcher import Dispatcher
from headstart.app.ports import Change, Cursor, EventLog, LoggedEvent, PaymentEvent, Seen
from headstart.core import commands
from headstart.core.decide import decide
from headstart.core.evolve import evolve
from headstart.core.policy import Policy
from headstart.core.refusals import Refusal
from headstart.core.request import (
    MechanicId,
    RequestId,
    SessionRequest,
)
from headstart.lab.simulation.database import Faults, ModelDatabase
from headstart.lab.simulation.store import ModelStore
from headstart.store.intakes import IntakeStore
from headstart.store.log import EventLogStore
from headstart.store.people import PeopleStore
from tests.conftest import Cast
from tests.store.booking import POLICY, booking, mechanic_actor

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

LEASE = timedelta(minutes=1)

Store = TypeVar("Store")


class World:
    """A database and the people in it."""

    def __init__(self, intakes: IntakeStore, log: EventLog, cast: Cast) -> None:
        self.intakes = intakes
        self.requests = intakes.requests
        self.log = log
        self.cast = cast
        self.dispatcher = Dispatcher(self.requests, lambda: None)

    async def suspend(self, mechanic: MechanicId) -> None:
        """An operator's decision."""
        raise NotImplementedError

    async def go_on_duty(self, mechanic: MechanicId) -> None:
        """For as long as a lease."""
        raise NotImplementedError

    async def advance(self, by: timedelta) -> None:
        """Time passes."""
        raise NotImplementedError

    async def book(self, *favorites: MechanicId, policy: Policy = POLICY) -> SessionRequest:
        """A dispatched booking."""
        command = await booking(self.intakes, self.cast.customer, *favorites, policy=policy)
        return await self.dispatcher.request_session(command, self.requests)

    async def stored(self, request: SessionRequest) -> SessionRequest:
        """As it stands."""
        [seen] = await self.requests.see([request.id])
        assert seen.request
        return seen.request

    async def judged(self, command: commands.Command, key: str | None = None) -> Change:
        """What the rules make of a command, not written yet."""
        [seen] = await self.requests.see([command.request_id], concerned=concerned(command))
        return judge(seen, command, key)

    async def do(self, command: commands.Command, key: str | None = None) -> frozenset[RequestId]:
        """Judge and write at once; what was written."""
        return await self.requests.write([await self.judged(command, key)])

    async def told(self, after: Cursor) -> Sequence[LoggedEvent]:
        """Everything that may be read after a place."""
        return await self.log.after(after, 100)


class PostgreSQLWorld(World):
    """The original."""

    def __init__(self, pool: "Pool", cast: Cast) -> None:
        super().__init__(IntakeStore(pool), EventLogStore(pool), cast)
        self._people = PeopleStore(pool)

    async def suspend(self, mechanic: MechanicId) -> None:
        await self._people.set_mechanic_status(mechanic, "suspended")

    async def go_on_duty(self, mechanic: MechanicId) -> None:
        await self._people.set_presence(mechanic, on_duty=True, lease=LEASE)

    async def advance(self, by: timedelta) -> None:
        await self._people.advance_clock(by)


class ModelWorld(World):
    """The model, on an ordinary loop, at the speed of light."""

    def __init__(self, database: ModelDatabase, cast: Cast) -> None:
        store = ModelStore(database, Faults(trip_s_max=0.0))
        super().__init__(typing.cast(IntakeStore, store), store, cast)
        self._database = database
        state = database.state
        mechanics = [cast.favorite, cast.second, *cast.others]
        state.mechanics = dict.fromkeys(mechanics, "approved")
        state.favorites = {(cast.customer, cast.favorite), (cast.customer, cast.second)}

    async def suspend(self, mechanic: MechanicId) -> None:
        self._database.state.mechanics[mechanic] = "suspended"

    async def go_on_duty(self, mechanic: MechanicId) -> None:
        until_s = self._database.now_s() + LEASE.total_seconds()
        self._database.state.online_until_s[mechanic] = until_s

    async def advance(self, by: timedelta) -> None:
        self._database.ahead_s += by.total_seconds()


def concerned(command: commands.Command) -> list[MechanicId]:
    mechanic = getattr(command, "mechanic", None)
    return [mechanic] if mechanic else []


def judge(seen: Seen, command: commands.Command, key: str | None = None) -> Change:
    events = decide(seen.request, command, seen.facts, now=seen.now)
    assert not isinstance(events, Refusal), events
    after = evolve(command.request_id, seen.request, events, at=seen.now)
    return Change(seen.request, after, events, seen.now, command.actor, key, "a test")


def accept(request: SessionRequest, mechanic: MechanicId) -> commands.AcceptOffer:
    """This mechanic accepts."""
    return commands.AcceptOffer(request.id, mechanic, mechanic_actor(mechanic))


def decline(request: SessionRequest, mechanic: MechanicId) -> commands.DeclineOffer:
    """This mechanic declines."""
    return commands.DeclineOffer(request.id, mechanic, mechanic_actor(mechanic))


def paid(event_id: str) -> PaymentEvent:
    """News of a payment."""
    return PaymentEvent(event_id, "checkout.session.completed", None, False, None, None, None)


class _Crash(Exception):
    """The process dies before its commit."""


@asynccontextmanager
async def in_vain(transaction: AbstractAsyncContextManager[Store]) -> AsyncIterator[Store]:
    """A transaction that is rolled back at the end."""
    with suppress(_Crash):
        async with transaction as tx:
            yield tx
            raise _Crash
