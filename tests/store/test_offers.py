"""What becomes of offers: why one was missed, who is sent away for it, and what is noted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from headstart.app.dispatcher import Dispatcher, Done
from headstart.app.ports import WhyNot
from headstart.core import commands
from headstart.core.access import Principal, Role
from headstart.core.request import MechanicId, RequestId
from headstart.store.intakes import IntakeStore
from headstart.store.offers import OfferStore
from headstart.store.people import PeopleStore
from headstart.store.views import ViewStore
from tests.conftest import Cast
from tests.store.booking import WINDOW, book, mechanic_actor

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

LEASE = timedelta(seconds=60)
SOME_TIME = timedelta(minutes=1)
A_DAY = timedelta(days=1)
MISSED = 3


@dataclass(slots=True)
class Desk:
    """Fay, who is everybody's favourite, and what happens to her."""

    pool: "Pool"
    dispatcher: Dispatcher
    cast: Cast

    @property
    def people(self) -> PeopleStore:
        return PeopleStore(self.pool)

    @property
    def fay(self) -> MechanicId:
        return self.cast.favorite

    async def duty(self, on_duty: bool = True, *, of: MechanicId | None = None) -> None:
        await self.people.set_presence(of or self.fay, on_duty=on_duty, lease=LEASE)

    async def asked(self, *, by_name: bool = True) -> RequestId:
        favorites = [self.fay] if by_name else []
        intakes = IntakeStore(self.pool)
        made = await book(self.dispatcher, intakes, self.cast.customer, *favorites)
        return made.id

    async def order(self, command: commands.Command) -> None:
        done = await self.dispatcher.execute(command, reason="It was a test.")
        assert isinstance(done, Done), done
        assert done.changed

    async def answer(self, kind: Any, request_id: RequestId, mechanic: MechanicId) -> None:
        await self.order(kind(request_id, mechanic, mechanic_actor(mechanic)))

    async def time_passes(self, by: timedelta = WINDOW) -> None:
        await self.people.advance_clock(by)
        await self.dispatcher.enforce_due(10)

    async def misses(self, *, there: bool = True) -> RequestId:
        """A window goes by; with a sign of life in it, or without."""
        request_id = await self.asked()
        await self.people.advance_clock(SOME_TIME / 2)
        if there:
            await self.people.prove_presence(self.fay, lease=LEASE)
        await self.time_passes()
        if there:
            await self.people.prove_presence(self.fay, lease=LEASE)
        return request_id

    async def sent_away(self) -> Sequence[MechanicId]:
        return await OfferStore(self.pool).send_away(MISSED, A_DAY)

    async def history(self, of: MechanicId | None = None) -> dict[RequestId, str]:
        async with ViewStore(self.pool).on_behalf_of(self.principal(of)) as views:
            return {row["session_id"]: row["outcome"] for row in await views.offer_history()}

    async def was_sent_away(self) -> bool:
        async with ViewStore(self.pool).on_behalf_of(self.principal()) as views:
            return await views.was_sent_away()

    def principal(self, of: MechanicId | None = None) -> Principal:
        return Principal(Role.MECHANIC, of or self.fay)


@pytest.fixture
async def desk(pool: "Pool", dispatcher: Dispatcher, cast: Cast) -> Desk:
    """Fay is on duty."""
    made = Desk(pool, dispatcher, cast)
    await made.duty()
    return made


async def test_three_missed_windows_in_a_row_send_a_mechanic_away_once(desk: Desk) -> None:
    for _ in range(MISSED - 1):
        await desk.misses()
        assert await desk.sent_away() == []
    last = await desk.misses()
    assert await desk.sent_away() == [desk.fay]
    assert await desk.sent_away() == []
    presence = await desk.people.presence(desk.fay)
    assert presence is not None
    assert not presence["on_duty"]
    assert await desk.was_sent_away()
    operator = Principal(Role.OPERATOR, desk.cast.customer)
    async with ViewStore(desk.pool).on_behalf_of(operator) as views:
        [note] = await views.offer_notes(last)
    assert (note["author"], note["note"], note["name"]) == ("system", "set_off_duty", "Fay")

    beat = await desk.people.prove_presence(desk.fay, lease=LEASE)
    assert beat is not None
    assert not beat["on_duty"], "a heartbeat brings nobody back"
    await desk.duty()
    assert not await desk.was_sent_away()
    for _ in range(MISSED - 1):
        await desk.misses()
        assert await desk.sent_away() == [], "who comes back begins anew"
    await desk.misses()
    assert await desk.sent_away() == [desk.fay]


async def test_an_answer_in_between_begins_the_count_anew(desk: Desk) -> None:
    await desk.misses()
    await desk.misses()
    await desk.answer(commands.DeclineOffer, await desk.asked(), desk.fay)
    await desk.misses()
    await desk.misses()
    assert await desk.sent_away() == []


