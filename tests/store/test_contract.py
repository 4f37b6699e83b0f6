"""One contract, two databases: PostgreSQL, and the model of it that the simulation runs on.

A model that nobody holds to the original lies sooner or later. Whatever a simulated story relies
on stands here, and must hold of both.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from headstart.app.ports import Cursor
from headstart.core import commands
from headstart.core.facts import MechanicFacts
from headstart.core.policy import OfflinePolicy
from headstart.core.request import (
    CustomerId,
    Matched,
    MechanicId,
    Open,
    RequestId,
    Reserved,
)
from headstart.lab.simulation.database import ModelDatabase
from tests.conftest import Cast
from tests.store.booking import POLICY, booking, mechanic_actor
from tests.store.worlds import (
    LEASE,
    ModelWorld,
    PostgreSQLWorld,
    World,
    accept,
    decline,
    in_vain,
    judge,
    paid,
)

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

WHILE_S = 0.05  # long enough for what does not wait to be over
SKIPS = replace(POLICY, offline=OfflinePolicy.SKIP)
SHORTENS = replace(POLICY, offline=OfflinePolicy.SHORTEN)


class Contract:
    """What both promise."""

    async def test_what_does_not_exist_is_not_seen(self, world: World) -> None:
        assert list(await world.requests.see([RequestId(uuid4())])) == []

    async def test_a_request_is_seen_as_it_was_written(self, world: World) -> None:
        made = await world.book(world.cast.favorite, world.cast.second)
        [seen] = await world.requests.see([made.id])
        assert seen.request == made
        assert seen.now >= made.created_at
        assert not seen.done_before

    async def test_facts_are_of_the_chain_and_of_those_concerned(self, world: World) -> None:
        favorite, (busy, suspended) = world.cast.favorite, world.cast.others
        made, elsewhere = await world.book(favorite), await world.book()
        await world.do(accept(elsewhere, busy))
        await world.suspend(suspended)
        await world.go_on_duty(favorite)
        concerned = [busy, suspended, MechanicId(uuid4())]
        [seen] = await world.requests.see([made.id], concerned=concerned)
        assert seen.facts.mechanics.keys() == {favorite, busy, suspended}
        known = seen.facts.mechanics
        assert known[favorite] == MechanicFacts(True, busy=False, online=True, favorite=True)
        assert known[busy] == MechanicFacts(True, busy=True, online=False, favorite=False)
        assert known[suspended] == MechanicFacts(False, busy=False, online=False, favorite=False)
        fresh = await world.requests.see_facts(world.cast.customer, [favorite, busy])
        assert fresh.request is None
        assert fresh.facts.mechanics == {one: known[one] for one in (favorite, busy)}

    async def test_a_favourite_is_so_for_their_own_customer_only(self, world: World) -> None:
        seen = await world.requests.see_facts(CustomerId(uuid4()), [world.cast.favorite])
        assert not seen.facts.mechanics[world.cast.favorite].favorite

    async def test_presence_ends_by_itself(self, world: World) -> None:
        await world.go_on_duty(world.cast.favorite)
        await world.advance(LEASE)
        seen = await world.requests.see_facts(world.cast.customer, [world.cast.favorite])
        assert not seen.facts.is_online(world.cast.favorite)

    async def test_a_transaction_sees_its_own_writes_and_nobody_else_does(
        self, world: World
    ) -> None:
        made = await world.book()
        change = await world.judged(accept(made, world.cast.second))
        async with world.requests.transaction() as tx:
            assert await tx.write([change]) == {made.id}
            [seen] = await tx.see([made.id])
            assert seen.request == change.request
            assert await world.stored(made) == made
        assert await world.stored(made) == change.request

    async def test_an_error_undoes_the_whole_transaction(self, world: World) -> None:
        made, end = await world.book(), await world.log.end()
        async with in_vain(world.requests.transaction()) as tx:
            await tx.write([await world.judged(accept(made, world.cast.second))])
        assert await world.stored(made) == made
        assert list(await world.told(end)) == []

    async def test_a_row_that_has_moved_is_left_alone(self, world: World) -> None:
        made, end = await world.book(), await world.log.end()
        first, second = [await world.judged(accept(made, who)) for who in world.cast.others]
        assert await world.requests.write([first]) == {made.id}
        assert await world.requests.write([second]) == frozenset()
        assert await world.stored(made) == first.request
        assert len(await world.told(end)) == 1

    async def test_of_several_changes_those_that_still_hold_are_written(self, world: World) -> None:
        moved, still = await world.book(), await world.book()
        changes = [await world.judged(decline(one, world.cast.second)) for one in (moved, still)]
        await world.do(decline(moved, world.cast.favorite))
        assert await world.requests.write(changes) == {still.id}

    async def test_a_mechanic_has_one_active_match(self, world: World) -> None:
        one, other = await world.book(), await world.book()
        first, second = [await world.judged(accept(it, world.cast.second)) for it in (one, other)]
        assert await world.requests.write([first])
        assert await world.requests.write([second]) == frozenset()
        assert await world.stored(other) == other

    async def test_a_mechanic_who_accepts_twice_at_once_gets_one(self, world: World) -> None:
        one, other = await world.book(), await world.book()
        changes = [await world.judged(accept(it, world.cast.second)) for it in (one, other)]
        written = await asyncio.gather(*(world.requests.write([change]) for change in changes))
        assert sorted(map(len, written)) == [0, 1]

    async def test_who_is_suspended_before_the_commit_does_not_win(self, world: World) -> None:
        made = await world.book()
        change = await world.judged(accept(made, world.cast.second))
        await world.suspend(world.cast.second)
        assert await world.requests.write([change]) == frozenset()

    async def test_who_is_suspended_later_still_keeps_the_match(self, world: World) -> None:
        made = await world.book()
        who = world.cast.second
        await world.do(accept(made, who))
        await world.suspend(who)
        done = commands.CompleteSession(made.id, who, mechanic_actor(who))
        assert await world.do(done) == {made.id}

    async def test_a_command_key_works_once(self, world: World) -> None:
        made, who = await world.book(), world.cast.second
        await world.do(decline(made, who), key="once")
        [again] = await world.requests.see([made.id], command_key="once")
        [other] = await world.requests.see([made.id], command_key="twice")
        assert again.done_before
        assert not other.done_before
        assert await world.do(accept(made, world.cast.favorite), key="once") == frozenset()

    async def test_a_key_is_the_request_s_own(self, world: World) -> None:
        made, other = await world.book(), await world.book()
        for one in (made, other):
            assert await world.do(decline(one, world.cast.second), key="same") == {one.id}

    async def test_a_request_is_created_once(self, world: World) -> None:
        command = await booking(world.intakes, world.cast.customer, world.cast.favorite)
        facts = await world.requests.see_facts(world.cast.customer, [world.cast.favorite])
        change = judge(facts, command)
        assert await world.requests.create(change)
        end = await world.log.end()
        assert not await world.requests.create(change)
        assert list(await world.told(end)) == []

    async def test_a_payment_makes_one_request_under_whatever_id(self, world: World) -> None:
        command = await booking(world.intakes, world.cast.customer)
        facts = await world.requests.see_facts(world.cast.customer, [])
        assert await world.requests.create(judge(facts, command))
        another = replace(command, request_id=RequestId(uuid4()))
        assert not await world.requests.create(judge(facts, another))
        assert list(await world.requests.see([another.request_id])) == []

    @pytest.mark.parametrize("rolled_back", [True, False])
    async def test_a_second_creation_waits_for_the_first(
        self, world: World, rolled_back: bool
    ) -> None:
        command = await booking(world.intakes, world.cast.customer)
        facts = await world.requests.see_facts(world.cast.customer, [])
        change = judge(facts, command)
        transaction = world.requests.transaction()
        async with in_vain(transaction) if rolled_back else transaction as tx:
            assert await tx.create(change)
            second = asyncio.create_task(world.requests.create(change))
            await asyncio.sleep(WHILE_S)
            assert not second.done()
        assert await second is rolled_back

    async def test_a_broadcast_records_who_could_accept(self, world: World) -> None:
        busy, suspended = world.cast.others
        await world.do(accept(await world.book(), busy))
        await world.suspend(suspended)
        end = await world.log.end()
        await world.book()
        requested, opened = await world.told(end)
        assert requested.eligible == frozenset()
        assert opened.eligible == {world.cast.favorite, world.cast.second}

    async def test_nothing_waits_in_an_empty_world(self, world: World) -> None:
        assert await world.requests.next_due_s() is None
        assert list(await world.requests.claim_due(10)) == []
        assert list(await world.requests.claim_unfit(10)) == []

    async def test_the_next_deadline_is_the_earliest(self, world: World) -> None:
        await world.book()
        await world.book(world.cast.favorite)
        wait_s = await world.requests.next_due_s()
        assert wait_s == pytest.approx(600, abs=5)
        await world.advance(timedelta(minutes=10))
        overdue_s = await world.requests.next_due_s()
        assert overdue_s is not None
        assert overdue_s <= 0

    async def test_the_overdue_are_claimed_in_order_and_no_others(self, world: World) -> None:
        first = await world.book(world.cast.favorite)
        await world.advance(timedelta(seconds=1))
        second = await world.book(world.cast.second)
        await world.book()
        assert list(await world.requests.claim_due(10)) == []
        await world.advance(timedelta(minutes=10))
        assert list(await world.requests.claim_due(10)) == [first.id, second.id]
        assert list(await world.requests.claim_due(1)) == [first.id]

    async def test_what_one_worker_claimed_another_skips(self, world: World) -> None:
        for _ in range(3):
            await world.book(world.cast.favorite)
        await world.advance(timedelta(minutes=10))
        async with world.requests.transaction() as one, world.requests.transaction() as other:
            claimed = set(await one.claim_due(2))
            left = set(await other.claim_due(10))
            assert (len(claimed), len(left)) == (2, 1)
            assert not claimed & left
        assert len(await world.requests.claim_due(10)) == 3

    async def test_who_accepts_waits_for_the_sweep_and_then_looks_again(self, world: World) -> None:
        made = await world.book(world.cast.favorite)
        late = await world.judged(accept(made, world.cast.favorite))
        await world.advance(timedelta(minutes=10))
        async with world.requests.transaction() as sweep:
            [claimed] = await sweep.claim_due(10)
            accepting = asyncio.create_task(world.requests.write([late]))
            await asyncio.sleep(WHILE_S)
            assert not accepting.done()
            [seen] = await sweep.see([claimed])
            await sweep.write([judge(seen, commands.EnforceDeadline(claimed))])
        assert await accepting == frozenset()
        assert isinstance((await world.stored(made)).state, Open)

    async def test_who_accepts_waits_for_a_sweep_that_fails_and_wins(self, world: World) -> None:
        made = await world.book(world.cast.favorite)
        change = await world.judged(accept(made, world.cast.favorite))
        await world.advance(timedelta(minutes=10))
        async with in_vain(world.requests.transaction()) as sweep:
            await sweep.claim_due(10)
            accepting = asyncio.create_task(world.requests.write([change]))
            await asyncio.sleep(WHILE_S)
            assert not accepting.done()
        assert await accepting == {made.id}
        assert isinstance((await world.stored(made)).state, Matched)

    async def test_a_suspended_or_busy_favourite_is_unfit(self, world: World) -> None:
        for_one = await world.book(world.cast.favorite)
        for_other = await world.book(world.cast.second)
        elsewhere = await world.book()
        assert list(await world.requests.claim_unfit(10)) == []
        await world.suspend(world.cast.favorite)
        assert set(await world.requests.claim_unfit(10)) == {for_one.id}
        await world.do(accept(elsewhere, world.cast.second))
        assert set(await world.requests.claim_unfit(10)) == {for_one.id, for_other.id}
        assert len(await world.requests.claim_unfit(1)) == 1

    async def test_an_offline_favourite_is_unfit_where_the_policy_acts_on_it(
        self, world: World
    ) -> None:
        await world.go_on_duty(world.cast.favorite)
        await world.book(world.cast.favorite)
        skips = await world.book(world.cast.favorite, policy=SKIPS)
        shortens = await world.book(world.cast.favorite, policy=SHORTENS)
        assert list(await world.requests.claim_unfit(10)) == []
        await world.advance(LEASE)
        assert set(await world.requests.claim_unfit(10)) == {skips.id, shortens.id}
        review = commands.ReviewReservation(shortens.id)
        await world.do(review)
        assert isinstance((await world.stored(shortens)).state, Reserved)
        assert set(await world.requests.claim_unfit(10)) == {skips.id}

    async def test_the_log_is_read_in_order_and_page_by_page(self, world: World) -> None:
        assert await world.log.end() == Cursor()
        made = await world.book(world.cast.favorite)
        change = await world.judged(accept(made, world.cast.favorite))
        await world.requests.write([change])
        everything = await world.told(Cursor())
        assert [one.version for one in everything] == [1, 2, 3]
        assert [one.event for one in everything][2:] == list(change.events)
        assert {(one.request_id, one.customer) for one in everything} == {
            (made.id, world.cast.customer)
        }
        places = [one.cursor for one in everything]
        assert places == sorted(set(places))
        assert await world.log.end() == places[-1]
        page = await world.log.after(places[0], 1)
        assert [one.cursor for one in page] == [places[1]]
        assert list(await world.told(places[-1])) == []

    async def test_an_event_that_commits_late_is_not_skipped(self, world: World) -> None:
        slow, fast = await world.book(), await world.book()
        end = await world.log.end()
        async with world.requests.transaction() as tx:
            await tx.write([await world.judged(decline(slow, world.cast.second))])
            await world.do(decline(fast, world.cast.second))
            assert list(await world.told(end)) == [], "the later one waits for the earlier"
            assert await world.log.end() == end
            assert await world.log.stall_s() > 0
        assert [one.request_id for one in await world.told(end)] == [slow.id, fast.id]
        assert await world.log.stall_s() == 0

    async def test_a_claim_holds_the_log_back_like_a_write(self, world: World) -> None:
        await world.book(world.cast.favorite)
        other, end = await world.book(), await world.log.end()
        await world.advance(timedelta(minutes=10))
        async with world.requests.transaction() as tx:
            await tx.claim_due(10)
            await world.do(decline(other, world.cast.second))
            assert list(await world.told(end)) == []
        assert [one.request_id for one in await world.told(end)] == [other.id]

    async def test_only_the_approved_are_told_anything(self, world: World) -> None:
        await world.suspend(suspended := world.cast.second)
        assert await world.log.unapproved() == {suspended}
        asked = [world.cast.favorite, suspended, MechanicId(uuid4())]
        assert await world.log.approved(asked) == {world.cast.favorite}

    async def test_paid_is_never_undone(self, world: World) -> None:
        command = await booking(world.intakes, world.cast.customer)
        for status, kept in (("expired", "expired"), ("paid", "paid"), ("expired", "paid")):
            await world.intakes.conclude(command.intake, status)
            intake = await world.intakes.intake(command.intake)
            assert intake is not None
            assert intake.status == kept

    async def test_a_receipt_is_the_first_once(self, world: World) -> None:
        assert await world.intakes.first_receipt(paid("evt_1"))
        assert not await world.intakes.first_receipt(paid("evt_1"))
        assert await world.intakes.first_receipt(paid("evt_2"))
        await world.intakes.conclude_receipt("evt_1", "fulfilled")
        assert not await world.intakes.first_receipt(paid("evt_1"))
        await world.intakes.conclude_receipt("evt_1", "quarantined_amount")
        assert await world.intakes.first_receipt(paid("evt_1"))

    @pytest.mark.parametrize("rolled_back", [True, False])
    async def test_a_second_receipt_waits_for_the_first(
        self, world: World, rolled_back: bool
    ) -> None:
        transaction = world.intakes.transaction()
        async with in_vain(transaction) if rolled_back else transaction as tx:
            assert await tx.first_receipt(paid("evt_1"))
            second = asyncio.create_task(world.intakes.first_receipt(paid("evt_1")))
            await asyncio.sleep(WHILE_S)
            assert not second.done()
        assert await second is rolled_back

    async def test_intake_and_request_commit_together(self, world: World) -> None:
        command = await booking(world.intakes, world.cast.customer)
        async with in_vain(world.intakes.transaction()) as tx:
            await tx.first_receipt(paid("evt_1"))
            await world.dispatcher.request_session(command, tx.requests)
            await tx.conclude(command.intake, "paid")
        assert list(await world.requests.see([command.request_id])) == []
        intake = await world.intakes.intake(command.intake)
        assert intake is not None
        assert intake.status == "draft"
        assert await world.intakes.first_receipt(paid("evt_1"))


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
