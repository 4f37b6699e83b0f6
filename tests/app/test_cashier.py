"""One operation's trouble is not another's."""

import asyncio
from random import Random
from typing import Any, cast

import pytest

from headstart.app.cashier import Cashier
from headstart.app.dispatcher import Dispatcher
from headstart.app.fulfilment import Fulfilment
from headstart.app.ports import Conclusion, Money, Operation, OperationKind, Unavailable
from headstart.app.wakeups import Wakeups
from headstart.lab.simulation.database import Faults, ModelDatabase
from headstart.lab.simulation.ledger import ModelLedger


class Forgetful(ModelLedger):
    """Nothing can be written down of the first page."""

    async def conclude(
        self, operation: Operation, how: Conclusion, result: str, amount: int | None = None
    ) -> None:
        if operation.subject == "cs_first":
            raise Unavailable("the connection was cut")
        await super().conclude(operation, how, result, amount)


class Slow:
    """A payment service that thinks for a while about the second page."""

    def __init__(self) -> None:
        self.is_asked = asyncio.Event()
        self.answers = asyncio.Event()

    async def expire_checkout(self, checkout_session_id: str, **_: Any) -> None:
        if checkout_session_id == "cs_second":
            self.is_asked.set()
            await self.answers.wait()


async def test_work_ends_when_all_of_it_has_ended_even_if_some_of_it_failed() -> None:
    database = ModelDatabase(Random(0))
    ledger, stripe = Forgetful(database, Faults(trip_s_max=0.0)), Slow()
    for page in ("cs_first", "cs_second"):
        await ledger.ask_for(OperationKind.EXPIRE, page)
    nobody = cast(Any, None)
    cashier = Cashier(
        ledger, cast(Money, stripe), cast(Fulfilment, nobody), cast(Dispatcher, nobody), Wakeups()
    )
    work = asyncio.create_task(cashier.work())
    await stripe.is_asked.wait()
    for _ in range(100):
        await asyncio.sleep(0)
    assert not work.done()
    stripe.answers.set()
    with pytest.raises(Unavailable):
        await work
    states = {debt.subject: debt.state for debt in database.state.books.debts.values()}
    assert states == {"cs_first": "due", "cs_second": "done"}