async def test_an_offer_that_reached_nobody_is_not_missed(desk: Desk) -> None:
    for _ in range(MISSED):
        await desk.misses(there=False)
        await desk.people.set_presence(desk.fay, on_duty=True, lease=LEASE)
    assert await desk.sent_away() == []
    assert set((await desk.history()).values()) == {"not_connected"}


async def test_who_was_silent_and_then_leaves_is_off_duty(desk: Desk) -> None:
    """As without scripts: nothing proves that they are there until they press again."""
    await desk.people.advance_clock(LEASE * 2)
    await desk.duty(False)
    missed = await desk.misses(there=False)
    assert await desk.history() == {missed: "off_duty"}


async def test_what_ended_by_others_is_neither_missed_nor_answered(desk: Desk) -> None:
    await desk.misses()
    for _ in range(MISSED):
        customer = commands.Actor("customer", str(desk.cast.customer))
        await desk.order(commands.CancelRequest(await desk.asked(), customer))
    await desk.misses()
    assert await desk.sent_away() == []
    await desk.misses()
    assert await desk.sent_away() == [desk.fay]


async def test_a_mechanic_reads_what_became_of_every_offer(desk: Desk) -> None:
    fay, otto = desk.fay, desk.cast.others[0]
    customer = commands.Actor("customer", str(desk.cast.customer))
    wanted = {}
    wanted[await desk.misses()] = "time_was_up"
    wanted[withdrawn := await desk.asked()] = "withdrawn"
    await desk.order(commands.CancelRequest(withdrawn, customer))
    wanted[skipped := await desk.asked()] = "customer_skipped"
    await desk.order(commands.AskEveryone(skipped, customer))
    wanted[mine := await desk.asked()] = "yours"
    await desk.answer(commands.AcceptOffer, mine, fay)
    await desk.order(commands.CompleteSession(mine, None, commands.Actor("operator", "1")))
    wanted[back := await desk.asked(by_name=False)] = "gave_back"
    await desk.answer(commands.AcceptOffer, back, fay)
    await desk.answer(commands.ReleaseMatch, back, fay)
    wanted[taken := await desk.asked(by_name=False)] = "taken"
    await desk.answer(commands.AcceptOffer, taken, otto)
    await desk.order(commands.CompleteSession(taken, None, commands.Actor("operator", "1")))
    wanted[given := await desk.asked(by_name=False)] = "assigned"
    operator = commands.Actor("operator", "1")
    await desk.order(commands.AssignMechanic(given, desk.cast.others[1], operator))
    wanted[declined := await desk.asked(by_name=False)] = "declined"
    await desk.answer(commands.DeclineOffer, declined, fay)
    still_open = await desk.asked(by_name=False)
    await desk.duty(False)
    await desk.people.advance_clock(SOME_TIME)
    wanted[absent := await desk.asked(by_name=False)] = "off_duty"
    await desk.answer(commands.AcceptOffer, absent, otto)
    assert await desk.history() == wanted
    assert still_open not in wanted
    others = await desk.history(otto)
    assert others[taken] == "yours"
    assert not set(others) & {withdrawn, mine}, "what was another's alone is in nobody else's"


async def test_why_not_is_noted_of_those_who_said_no(desk: Desk) -> None:
    offers, request_id = OfferStore(desk.pool), await desk.asked()
    assert not await offers.note(request_id, desk.fay, WhyNot.BUSY)
    await desk.answer(commands.DeclineOffer, request_id, desk.fay)
    assert not await offers.note(request_id, desk.cast.others[0], WhyNot.BUSY)
    for why in (WhyNot.BUSY, WhyNot.TOO_LITTLE_TIME):
        assert await offers.note(request_id, desk.fay, why)
    async with ViewStore(desk.pool).on_behalf_of(desk.principal()) as views:
        [row] = await views.offer_history()
    assert (row["outcome"], row["note"]) == ("declined", "too_little_time")


async def test_helped_before_is_said_only_when_it_is_true(desk: Desk) -> None:
    async def helped(of: MechanicId) -> Sequence[bool]:
        async with ViewStore(desk.pool).on_behalf_of(desk.principal(of)) as views:
            return [card["helped_before"] for card in await views.offers()]

    first = await desk.asked()
    assert await helped(desk.fay) == [False]
    await desk.answer(commands.AcceptOffer, first, desk.fay)
    await desk.order(commands.CompleteSession(first, None, commands.Actor("operator", "1")))
    second = await desk.asked()
    assert await helped(desk.fay) == [True]
    asked = "select headstart.helped_before($1)"
    async with desk.pool.acquire() as one, one.transaction():
        claims = f'{{"headstart_role": "mechanic", "headstart_id": "{desk.cast.others[0]}"}}'
        await one.execute("select set_config('request.jwt.claims', $1, true)", claims)
        await one.execute("set local role headstart_mechanic")
        assert await one.fetchval(asked, second) is False, "whose turn it is, is nobody else's news"
