"""The way to the database and back, which costs time and may be cut.

Between two statements of one transaction nothing happens that anybody else could see. So the way
back from the one and the way to the next are waited for together, which saves every third wait.
"""

from typing import Generic, TypeVar

from headstart.app.ports import Unavailable
from headstart.lab.simulation.database import Faults, ModelDatabase, Transaction
from headstart.lab.simulation.virtual_time import nap

Inside = TypeVar("Inside")


class _Line:
    """What statements and transactions have in common: they travel."""

    __slots__ = ("_database", "_faults", "_transaction")

    def __init__(self, database: ModelDatabase, faults: Faults, transaction: Transaction) -> None:
        self._database = database
        self._faults = faults
        self._transaction = transaction

    async def _travel(self, fails: float, *, owe: bool = False) -> None:
        trip_s, cut = self._faults.trip(self._database.random, fails)
        trip_s += self._transaction.owed_s
        self._transaction.owed_s = trip_s if owe and not cut else 0.0
        if cut or not owe:
            await nap(trip_s, Unavailable("the connection was cut") if cut else None)


class Statement(_Line):
    """In a transaction, or as one of its own."""

    __slots__ = ("_alone",)

    def __init__(
        self, database: ModelDatabase, faults: Faults, transaction: Transaction | None
    ) -> None:
        super().__init__(database, faults, transaction or Transaction(database))
        self._alone = transaction is None

    async def __aenter__(self) -> Transaction:
        await self._travel(self._faults.before)
        if self._alone:
            self._transaction.began_s = self._database.now_s()
        return self._transaction

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._alone:
            if kind is None:
                self._transaction.commit()
            self._transaction.end()
        if kind is None:
            await self._travel(self._faults.after, owe=not self._alone)


class Work(_Line, Generic[Inside]):
    """A transaction: commit at the end; roll back on any error, and on a crash."""

    __slots__ = ("_inside",)

    def __init__(
        self, database: ModelDatabase, faults: Faults, transaction: Transaction, inside: Inside
    ) -> None:
        super().__init__(database, faults, transaction)
        self._inside = inside

    async def __aenter__(self) -> Inside:
        await self._travel(self._faults.before, owe=True)
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
