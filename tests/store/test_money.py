"""What is owed is written with what makes it owed, whoever writes that."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest

from headstart.app.dispatcher import Dispatcher
from headstart.app.ports import Conclusion, OperationKind
from headstart.core import commands
from headstart.core.request import RequestId
from headstart.store.intakes import IntakeStore
from headstart.store.operations import OperationStore
from headstart.store.people import PeopleStore
from tests.conftest import Cast
from tests.store.booking import booking, mechanic_actor

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

LEASE = timedelta(seconds=90)


@pytest.fixture
def operations(pool: "Pool") -> OperationStore:
    """What is owed."""
    return OperationStore(pool)


async def owed(pool: "Pool", request: RequestId) -> Sequence[tuple[str, str]]:
    """Kind and state of everything that is owed for a request."""
    query = "select kind, state from stripe_operations where request_id = $1 order by id"
    return [(row["kind"], row["state"]) for row in await pool.fetch(query, request)]


async def dispatched(
    dispatcher: Dispatcher, intakes: IntakeStore, cast: Cast, *, hold: bool
) -> RequestId:
    """A paid, or held, request that is open to everybody."""
    command = await booking(intakes, cast.customer)
    paid = replace(command, payment=replace(command.payment, hold=hold))
    request = await dispatcher.request_session(paid, intakes.requests)
    return request.id


@pytest.mark.parametrize("status", ["unfilled", "cancelled"])
async def test_ending_a_paid_request_owes_its_money_whoever_ends_it(
    pool: "Pool", dispatcher: Dispatcher, intakes: IntakeStore, cast: Cast, status: str
) -> None:
    request = await dispatched(dispatcher, intakes, cast, hold=False)
    assert await owed(pool, request) == []
    by_hand = "update session_requests set status = $1, stage = null, due_at = null where id = $2"
    await pool.execute(by_hand, status, request)
    assert await owed(pool, request) == [("give_back", "due")]


async def test_a_match_owes_a_capture_only_of_a_hold(
    pool: "Pool", dispatcher: Dispatcher, intakes: IntakeStore, cast: Cast
) -> None:
    for hold, mechanic in zip((True, False), cast.others, strict=True):
        request = await dispatched(dispatcher, intakes, cast, hold=hold)
        accept = commands.AcceptOffer(request, mechanic, mechanic_actor(mechanic))
        await dispatcher.execute(accept)
        assert await owed(pool, request) == ([("capture", "due")] if hold else [])
        release = commands.ReleaseMatch(request, mechanic, mechanic_actor(mechanic))
        await dispatcher.execute(release)
        await dispatcher.execute(
            commands.AcceptOffer(request, cast.favorite, mechanic_actor(mechanic))
        )
        assert len(await owed(pool, request)) == hold, "captured once, whoever comes in the end"
        await dispatcher.execute(commands.CompleteSession(request, None, commands.SYSTEM))


async def test_a_capture_that_nobody_began_is_not_begun_after_the_end(
    pool: "Pool", dispatcher: Dispatcher, intakes: IntakeStore, cast: Cast
) -> None:
    request = await dispatched(dispatcher, intakes, cast, hold=True)
    mechanic = cast.others[0]
    await dispatcher.execute(commands.AcceptOffer(request, mechanic, mechanic_actor(mechanic)))
    cancel = commands.CancelRequest(request, commands.Actor("operator"))
    await dispatcher.execute(cancel, reason="a test")
    assert await owed(pool, request) == [("capture", "superseded"), ("give_back", "due")]


async def test_the_debts_of_one_payment_are_done_one_after_the_other(
    pool: "Pool",
    dispatcher: Dispatcher,
    intakes: IntakeStore,
    operations: OperationStore,
    cast: Cast,
) -> None:
    request = await dispatched(dispatcher, intakes, cast, hold=True)
    mechanic = cast.others[0]
    await dispatcher.execute(commands.AcceptOffer(request, mechanic, mechanic_actor(mechanic)))
    [capture] = await operations.claim(10, LEASE)
    cancel = commands.CancelRequest(request, commands.Actor("operator"))
    await dispatcher.execute(cancel, reason="a test")
    assert await operations.claim(10, LEASE) == [], "the capture is still under way"
    await operations.conclude(capture, Conclusion.DONE, "captured", 2999)
    [give_back] = await operations.claim(10, LEASE)
    assert (capture.kind, give_back.kind) == (OperationKind.CAPTURE, OperationKind.GIVE_BACK)


async def test_who_comes_back_after_the_lease_concludes_nothing(
    pool: "Pool", operations: OperationStore, people: PeopleStore
) -> None:
    await operations.ask_for(OperationKind.LOOK, "cs_test_1")
    [late] = await operations.claim(10, LEASE)
    assert await operations.claim(10, LEASE) == []
    await people.advance_clock(LEASE)
    [again] = await operations.claim(10, LEASE)
    assert (again.id, again.attempts) == (late.id, 2)
    await operations.conclude(late, Conclusion.DONE, "old news")
    await operations.postpone(late, LEASE, "old news")
    assert await pool.fetchval("select state from stripe_operations") == "due"
    await operations.conclude(again, Conclusion.DONE, "fulfilled")
    assert await pool.fetchval("select result from stripe_operations") == "fulfilled"


async def test_what_is_asked_for_while_it_is_done_is_done_once_more(
    pool: "Pool", operations: OperationStore
) -> None:
    await operations.ask_for(OperationKind.LOOK, "cs_test_1")
    [first] = await operations.claim(10, LEASE)
    await operations.ask_for(OperationKind.LOOK, "cs_test_1")
    await operations.conclude(first, Conclusion.DONE, "fulfilled")
    [second] = await operations.claim(10, LEASE)
    await operations.conclude(second, Conclusion.DONE, "fulfilled")
    assert await operations.claim(10, LEASE) == []
    assert await pool.fetchval("select count(*) from stripe_operations") == 1


async def test_money_moves_for_a_request_and_for_nothing_else(pool: "Pool") -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="money_moves_for_a_request"):
        await pool.execute(
            "insert into stripe_operations (key, kind, subject) values ($1, 'give_back', 'pi_1')",
            str(uuid4()),
        )
