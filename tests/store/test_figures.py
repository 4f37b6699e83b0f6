"""Every figure against a second count, which is made from the raw events and by other means."""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import quantiles
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from headstart.app.dispatcher import Dispatcher, Done
from headstart.app.figures import RUNNING, Figures, Span
from headstart.core import commands
from headstart.core.access import Principal, Role
from headstart.core.request import CustomerId, MechanicId, RequestId
from headstart.lab.row_walls import Asker
from headstart.store.intakes import IntakeStore
from headstart.store.people import PeopleStore
from headstart.store.queries import queries
from headstart.store.requests import RequestStore
from headstart.store.views import ViewStore
from tests.store.booking import WINDOW, booking, mechanic_actor
from tests.walls.asking import asking

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

SEED = 20251102
REQUESTS = 90
STEPS_MAX = 4
OFTEN, SELDOM = 0.9, 0.1
EACH_LATER = timedelta(minutes=41)  # so that they fall on three days
OPERATOR = commands.Actor("operator", "1")
READER = Principal(Role.OPERATOR, UUID(int=7))
Raw = Mapping[str, Any]


class Shop:
    """Mechanics, and whatever may happen to a request, by chance."""

    def __init__(self, pool: "Pool", chance: random.Random) -> None:
        self.people = PeopleStore(pool)
        self.intakes = IntakeStore(pool)
        self.dispatcher = Dispatcher(RequestStore(pool), lambda: None)
        self.chance = chance
        self.asked: Sequence[MechanicId] = ()
        self.mechanics = [MechanicId(UUID(int=chance.getrandbits(128))) for _ in range(6)]

    async def open(self) -> None:
        for number, mechanic in enumerate(self.mechanics):
            await self.people.add_mechanic(mechanic, f"Mechanic {number}")

    async def book(self) -> RequestId:
        """With none, one or two favourites, of whom one may not be one."""
        customer = CustomerId(uuid4())
        await self.people.add_customer(customer, "Carla")
        favorites = self.chance.sample(self.mechanics, self.chance.randrange(3))
        for favorite in favorites[: self.chance.randrange(1, 3)]:
            await self.people.add_favorite(customer, favorite)
        self.asked = favorites
        command = await booking(self.intakes, customer, *favorites)
        made = await self.dispatcher.request_session(command, self.intakes.requests)
        return made.id

    async def heartbeats(self) -> None:
        """Some of them are there, for a while."""
        for mechanic in self.chance.sample(self.mechanics, 3):
            lease = timedelta(minutes=self.chance.randrange(1, 30))
            await self.people.set_presence(mechanic, on_duty=True, lease=lease)

    async def happen(self, request: RequestId) -> None:
        """The next thing: somebody accepts, declines, gives back, or does not wait; or time."""
        mechanic = self.chance.choice(self.mechanics)
        by = mechanic_actor(mechanic)
        await self.people.advance_clock(timedelta(seconds=self.chance.randrange(5, 400)))
        possible: Sequence[commands.Command] = [
            *[commands.AcceptOffer(request, mechanic, by)] * 4,
            *[commands.DeclineOffer(request, mechanic, by)] * 4,
            commands.ReleaseMatch(request, None, OPERATOR),
            commands.CompleteSession(request, None, OPERATOR),
            commands.AskEveryone(request, commands.Actor("customer", "1")),
            commands.AskEveryone(request, OPERATOR),
            commands.CancelRequest(request, commands.Actor("customer", "1")),
            *[commands.EnforceDeadline(request)] * 3,
        ]
        what = self.chance.choice(possible)
        if isinstance(what, commands.EnforceDeadline):
            await self.people.advance_clock(WINDOW)
        outcome = await self.dispatcher.execute(what, reason="It was a test.")
        assert isinstance(outcome, Done) or outcome


