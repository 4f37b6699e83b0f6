"""A process that dies between any two steps, before or after the effect: completed, and only once.

Every statement and every call to Stripe is a step. The test runs each operation again and again,
and lets the process die one step later each time, until nothing is left to die at.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from headstart.app.cashier import LEASE
from headstart.payments.gateway import StripeGateway
from headstart.store.postgres import Postgres, connected
from tests.money.conftest import Bank
from tests.web.conftest import world_on

CALLS = ("retrieve_checkout", "retrieve_payment", "capture", "cancel_hold", "refund", "refunds")
STEPS_MAX = 200


class Dead(BaseException):
    """Nothing after this is done by this process; no handler of ours may catch it."""


@dataclass(slots=True)
class Fate:
    """Dies at this step; the effect has happened by then, or not. Negative: lives."""

    left: int = -1
    after_the_effect: bool = False

    def step(self, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """One that may be the last."""

        async def mortal(*given: Any, **named: Any) -> Any:
            self.left -= 1
            last = self.left == 0
            if last and not self.after_the_effect:
                raise Dead
            answer = await work(*given, **named)
            if last:
                raise Dead
            return answer

        return mortal


@pytest.fixture
def fate(monkeypatch: pytest.MonkeyPatch) -> Fate:
    """Over every statement and every call."""
    made = Fate()
    monkeypatch.setattr(Postgres, "rows", made.step(Postgres.rows))
    for name in CALLS:
        monkeypatch.setattr(StripeGateway, name, made.step(getattr(StripeGateway, name)))
    return made


@pytest.fixture
async def still(database: str) -> AsyncIterator[Bank]:
    """A bank in which nothing happens by itself: no loops, and no webhooks."""
    async with (
        world_on(database, looping=False) as world,
        connected(database, connections_max=2, role=None) as pool,
    ):
        made = Bank(world, pool)
        await made.lever("switches", drop=True)
        yield made


async def work(bank: Bank) -> None:
    """What a living process does."""
    assert bank.world.service.money
    await bank.world.service.money.cashier.work()


async def dispatched(bank: Bank) -> UUID:
    """Paid, and found."""
    page = await bank.pay(await bank.open_page(await bank.customer()))
    await bank.world.service.fulfilment.settle(page)
    await work(bank)
    return await bank.request_of(page)


async def a_capture_is_owed(bank: Bank) -> UUID:
    await bank.use("hold")
    request = await dispatched(bank)
    _, mechanic = await bank.mechanic()
    await bank.accept(request, mechanic)
    return request


async def a_hold_is_to_be_let_go(bank: Bank) -> UUID:
    await bank.use("hold")
    return await cancelled(bank)


async def a_refund_is_owed(bank: Bank) -> UUID:
    await bank.use("charge")
    return await cancelled(bank)


async def cancelled(bank: Bank) -> UUID:
    request = await dispatched(bank)
    await bank.order(request, "cancellation", bank.world.operator)
    return request


async def a_capture_will_be_refused(bank: Bank) -> UUID:
    request = await a_capture_is_owed(bank)
    await bank.lever("cancel", payment_intent=await bank.payment(request))
    return request


OWED: dict[Callable[[Bank], Awaitable[UUID]], tuple[str, str, tuple[int, int]]] = {
    a_capture_is_owed: ("matched", "paid", (2999, 0)),
    a_hold_is_to_be_let_go: ("cancelled", "released", (0, 0)),
    a_refund_is_owed: ("cancelled", "returned", (2999, 2999)),
    a_capture_will_be_refused: ("cancelled", "released", (0, 0)),
}


@pytest.mark.parametrize("after_the_effect", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("owe", OWED, ids=lambda owe: owe.__name__)
async def test_whatever_is_interrupted_is_completed_once(
    still: Bank, fate: Fate, owe: Callable[[Bank], Awaitable[UUID]], after_the_effect: bool
) -> None:
    status, money, (received, refunded) = OWED[owe]
    for step in range(1, STEPS_MAX):
        request = await owe(still)
        fate.left, fate.after_the_effect = step, after_the_effect
        died = False
        try:
            await work(still)
        except Dead:
            died = True
        fate.left = -1
        await still.pass_time(LEASE.total_seconds() / 60)
        await work(still)
        await still.comes_to(request, status, money)
        at_stripe = await still.at_stripe(request)
        assert (at_stripe["received"], at_stripe["refunded"]) == (received, refunded)
        if not died:
            assert step > 5, "there were steps to die at"
            return
    pytest.fail("it never came to an end")


@pytest.mark.parametrize("after_the_effect", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("capture", ["charge", "hold"])
async def test_a_fulfilment_that_is_interrupted_is_completed_once(
    still: Bank, fate: Fate, capture: str, after_the_effect: bool
) -> None:
    await still.use(capture)
    for step in range(1, STEPS_MAX):
        page = await still.pay(await still.open_page(await still.customer()))
        fate.left, fate.after_the_effect = step, after_the_effect
        died = False
        try:
            await still.world.service.fulfilment.settle(page)
        except Dead:
            died = True
        fate.left = -1
        await still.world.service.fulfilment.settle(page)
        request = await still.request_of(page)
        query = "select count(*) from headstart.session_requests where checkout_session_id = $1"
        assert await still.pool.fetchval(query, page) == 1
        await still.comes_to(request, "pending", "paid" if capture == "charge" else "held")
        if not died:
            assert step > 5
            return
    pytest.fail("it never came to an end")
