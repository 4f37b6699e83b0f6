"""Processes of the service: the real loops over the model, which can be killed at any moment."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from headstart.app.cashier import Cashier
from headstart.app.deadlines import Deadlines
from headstart.app.dispatcher import Dispatcher
from headstart.app.feed import Feed
from headstart.app.fulfilment import Fulfilment
from headstart.app.ports import Money, Unavailable
from headstart.app.reconciler import Reconciler
from headstart.app.terms import Terms
from headstart.app.wakeups import Wakeups
from headstart.lab.simulation.database import Faults, ModelDatabase
from headstart.lab.simulation.ledger import ModelLedger
from headstart.lab.simulation.store import ModelStore

Result = TypeVar("Result")


class Node:
    """One process. Killing it cancels everything it is doing, wherever that may be."""

    def __init__(
        self, database: ModelDatabase, faults: Faults, terms: Terms, payments: Money
    ) -> None:
        self._database = database
        self._faults = faults
        self._terms = terms
        self._payments = payments
        self._tasks: dict[asyncio.Task[Any], None] = {}  # in the order of their beginning
        self.peers: list[Node] = []
        self.hints_lost = 0.0
        self.alive = False

    def start(self) -> None:
        """From nothing but the database."""
        store = ModelStore(self._database, self._faults)
        self.wakeups = Wakeups()
        self.wakeups.tell_others = self._tell_others
        self.dispatcher = Dispatcher(store, self.wakeups.announce)
        self.feed = Feed(store, self.wakeups)
        self.fulfilment = Fulfilment(
            store, self.dispatcher, self._payments, self._terms, livemode=False
        )
        self.alive = True
        deadlines = Deadlines(self.dispatcher, store, self.wakeups)
        self._loops = [
            self._spawn(loop.run())
            for loop in (deadlines, self.feed, *self._money(store.operations))
        ]

    def _money(self, operations: ModelLedger) -> tuple[Cashier, Reconciler]:
        payments, fulfilment, wakeups = self._payments, self.fulfilment, self.wakeups
        return (
            Cashier(operations, payments, fulfilment, self.dispatcher, wakeups),
            Reconciler(operations, payments, fulfilment, wakeups, self._database.now),
        )

    def kill(self) -> None:
        """As ``kill -9``: no clean-up, no goodbye."""
        self.alive = False
        for task in self._tasks:
            task.cancel()

    async def serve(self, work: Callable[["Node"], Coroutine[Any, Any, Result]]) -> Result:
        """Do something for a client; to them a killed node is a cut connection."""
        if not self.alive:
            raise Unavailable("nobody answers")
        task = self._spawn(work(self))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            client = asyncio.current_task()
            if task.cancelled() and not (client and client.cancelling()):
                raise Unavailable("the connection was cut") from None
            raise

    def _spawn(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        task = asyncio.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task

    def _tell_others(self) -> None:
        for peer in self.peers:
            if peer.alive and self._database.random.random() >= self.hints_lost:
                peer.wakeups.wake()
