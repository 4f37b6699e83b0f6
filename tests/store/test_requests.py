"""Session requests in PostgreSQL: what was decided is written, and races have one winner."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest

from headstart.app.dispatcher import Dispatcher, Done
from headstart.app.ports import Change, Unavailable
from headstart.core import commands
from headstart.core.events import RequestCancelled, RequestOpened, Stage
from headstart.core.evolve import evolve
from headstart.core.refusals import Refusal
from headstart.core.request import (
    Cancelled,
    MechanicId,
    Open,
    RequestId,
    Reserved,
    SessionRequest,
)
from headstart.store.intakes import IntakeStore
from headstart.store.migrate import check_statements
from headstart.store.people import PeopleStore
from headstart.store.postgres import connected
from headstart.store.requests import RequestStore
from headstart.store.rows import event_from
from tests.conftest import Cast
from tests.store.booking import book, booking, mechanic_actor

if TYPE_CHECKING:
    from headstart.store.postgres import Pool


async def stored(requests: RequestStore, request_id: RequestId) -> SessionRequest:
    """The request as it stands."""
    [seen] = await requests.see([request_id])
    assert seen.request
    return seen.request


async def columns(pool: "Pool", request_id: RequestId) -> asyncpg.Record:
    """The row itself."""
    row = await pool.fetchrow("select * from session_requests where id = $1", request_id)
    assert row
    return row


def accept(request: SessionRequest, mechanic: MechanicId) -> commands.AcceptOffer:
    """This mechanic accepts."""
    return commands.AcceptOffer(request.id, mechanic, mechanic_actor(mechanic))


async def test_the_row_equals_the_replayed_log_after_every_command(
    pool: "Pool", requests: RequestStore, intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    request = await book(dispatcher, intakes, cast.customer, cast.favorite, cast.second)
    first, other = cast.favorite, cast.others[0]
    customer, operator = commands.Actor("customer", str(cast.customer)), commands.Actor("operator")
    story: list[commands.Command] = [
        commands.ExtendWindow(request.id, customer),
        commands.DeclineOffer(request.id, first, mechanic_actor(first)),
        commands.AskEveryone(request.id, customer),
        accept(request, other),
        commands.ReleaseMatch(request.id, other, mechanic_actor(other)),
        commands.AssignMechanic(request.id, cast.second, operator),
        commands.CompleteSession(request.id, cast.second, mechanic_actor(cast.second)),
    ]
    for command in story:
        why = "a test" if command.actor == operator else None
        outcome = await dispatcher.execute(command, reason=why)
        assert isinstance(outcome, Done), outcome
        row = await stored(requests, request.id)
        assert row == outcome.request
        assert row == await replayed(pool, request.id)


async def replayed(pool: "Pool", request_id: RequestId) -> SessionRequest:
    """The request folded from its log."""
    request: SessionRequest | None = None
    query = "select * from session_events where request_id = $1 order by version"
    for event in await pool.fetch(query, request_id):
        told = [event_from(event["kind"], event["payload"])]
        request = evolve(request_id, request, told, at=event["at"])
    assert request
    return request


async def test_metadata_mirrors_the_columns_and_nothing_that_did_not_happen(
    pool: "Pool", intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    plain = await book(dispatcher, intakes, cast.customer)
    assert (await columns(pool, plain.id))["metadata"] == {}

    priority = await book(dispatcher, intakes, cast.customer, cast.favorite)
    metadata = (await columns(pool, priority.id))["metadata"]
    assert metadata.pop("priority_notified_at").endswith("Z")
    assert metadata == {
        "preferred_mechanic_id": str(cast.favorite),
        "routing_type": "priority_broadcast",
        "priority_window_minutes": 10,
    }
    customer = commands.Actor("customer", str(cast.customer))
    await dispatcher.execute(commands.ExtendWindow(priority.id, customer))
    row = await columns(pool, priority.id)
    assert row["metadata"]["priority_window_minutes"] == row["priority_window_minutes"] == 15
    assert row["due_at"] - row["priority_notified_at"] == timedelta(minutes=15)
    await dispatcher.execute(commands.AskEveryone(priority.id, customer))
    row = await columns(pool, priority.id)
    assert row["metadata"]["fallback_reason"] == row["fallback_reason"] == "customer_skipped"
    assert row["metadata"]["fallback_broadcast_at"]


async def test_the_same_purchase_fifty_times_at_once_is_one_request(
    pool: "Pool", intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    command = await booking(intakes, cast.customer, cast.favorite)
    made = await asyncio.gather(
        *(dispatcher.request_session(command, intakes.requests) for _ in range(50))
    )
    assert len({(one.id, one.version, one.due_at) for one in made}) == 1
    assert await pool.fetchval("select count(*) from session_requests") == 1
    assert await pool.fetchval("select count(*) from session_events") == 2


async def test_forty_accept_at_once_and_one_wins(
    pool: "Pool", intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    people = PeopleStore(pool)
    crowd = [MechanicId(uuid4()) for _ in range(40)]
    for mechanic in crowd:
        await people.add_mechanic(mechanic, "Somebody")
    for _ in range(5):
        request = await book(dispatcher, intakes, cast.customer)
        outcomes = await asyncio.gather(
            *(dispatcher.execute(accept(request, mechanic)) for mechanic in crowd)
        )
        winners = [one for one in outcomes if isinstance(one, Done)]
        assert len(winners) == 1
        assert {one for one in outcomes if isinstance(one, Refusal)} <= {
            Refusal.ALREADY_MATCHED,
            Refusal.MECHANIC_BUSY,  # the winners of earlier rounds
        }


async def test_one_mechanic_accepts_two_requests_at_once_and_gets_one(
    intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    first = await book(dispatcher, intakes, cast.customer)
    second = await book(dispatcher, intakes, cast.customer)
    mechanic = cast.others[0]
    outcomes = await asyncio.gather(
        *(dispatcher.execute(accept(request, mechanic)) for request in (first, second))
    )
    assert sorted(isinstance(one, Done) for one in outcomes) == [False, True]
    assert Refusal.MECHANIC_BUSY in outcomes


async def test_a_mechanic_suspended_in_the_instant_of_accepting_does_not_win(
    pool: "Pool", requests: RequestStore, intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    """The suspension commits after the facts were read and before the match is written."""
    request = await book(dispatcher, intakes, cast.customer)
    suspended = cast.others[0]

    class Interrupted(RequestStore):
        async def write(self, changes: Sequence[Change]) -> frozenset[RequestId]:
            await PeopleStore(pool).set_mechanic_status(suspended, "suspended")
            return await super().write(changes)

    outcome = await Dispatcher(Interrupted(pool), lambda: None).execute(accept(request, suspended))
    assert outcome is Refusal.MECHANIC_NOT_APPROVED
    assert isinstance((await stored(requests, request.id)).state, Open)


async def test_a_command_key_makes_a_late_repeat_harmless(
    requests: RequestStore, intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    """Accepted, released, and then the first accept arrives once more."""
    request = await book(dispatcher, intakes, cast.customer)
    mechanic = cast.others[0]
    key = "accept-1"
    assert isinstance(await dispatcher.execute(accept(request, mechanic), command_key=key), Done)
    await dispatcher.execute(commands.ReleaseMatch(request.id, mechanic, mechanic_actor(mechanic)))
    again = await dispatcher.execute(accept(request, mechanic), command_key=key)
    assert isinstance(again, Done)
    assert not again.changed
    assert isinstance((await stored(requests, request.id)).state, Open)


async def test_an_error_in_the_priority_path_opens_the_request_once(
    pool: "Pool", owner: "Pool", intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    command = await booking(intakes, cast.customer, cast.favorite)
    await owner.execute("alter table favorites rename to hidden")
    made = await dispatcher.request_session(command, intakes.requests)
    await owner.execute("alter table hidden rename to favorites")
    assert isinstance(made.state, Open)
    row = await columns(pool, made.id)
    assert row["fallback_reason"] == "error"
    assert row["metadata"]["fallback_reason"] == "error"


async def test_a_broadcast_records_who_could_accept_when_it_committed(
    pool: "Pool", intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    busy, suspended = cast.others
    await PeopleStore(pool).set_mechanic_status(suspended, "suspended")
    earlier = await book(dispatcher, intakes, cast.customer)
    await dispatcher.execute(accept(earlier, busy))
    request = await book(dispatcher, intakes, cast.customer)
    eligible = await pool.fetchval(
        "select eligible from session_events where request_id = $1 and kind = 'request_opened'",
        request.id,
    )
    assert set(eligible) == {cast.favorite, cast.second}


BAD_STATES = {
    "pending_request_has_a_deadline": "due_at = null",
    "reserved_request_is_held_for_somebody": "reserved_for = null, chain_step = null",
    "matched_request_has_a_mechanic": "status = 'matched', stage = null, reserved_for = null,"
    " chain_step = null",
    "fallback_reason_is_known": "fallback_reason = 'tired', fallback_broadcast_at = now()",
    "fallback_has_exactly_one_reason": "fallback_reason = 'declined'",
    "status_is_known": "status = 'waiting', stage = null, due_at = null, reserved_for = null,"
    " chain_step = null",
    "metadata_mirrors_the_columns": "metadata = '{}'",
    "pending_request_has_a_stage": "stage = null, reserved_for = null, chain_step = null",
}


@pytest.mark.parametrize("constraint", BAD_STATES)
async def test_a_bad_state_cannot_be_stored(
    constraint: str, pool: "Pool", intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    await book(dispatcher, intakes, cast.customer, cast.favorite)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await pool.execute(f"update session_requests set {BAD_STATES[constraint]}")
    assert refused.value.constraint_name == constraint


async def test_due_and_unfit_requests_are_claimed_once(
    pool: "Pool", requests: RequestStore, intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    due = await book(dispatcher, intakes, cast.customer, cast.favorite)
    later = await book(dispatcher, intakes, cast.customer, cast.favorite)
    assert not await requests.claim_due(10)
    await PeopleStore(pool).advance_clock(timedelta(minutes=10))
    async with requests.transaction() as one, requests.transaction() as another:
        claimed = set(await one.claim_due(10))
        assert claimed == {due.id, later.id}
        assert not await another.claim_due(10)


async def test_a_favourite_who_is_suspended_or_matched_elsewhere_loses_the_window_at_once(
    pool: "Pool", requests: RequestStore, intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    first = await book(dispatcher, intakes, cast.customer, cast.favorite, cast.second)
    assert await dispatcher.review_unfit(10) == 0
    elsewhere = await book(dispatcher, intakes, cast.customer)
    await dispatcher.execute(accept(elsewhere, cast.favorite))
    assert await dispatcher.review_unfit(10) == 1
    state = (await stored(requests, first.id)).state
    assert isinstance(state, Reserved)
    assert state.mechanic == cast.second
    await PeopleStore(pool).set_mechanic_status(cast.second, "suspended")
    assert await dispatcher.review_unfit(10) == 1
    row = await columns(pool, first.id)
    assert (row["stage"], row["fallback_reason"]) == ("open", "mechanic_unavailable")


async def test_everything_works_behind_a_pooler_that_keeps_no_settings(
    owner: "Pool", database: str, cast: Cast
) -> None:
    """No prepared statements, and no search path that would find our tables by chance."""
    name = database.partition("@/")[2].partition("?")[0]
    await owner.execute(f"alter database {name} set search_path = ''")
    async with connected(database, connections_max=2, prepared_statements=False) as bare:
        assert await bare.fetchval("show search_path") == '""'
        await check_statements(bare)
        dispatcher = Dispatcher(RequestStore(bare), lambda: None)
        request = await book(dispatcher, IntakeStore(bare), cast.customer, cast.favorite)
        outcome = await dispatcher.execute(accept(request, cast.favorite))
    assert isinstance(outcome, Done)


async def test_who_waits_too_long_for_a_connection_may_try_again(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.store.postgres.PATIENCE_S", 0.05)
    async with connected(database, connections_max=1) as only_one, only_one.acquire():
        with pytest.raises(Unavailable):
            await RequestStore(only_one).clock()


async def test_on_one_connection_each_statement_commits_by_itself(
    requests: RequestStore, intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    made = await book(dispatcher, intakes, cast.customer)
    after = replace(made, version=made.version + 1, state=Cancelled())
    told = [RequestCancelled(Stage.OPEN, None)]
    change = Change(made, after, told, made.created_at, commands.SYSTEM)
    async with requests.connection() as one:
        assert await one.write([change]) == {made.id}
        assert await stored(requests, made.id) == after


async def test_an_opening_that_stands_alone_records_who_could_accept(
    pool: "Pool", requests: RequestStore, intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    made = await book(dispatcher, intakes, cast.customer)
    after = replace(made, version=made.version + 1, round=made.round + 1)
    told = [RequestOpened(made.created_at, None, frozenset())]
    await requests.write([Change(made, after, told, made.created_at, commands.SYSTEM)])
    eligible = await pool.fetchval("select eligible from session_events where round = 1")
    assert set(eligible) == {cast.favorite, cast.second, *cast.others}


async def test_an_odd_window_stays_as_it_was_written(
    pool: "Pool", requests: RequestStore, intakes: IntakeStore, dispatcher: Dispatcher, cast: Cast
) -> None:
    odd = await booking(intakes, cast.customer, cast.favorite, window=timedelta(minutes=0.1))
    made = await dispatcher.request_session(odd, requests)
    before = (await columns(pool, made.id))["priority_window_minutes"]
    decline = commands.DeclineOffer(made.id, cast.favorite, mechanic_actor(cast.favorite))
    await dispatcher.execute(decline)
    row = await columns(pool, made.id)
    assert str(row["priority_window_minutes"]) == str(before) == "0.1"