async def lived(pool: "Pool") -> None:
    """Days in the life of a shop, the same at every run."""
    shop = Shop(pool, random.Random(SEED))
    await shop.open()
    for _ in range(REQUESTS):
        request = await shop.book()
        await shop.heartbeats()
        if shop.asked and shop.chance.random() < SELDOM:
            given = commands.AssignMechanic(request, shop.asked[0], OPERATOR)
            await shop.dispatcher.execute(given, reason="It was a test.")
        for _ in range(shop.chance.randrange(STEPS_MAX + 1)):
            await shop.happen(request)
        if shop.chance.random() < OFTEN:  # else nobody is free for long
            over = commands.CompleteSession(request, None, OPERATOR)
            await shop.dispatcher.execute(over, reason="It was a test.")
        await shop.people.advance_clock(EACH_LATER)


# --- the second count ----------------------------------------------------------------------------


def turns(history: Sequence[Raw], attendance: Sequence[Raw]) -> list[dict[str, Any]]:
    """Each favourite's turn of one request, by walking along its events. Silence counts only where
    there was a sign of life, or before there was anybody's."""
    found: list[dict[str, Any]] = []
    holder: dict[str, Any] | None = None
    for event in history:
        kind, payload = event["kind"], event["payload"]
        if kind == "request_reserved":
            holder = {"mechanic": payload["mechanic"], "at": event["at"], "ending": RUNNING}
            holder["plan"] = history[0]["payload"]["plan"]
            found.append(holder)
        elif holder and kind in ("reservation_ended", "request_cancelled", "request_matched"):
            said = {"request_cancelled": "cancelled", "request_matched": "accepted"}
            holder["ending"] = said.get(kind) or payload["reason"]
            if payload.get("assigned"):
                holder["ending"] = "operator"
            there = [
                one
                for one in attendance
                if str(one["mechanic_id"]) == holder["mechanic"]
                and not (one["since"] > event["at"] or one["seen_until"] < holder["at"])
            ]
            known = holder["at"] >= min(one["since"] for one in attendance)
            if holder["ending"] == "no_response" and known and not there:
                holder["ending"] = "not_there"
            holder["after_s"] = (event["at"] - holder["at"]).total_seconds()
            holder = None
    return found


async def histories(owner: "Pool") -> Sequence[Sequence[Raw]]:
    rows = await owner.fetch("select * from headstart.session_events order by request_id, version")
    found: dict[UUID, list[Raw]] = defaultdict(list)
    for row in rows:
        found[row["request_id"]].append(dict(row))
    return list(found.values())


def day_of(at: datetime) -> str:
    return at.date().isoformat()


def nine_in_ten(values: Sequence[float]) -> float:
    """By the inclusive method, as PostgreSQL interpolates."""
    return quantiles(values, n=10, method="inclusive")[8] if len(values) > 1 else values[0]


async def read(pool: "Pool", span: Span) -> Figures:
    async with ViewStore(pool).on_behalf_of(READER) as views:
        return await views.figures(span)


@pytest.fixture
async def whole(pool: "Pool") -> Span:
    """Everything there is."""
    await lived(pool)
    [row] = await pool.fetch("select min(at), max(at) from headstart.session_events")
    return Span(row["min"].date(), row["max"].date())


async def test_every_figure_is_what_the_timeline_says(
    whole: Span, pool: "Pool", owner: "Pool"
) -> None:
    figures, raw = await read(pool, whole), await histories(owner)
    rows = await owner.fetch("select * from headstart.attendance")
    attendance = [dict(row) for row in rows]
    compare_offers(figures, [one for history in raw for one in turns(history, attendance)])
    compare_requests(figures, raw)
    outcomes = await owner.fetch(
        "select status, count(*) as n from headstart.session_requests group by status"
    )
    found = {row["status"]: row["n"] for row in outcomes}
    said = figures.all_requests
    assert (said.unfilled, said.cancelled) == (found["unfilled"], found["cancelled"])
    assert (said.matched, said.pending) == (found["matched"] + found["completed"], found["pending"])
    await count_by_spans(whole, pool, owner)


