"""One operation's trouble is not another's."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, cast

from headstart.app.cashier import AT_ONCE_MAX, LEASE, Cashier
from headstart.app.dispatcher import Dispatcher
from headstart.app.fulfilment import Fulfilment
from headstart.app.ports import Conclusion, Money, Operation, OperationKind, Unavailable
from headstart.app.wakeups import Wakeups
from headstart.lab.simulation.database import Faults, ModelDatabase
from headstart.lab.simulation.ledger import ModelLedger

GUARD_S = 30.0  # ends a test that would hang


class Forgetful(ModelLedger):
    """Nothing can be written down of the first page."""

    async def conclude(
        self, operation: Operation, how: Conclusion, result: str, amount: int | None = None
    ) -> None:
        if operation.subject == "cs_first":
            raise Unavailable("the connection was cut")
        await super().conclude(operation, how, result, amount)


class Hanging:
    """A payment service that does not answer about some pages, until it is told to."""

    def __init__(self, *pages: str) -> None:
        self._pages = pages
        self.asked: list[str] = []
        self.answers = asyncio.Event()

    async def expire_checkout(self, checkout_session_id: str, **_: Any) -> None:
        self.asked.append(checkout_session_id)
        if checkout_session_id in self._pages:
            await self.answers.wait()


def at_work(ledger: ModelLedger, stripe: Hanging) -> Cashier:
    """It needs neither of the others to close a page."""
    nobody = cast(Any, None)
    return Cashier(
        ledger, cast(Money, stripe), cast(Fulfilment, nobody), cast(Dispatcher, nobody), Wakeups()
    )


def a_ledger(kind: type[ModelLedger] = ModelLedger) -> tuple[ModelDatabase, ModelLedger]:
    database = ModelDatabase(Random(0))
    return database, kind(database, Faults(trip_s_max=0.0))


def states(database: ModelDatabase) -> dict[str, str]:
    return {debt.subject: debt.state for debt in database.state.books.debts.values()}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(GUARD_S):
        while not condition():  # noqa: ASYNC110 - there is no event for that
            await asyncio.sleep(0)


async def test_what_cannot_be_written_down_is_done_again_and_holds_up_nobody() -> None:
    database, ledger = a_ledger(Forgetful)
    for page in ("cs_first", "cs_second"):
        await ledger.ask_for(OperationKind.EXPIRE, page)
    await at_work(ledger, Hanging()).work()
    assert states(database) == {"cs_first": "due", "cs_second": "done"}
    assert len(await ledger.claim(9, LEASE)) == 0, "not before the lease is over"
    database.ahead_s += LEASE.total_seconds()
    assert len(await ledger.claim(9, LEASE)) == 1


async def test_a_call_that_hangs_holds_up_no_other() -> None:
    database, ledger = a_ledger()
    pages = [f"cs_{number}" for number in range(3 * AT_ONCE_MAX)]
    for page in pages:
        await ledger.ask_for(OperationKind.EXPIRE, page)
    stripe = Hanging(pages[0])
    loop = asyncio.create_task(at_work(ledger, stripe).run())
    await until(lambda: list(states(database).values()).count("done") == len(pages) - 1)
    assert states(database)[pages[0]] == "due"
    await ledger.ask_for(OperationKind.EXPIRE, "cs_later")
    await until(lambda: states(database)["cs_later"] == "done")
    stripe.answers.set()
    await until(lambda: states(database)[pages[0]] == "done")
    loop.cancel()


async def test_no_more_is_under_way_than_there_are_hands_and_a_stop_ends_it() -> None:
    _, ledger = a_ledger()
    pages = [f"cs_{number}" for number in range(AT_ONCE_MAX + 1)]
    for page in pages:
        await ledger.ask_for(OperationKind.EXPIRE, page)
    stripe = Hanging(*pages)
    cashier = at_work(ledger, stripe)
    loop = asyncio.create_task(cashier.run())
    await until(lambda: len(stripe.asked) == AT_ONCE_MAX)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(stripe.asked) == AT_ONCE_MAX
    others = asyncio.all_tasks() - {asyncio.current_task(), loop}
    loop.cancel()
    await asyncio.wait([loop])
    assert len(others) == AT_ONCE_MAX
    assert all(task.cancelled() for task in others)
