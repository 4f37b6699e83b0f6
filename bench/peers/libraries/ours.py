"""The service itself: arming is a reserved request, firing is its fallback to everybody."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from bench.peers.libraries import Fired
from bench.world import World, connect, order
from headstart.app.deadlines import Deadlines
from headstart.app.dispatcher import Dispatcher, Done
from headstart.app.wakeups import Wakeups
from headstart.core.commands import Actor, CancelRequest
from headstart.core.request import MechanicId, RequestId
from headstart.store.postgres import connected
from headstart.store.requests import RequestStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headstart.app.ports import Change
    from headstart.core.request import CustomerId, IntakeId

CLIENTS = 16
CONNECTIONS = 3  # as the service gives its loops
MECHANICS = 200  # who are recorded as asked by each fallback


class _Timers:
    """Reserved requests of one customer. The window is what is left until the due time."""

    def __init__(
        self, requests: RequestStore, booking: "tuple[CustomerId, IntakeId]", favorite: MechanicId
    ) -> None:
        self._requests = requests
        self._dispatcher = Dispatcher(requests, lambda: None)
        self._booking = booking
        self._favorite = favorite

    async def arm(self, key: int, due_s: float) -> None:
        now = await self._requests.clock()
        window = timedelta(seconds=due_s - now.timestamp())
        command = order(RequestId(UUID(int=key)), *self._booking, self._favorite, window)
        async with self._requests.transaction() as tx:
            await self._dispatcher.request_session(command, tx)

    async def cancel(self, key: int) -> None:
        actor = Actor("customer", str(self._booking[0]))
        outcome = await self._dispatcher.execute(CancelRequest(RequestId(UUID(int=key)), actor))
        assert isinstance(outcome, Done), outcome


@asynccontextmanager
async def client(address: str, _tuned: bool) -> AsyncIterator[_Timers]:
    connection = await connect(address)
    place = World(address, connection)
    mechanics = await place.mechanics(MECHANICS)
    booking = await place.customer(mechanics[0])
    await connection.close()
    async with connected(address, connections_max=CLIENTS) as pool:
        yield _Timers(RequestStore(pool), booking, mechanics[0])


class _Noting(RequestStore):
    """The store, and a note of what it has written once that is committed."""

    fired: Fired

    def __init__(self, executor: "asyncpg.Pool | asyncpg.pool.PoolConnectionProxy") -> None:
        super().__init__(executor)
        self.written: list[RequestId] = []

    @asynccontextmanager
    async def transaction(self) -> "AsyncIterator[_Noting]":
        async with super().transaction() as tx:
            yield tx
        self.fired.all(request.int for request in tx.written)

    async def write(self, changes: "Sequence[Change]") -> frozenset[RequestId]:
        written = await super().write(changes)
        self.written += written
        return written


async def work(address: str, _tuned: bool, fired: Fired) -> None:
    _Noting.fired = fired
    async with connected(address, connections_max=CONNECTIONS) as pool:
        requests, wakeups = _Noting(pool), Wakeups()
        await Deadlines(Dispatcher(requests, wakeups.announce), requests, wakeups).run()