def compare_offers(figures: Figures, offers: Sequence[Mapping[str, Any]]) -> None:
    """In all, and by everything they are grouped by."""
    endings = {turn["ending"] for turn in offers}
    assert endings >= {"accepted", "declined", "no_response", "not_there", "cancelled", RUNNING}
    for of, key in (
        ("all", lambda _: ""),
        ("plan", lambda turn: turn["plan"]),
        ("mechanic", lambda turn: turn["mechanic"]),
        ("day", lambda turn: day_of(turn["at"])),
    ):
        counted: dict[str, Counter[str]] = defaultdict(Counter)
        for turn in offers:
            counted[key(turn)][turn["ending"]] += 1
        said = {name: Counter(one.endings) for name, one in figures.offers[of].items()}
        assert said == counted, of
    waits = [turn["after_s"] for turn in offers if turn["ending"] == "accepted"]
    assert figures.all_offers.after_s["accepted"][1] == pytest.approx(nine_in_ten(waits))


def compare_requests(figures: Figures, raw: Sequence[Sequence[Raw]]) -> None:
    """How many, on which days, how long until a match, why they fell back; parts make the whole."""
    said, made = figures.all_requests, {day_of(history[0]["at"]) for history in raw}
    assert said.requests == len(raw) == REQUESTS
    assert set(figures.requests["day"]) == made
    assert len(made) >= 3
    waits = [
        (matched[0]["at"] - history[0]["at"]).total_seconds()
        for history in raw
        if (matched := [event for event in history if event["kind"] == "request_matched"])
    ]
    assert said.ever_matched == len(waits)
    assert said.match_s
    assert said.match_s[1] == pytest.approx(nine_in_ten(waits))
    fallen = Counter(
        event["payload"]["fallback"]
        for history in raw
        for event in history
        if event["kind"] == "request_opened" and event["payload"]["fallback"]
    )
    assert Counter(figures.fallbacks) == fallen
    for name in ("requests", "asked_first", "fell_back", "matched", "unfilled", "pending"):
        for of in ("plan", "day"):
            parts = sum(getattr(one, name) for one in figures.requests[of].values())
            assert parts == getattr(said, name), (of, name)


async def count_by_spans(whole: Span, pool: "Pool", owner: "Pool") -> None:
    """A span counts what began in it; what was taken over from an older system is left out."""
    days = [await read(pool, Span(day, day)) for day in whole.days]
    total = await read(pool, whole)
    assert sum(one.all_offers.made for one in days) == total.all_offers.made
    assert sum(one.all_requests.requests for one in days) == total.all_requests.requests
    later = whole.last + timedelta(days=1)
    assert (await read(pool, Span(later, later))).all_requests.requests == 0

    await owner.execute("alter table headstart.session_events disable trigger append_only")
    await owner.execute("update headstart.session_events set actor = 'import'")
    nothing = await read(pool, whole)
    assert nothing.all_offers.made == nothing.all_requests.requests == 0


async def test_reports_are_made_by_the_same_statements_and_read_the_same(
    whole: Span, database: str
) -> None:
    """By the role for reports, which may read no payload: the views say what it may know."""
    names = ("offer_figures", "request_figures", "fallback_figures")
    statements = [queries()[name].sql for name in names]
    own = await asyncpg.connect(database, server_settings={"search_path": "headstart"})
    answers: dict[Asker, list[list[Any]]] = {}
    try:
        for asker, person in (
            (Asker.OPERATOR, READER.id),
            (Asker.REPORTING, None),
            (Asker.UNNAMED_OPERATOR, None),
        ):
            async with asking(own, asker, person):
                answers[asker] = [
                    [tuple(row) for row in await own.fetch(sql, whole.begin, whole.end)]
                    for sql in statements
                ]
    finally:
        await own.close()
    assert answers[Asker.REPORTING] == answers[Asker.OPERATOR]
    assert all(answers[Asker.REPORTING])
    offers, requests, fallbacks = answers[Asker.UNNAMED_OPERATOR]
    assert (offers, fallbacks) == ([], [])
    assert [row[2] for row in requests] == [0], "nothing, of everything"
