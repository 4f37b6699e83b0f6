"""The contract about money, for both databases: debts, leases, sights of payments, purchases."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from headstart.app.ports import (
    Conclusion,
    Operation,
    OperationKind,
    Operations,
    PaidRequest,
)
from headstart.core import commands
from headstart.core.request import (
    CancelReason,
    CustomerId,
    IntakeId,
    MechanicId,
    RequestId,
    SessionRequest,
)
from headstart.lab.simulation.database import ModelDatabase
from headstart.store.operations import PATIENCE
from tests.conftest import Cast
from tests.store.booking import booking, mechanic_actor, money
from tests.store.worlds import ModelWorld, PostgreSQLWorld, World, accept, in_vain

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

LEASE = timedelta(seconds=90)
WHILE_S = 0.05  # long enough for what does not wait to be over
LOOK, CAPTURE, GIVE_BACK, EXPIRE = OperationKind
OPERATOR = commands.Actor("operator")


def operations(world: World) -> Operations:
    """What is owed."""
    owed: Operations = world.intakes.operations
    return owed


async def claimed(world: World) -> Sequence[Operation]:
    """Everything that is due, as one worker takes it."""
    taken = await operations(world).claim(10, LEASE)
    return sorted(taken, key=lambda one: one.id)


async def owed(world: World) -> Sequence[tuple[OperationKind, str]]:
    """What is due, and about what."""
    return [(one.kind, one.subject) for one in await claimed(world)]


async def paid_for(world: World, *, hold: bool) -> SessionRequest:
    """A request with money behind it, which everybody is asked to take."""
    command = await booking(world.intakes, world.cast.customer)
    own = f"pi_{command.request_id}"
    paid = replace(command, payment=replace(command.payment, hold=hold, payment_intent=own))
    return await world.dispatcher.request_session(paid, world.requests)


async def page_of(world: World, intake: IntakeId) -> str:
    """Where this intake is to be paid."""
    page = f"cs_test_{intake}"
    await world.intakes.at_checkout(intake, page, "https://pay.example/")
    return page


def cancel(request: SessionRequest) -> commands.CancelRequest:
    return commands.CancelRequest(request.id, OPERATOR)


def release(request: SessionRequest, mechanic: MechanicId) -> commands.ReleaseMatch:
    return commands.ReleaseMatch(request.id, mechanic, mechanic_actor(mechanic))


class Contract:
    """What both promise."""

    async def test_nothing_is_owed_in_an_empty_world(self, world: World) -> None:
        assert await owed(world) == []
        assert await operations(world).next_due_s() is None
        assert list(await operations(world).doubtful(10)) == []

    async def test_what_is_asked_for_is_due_at_once_and_leased_to_one(self, world: World) -> None:
        await operations(world).ask_for(LOOK, "cs_1")
        assert await operations(world).next_due_s() == pytest.approx(0, abs=5)
        [one] = await claimed(world)
        assert (one.kind, one.subject, one.attempts, one.nudges) == (LOOK, "cs_1", 1, 0)
        assert one.idempotency_key == "look:cs_1:1"
        assert await owed(world) == []
        leased_s = await operations(world).next_due_s()
        assert leased_s == pytest.approx(LEASE.total_seconds(), abs=5)

    async def test_no_more_is_claimed_than_was_asked_for(self, world: World) -> None:
        for page in ("cs_1", "cs_2", "cs_3"):
            await operations(world).ask_for(LOOK, page)
        assert len(await operations(world).claim(2, LEASE)) == 2
        assert len(await claimed(world)) == 1

    async def test_who_comes_back_after_the_lease_changes_nothing(self, world: World) -> None:
        await operations(world).ask_for(LOOK, "cs_1")
        [late] = await claimed(world)
        await world.advance(LEASE)
        [again] = await claimed(world)
        assert (again.id, again.attempts) == (late.id, 2)
        await operations(world).conclude(late, Conclusion.DONE, "late")
        await operations(world).postpone(late, timedelta(0), "late", new_key=True)
        leased_s = await operations(world).next_due_s()
        assert leased_s == pytest.approx(LEASE.total_seconds(), abs=5)
        await operations(world).conclude(again, Conclusion.DONE, "done")
        await world.advance(LEASE)
        assert await owed(world) == []
        assert await operations(world).next_due_s() is None

    async def test_what_is_postponed_waits_and_may_get_a_new_key(self, world: World) -> None:
        await operations(world).ask_for(LOOK, "cs_1")
        [one] = await claimed(world)
        await operations(world).postpone(one, timedelta(minutes=1), "later", new_key=True)
        assert await owed(world) == []
        await world.advance(timedelta(minutes=1))
        [again] = await claimed(world)
        assert (again.attempts, again.key_number) == (2, 2)
        await operations(world).postpone(again, timedelta(0), "later")
        assert [one.key_number for one in await claimed(world)] == [2]

    async def test_what_is_asked_for_meanwhile_is_done_once_more(self, world: World) -> None:
        await operations(world).ask_for(LOOK, "cs_1")
        [one] = await claimed(world)
        await operations(world).ask_for(LOOK, "cs_1")
        assert await owed(world) == [], "the lease stays"
        await operations(world).conclude(one, Conclusion.DONE, "old")
        [again] = await claimed(world)
        assert (again.id, again.attempts, again.nudges) == (one.id, 2, 1)
        await operations(world).conclude(again, Conclusion.DONE, "new")
        assert await owed(world) == []

    async def test_what_is_asked_for_afterwards_begins_anew(self, world: World) -> None:
        await operations(world).ask_for(LOOK, "cs_1")
        [one] = await claimed(world)
        await operations(world).conclude(one, Conclusion.DONE, "done")
        await operations(world).ask_for(LOOK, "cs_1")
        [again] = await claimed(world)
        assert (again.id, again.attempts, again.nudges) == (one.id, 1, 1)

    async def test_news_ends_the_wait_of_a_postponed_one(self, world: World) -> None:
        await operations(world).ask_for(LOOK, "cs_1")
        [one] = await claimed(world)
        await operations(world).postpone(one, timedelta(minutes=10), "unavailable")
        assert await owed(world) == [], "it waits"
        await operations(world).ask_for(LOOK, "cs_1")
        [again] = await claimed(world)
        assert (again.id, again.attempts, again.nudges) == (one.id, 2, 1)
        await operations(world).ask_for(LOOK, "cs_1")
        assert await owed(world) == [], "the attempt under way keeps its lease"
        await operations(world).postpone(again, timedelta(minutes=10), "unavailable")
        assert await owed(world) == [(LOOK, "cs_1")], "it was asked for meanwhile"

    async def test_what_is_rolled_back_was_never_asked_for(self, world: World) -> None:
        async with in_vain(world.intakes.transaction()) as tx:
            await tx.operations.ask_for(LOOK, "cs_1")
            assert await owed(world) == [], "nobody sees it before the commit"
        assert await owed(world) == []
        async with world.intakes.transaction() as tx, in_vain(tx.transaction()) as part:
            await part.operations.ask_for(LOOK, "cs_1")
        assert await owed(world) == []

    @pytest.mark.parametrize("hold", [True, False])
    async def test_a_match_owes_a_capture_of_what_is_held_once(
        self, world: World, hold: bool
    ) -> None:
        made, (first, second) = await paid_for(world, hold=hold), world.cast.others
        await world.do(accept(made, first))
        assert [kind for kind, _ in await owed(world)] == [CAPTURE] * hold
        await world.do(release(made, first))
        await world.do(accept(made, second))
        await world.advance(LEASE)
        taken = await claimed(world)
        assert [(one.kind, one.request, one.attempts) for one in taken] == [
            (CAPTURE, made.id, 2)
        ] * hold

    @pytest.mark.parametrize("hold", [True, False])
    async def test_an_end_without_a_session_owes_everything_back(
        self, world: World, hold: bool
    ) -> None:
        unfilled, cancelled = await paid_for(world, hold=hold), await paid_for(world, hold=hold)
        await world.do(cancel(cancelled))
        await world.advance(timedelta(minutes=30))
        await world.do(commands.EnforceDeadline(unfilled.id))
        taken = await claimed(world)
        assert [(one.kind, one.request) for one in taken] == [
            (GIVE_BACK, cancelled.id),
            (GIVE_BACK, unfilled.id),
        ]

    async def test_a_completed_session_owes_nothing(self, world: World) -> None:
        made = await paid_for(world, hold=False)
        await world.do(accept(made, world.cast.second))
        await world.do(commands.CompleteSession(made.id, None, OPERATOR))
        assert await owed(world) == []

    async def test_a_purchase_that_is_void_owes_its_money_at_once(self, world: World) -> None:
        command = await booking(world.intakes, world.cast.customer)
        void = replace(command, void=CancelReason.SECOND_PURCHASE)
        await world.dispatcher.request_session(void, world.requests)
        assert await owed(world) == [(GIVE_BACK, command.payment.payment_intent)]

    async def test_a_change_that_is_rolled_back_owes_nothing(self, world: World) -> None:
        made = await paid_for(world, hold=True)
        async with in_vain(world.requests.transaction()) as tx:
            await tx.write([await world.judged(cancel(made))])
        assert await owed(world) == []

    async def test_a_capture_that_nobody_began_is_not_begun_after_the_end(
        self, world: World
    ) -> None:
        made = await paid_for(world, hold=True)
        for command in (accept(made, world.cast.second), cancel(made)):
            await world.do(command)
        assert [kind for kind, _ in await owed(world)] == [GIVE_BACK]

    async def test_one_payment_s_debts_are_done_one_after_the_other(self, world: World) -> None:
        made = await paid_for(world, hold=True)
        await world.do(accept(made, world.cast.second))
        [capture] = await claimed(world)
        await world.do(cancel(made))
        assert await owed(world) == [], "the capture is still under way"
        await operations(world).conclude(capture, Conclusion.DONE, "captured", 2999)
        assert [kind for kind, _ in await owed(world)] == [GIVE_BACK]

    async def test_what_was_given_back_and_is_seen_again_needs_a_person_once(
        self, world: World
    ) -> None:
        made = await paid_for(world, hold=False)
        before = await operations(world).clock()
        await world.do(cancel(made))
        [give_back] = await claimed(world)
        after = await operations(world).clock() + timedelta(seconds=1)
        assert not await operations(world).contradict(made.id, after), "it is not done yet"
        await operations(world).conclude(give_back, Conclusion.DONE, "refunded", 2999)
        assert not await operations(world).contradict(made.id, before), "that is an old sight"
        after = await operations(world).clock() + timedelta(seconds=1)
        assert await operations(world).contradict(made.id, after)
        assert not await operations(world).contradict(made.id, after)

    async def test_the_newest_sight_of_a_payment_wins(self, world: World) -> None:
        now = await operations(world).clock()
        for later_s, seen, gone in (
            (0, money("pi_1"), False),
            (2, money("pi_1", returned=2999), True),
            (1, money("pi_1"), True),
            (3, money("pi_1", returned=1000), False),
            (4, money("pi_1", "requires_capture"), False),
            (5, money("pi_1", "canceled"), True),
        ):
            await operations(world).keep_payment(seen, None, now + timedelta(seconds=later_s))
            assert await operations(world).is_gone("pi_1") is gone

    async def test_a_payment_names_its_request(self, world: World) -> None:
        command = await booking(world.intakes, world.cast.customer)
        payment = str(command.payment.payment_intent)
        assert await operations(world).request_of_payment(payment) is None
        made = await world.dispatcher.request_session(command, world.requests)
        page = command.payment.checkout_session
        request_of = operations(world).request_of_payment
        assert await request_of(payment) == PaidRequest(made.id, page, "pending")
        await world.do(cancel(made))
        assert await request_of(payment) == PaidRequest(made.id, page, "cancelled")

    async def test_a_page_that_stays_unpaid_is_doubtful_now_and_then(self, world: World) -> None:
        intake = (await booking(world.intakes, world.cast.customer)).intake
        await world.advance(PATIENCE)
        assert list(await operations(world).doubtful(10)) == [], "it is a draft"
        page = await page_of(world, intake)
        await world.advance(timedelta(seconds=1))
        assert list(await operations(world).doubtful(10)) == [page]
        await operations(world).ask_for(LOOK, page)
        assert list(await operations(world).doubtful(10)) == [], "it is about to be looked at"
        [look] = await claimed(world)
        await operations(world).conclude(look, Conclusion.DONE, "not_paid_yet")
        assert list(await operations(world).doubtful(10)) == [], "it was looked at just now"
        await world.advance(PATIENCE)
        assert list(await operations(world).doubtful(10)) == [page]
        await world.intakes.conclude(intake, "paid")
        assert list(await operations(world).doubtful(10)) == []

    async def test_money_that_does_not_fit_is_doubtful(self, world: World) -> None:
        made, now = await paid_for(world, hold=True), await operations(world).clock()
        payment = f"pi_{made.id}"
        for status, doubts in (("requires_capture", []), ("canceled", [payment])):
            await operations(world).keep_payment(money(payment, status), None, now)
            assert list(await operations(world).doubtful(10)) == doubts, "somebody is looked for"
        await world.do(cancel(made))
        [give_back] = await claimed(world)
        await operations(world).keep_payment(money(payment, "requires_capture"), None, now)
        assert list(await operations(world).doubtful(10)) == [payment]
        await operations(world).keep_payment(money(payment), None, now + timedelta(seconds=1))
        assert list(await operations(world).doubtful(10)) == [], "it is still to be given back"
        await operations(world).conclude(give_back, Conclusion.DONE, "refunded", 2999)
        assert list(await operations(world).doubtful(10)) == [payment]
        returned = money(payment, returned=2999)
        await operations(world).keep_payment(returned, None, now + timedelta(seconds=2))
        assert list(await operations(world).doubtful(10)) == []

    async def test_of_our_intakes_those_that_are_not_paid_are_told(self, world: World) -> None:
        paid, draft = [(await booking(world.intakes, world.cast.customer)).intake for _ in range(2)]
        await world.intakes.conclude(paid, "paid")
        asked = [paid, draft, IntakeId(uuid4())]
        assert await operations(world).unpaid_among(asked) == {draft}

    async def test_a_customer_s_live_request_is_the_newest_that_has_not_ended(
        self, world: World
    ) -> None:
        customer, nobody = world.cast.customer, RequestId(uuid4())
        live_request_of = world.intakes.live_request_of
        assert await live_request_of(customer, but=nobody) is None
        first, second = await paid_for(world, hold=False), await paid_for(world, hold=False)
        assert await live_request_of(customer, but=nobody) == second.id
        await world.do(accept(first, world.cast.second))
        assert await live_request_of(customer, but=second.id) == first.id, "a match is live"
        await world.do(cancel(first))
        assert await live_request_of(customer, but=second.id) is None

    async def test_what_is_asked_for_in_a_transaction_is_skipped_until_its_end(
        self, world: World
    ) -> None:
        await operations(world).ask_for(LOOK, "cs_1")
        async with world.intakes.transaction() as tx:
            await tx.operations.ask_for(LOOK, "cs_1")
            assert await owed(world) == []
        assert [one.nudges for one in await claimed(world)] == [1]

    async def test_two_purchases_of_one_customer_happen_one_after_the_other(
        self, world: World
    ) -> None:
        async def purchase() -> RequestId | None:
            async with world.intakes.transaction() as tx:
                await tx.lock_customer(customer)
                return await tx.live_request_of(customer, but=RequestId(uuid4()))

        customer = world.cast.customer
        command = await booking(world.intakes, customer)
        async with world.intakes.transaction() as tx:
            await tx.lock_customer(customer)
            second = asyncio.create_task(purchase())
            await asyncio.sleep(WHILE_S)
            assert not second.done()
            made = await world.dispatcher.request_session(command, tx.requests)
        assert await second == made.id

    async def test_a_paid_page_closes_the_others_once(self, world: World) -> None:
        command, *others = [await booking(world.intakes, world.cast.customer) for _ in range(3)]
        paid, other = command.intake, others[0].intake
        await page_of(world, paid)
        page = await page_of(world, other)
        await world.dispatcher.request_session(command, world.requests)
        await world.intakes.expire_other_pages(world.cast.customer, but=paid)
        await world.intakes.expire_other_pages(world.cast.customer, but=paid)
        [expire] = await claimed(world)
        assert (expire.kind, expire.subject, expire.request) == (EXPIRE, page, None)
        assert expire.key == f"expire:{other}:1"

    async def test_who_tries_again_after_the_end_keeps_the_page(self, world: World) -> None:
        command = await booking(world.intakes, world.cast.customer)
        made = await world.dispatcher.request_session(command, world.requests)
        async with world.intakes.transaction() as tx:
            await tx.lock_customer(world.cast.customer)
            await world.dispatcher.request_session(command, tx.requests)  # it goes on
            await world.do(cancel(made))
            await page_of(world, (await booking(world.intakes, world.cast.customer)).intake)
            await tx.expire_other_pages(world.cast.customer, but=command.intake)
        assert [one for one in await claimed(world) if one.kind is EXPIRE] == []


class TestPostgreSQL(Contract):
    """The original keeps it."""

    @pytest.fixture
    async def world(self, pool: "Pool", cast: Cast) -> World:
        """Everybody approved, nobody on duty."""
        return PostgreSQLWorld(pool, cast)


class TestModel(Contract):
    """The model keeps it, too."""

    @pytest.fixture
    async def world(self) -> World:
        """Everybody approved, nobody on duty."""
        favorite, second, one, other = [MechanicId(uuid4()) for _ in range(4)]
        cast = Cast(CustomerId(uuid4()), favorite, second, (one, other))
        return ModelWorld(ModelDatabase(Random(0)), cast)
