"""The way to the database and back, which costs time and may be cut.

Between two statements of one transaction nothing happens that anybody else could see. So the way
back from the one and the way to the next are waited for together, which saves every third wait.
"""

from collections.abc import Awaitable, Generator
from typing import Generic, TypeVar

from headstart.app.ports import Unavailable
from headstart.lab.simulation.database import Faults, ModelDatabase, Transaction

Inside = TypeVar("Inside")


class _NoWait:
    """What has been waited for already."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


NO_WAIT = _NoWait()


class _Line:
    """What statements and transactions have in common: they travel."""

    __slots__ = ("_database", "_faults", "_transaction")

    def __init__(self, database: ModelDatabase, faults: Faults, transaction: Transaction) -> None:
        self._database = database
        self._faults = faults
        self._transaction = transaction

    def _travel(self, fails: float) -> Awaitable[None]:
        """One way, after what is owed."""
        trip_s, cut = self._faults.trip(self._database.random, fails)
        return self._arrive(trip_s + self._transaction.owed_s, cut)

    def _owe(self, fails: float) -> Awaitable[None]:
        """One way, to be waited for with the next; but a cut is noticed at once."""
        trip_s, cut = self._faults.trip(self._database.random, fails)
        trip_s += self._transaction.owed_s
        if cut:
            return self._arrive(trip_s, cut)
        self._transaction.owed_s = trip_s
        return NO_WAIT

    def _arrive(self, wait_s: float, cut: bool) -> Awaitable[None]:
        self._transaction.owed_s = 0.0
        return self._database.nap(wait_s, Unavailable("the connection was cut") if cut else None)


class Statement(_Line):
    """In a transaction."""

    __slots__ = ()

    async def __aenter__(self) -> Transaction:
        await self._travel(self._faults.before)
        return self._transaction

    def __aexit__(self, kind: type[BaseException] | None, *_: object) -> Awaitable[None]:
        return NO_WAIT if kind else self._owe(self._faults.after)


class Lone(_Line):
    """A statement that is a transaction of its own."""

    __slots__ = ()

    def __init__(self, database: ModelDatabase, faults: Faults) -> None:
        super().__init__(database, faults, Transaction(database))

    async def __aenter__(self) -> Transaction:
        await self._travel(self._faults.before)
        self._transaction.began_s = self._database.now_s()
        return self._transaction

    def __aexit__(self, kind: type[BaseException] | None, *_: object) -> Awaitable[None]:
        if kind:
            self._transaction.end()
            return NO_WAIT
        self._transaction.commit()
        return self._travel(self._faults.after)


class Work(_Line, Generic[Inside]):
    """A transaction: commit at the end; roll back on any error, and on a crash."""

    __slots__ = ("_inside",)

    def __init__(
        self, database: ModelDatabase, faults: Faults, transaction: Transaction, inside: Inside
    ) -> None:
        super().__init__(database, faults, transaction)
        self._inside = inside

    async def __aenter__(self) -> Inside:
        await self._owe(self._faults.before)
        return self._inside

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                await self._travel(self._faults.before)
                self._transaction.commit()
        finally:
            self._transaction.end()
        if kind is None:
            await self._travel(self._faults.after)


class Savepoint(Generic[Inside]):
    """A transaction within one: an error undoes what was done since, and no more."""

    __slots__ = ("_inside", "_mark", "_transaction")

    def __init__(self, transaction: Transaction, inside: Inside) -> None:
        self._transaction = transaction
        self._inside = inside

    async def __aenter__(self) -> Inside:
        self._mark = self._transaction.mark()
        return self._inside

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._transaction.back_to(self._mark)
