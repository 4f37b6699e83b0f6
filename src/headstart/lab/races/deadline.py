"""Accepts aimed at the deadline, fifty milliseconds either way, while two sweepers wait for it.

Two nodes as ``wiring`` makes them share one database. On every lane one favourite after another
hesitates until the last moment, and two strangers want the job as soon as they may.
"""

import asyncio
import random
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from anyio.from_thread import start_blocking_portal
from prometheus_client import REGISTRY

from headstart.app.dispatcher import Done
from headstart.app.ports import Intake, Unavailable
from headstart.core import commands
from headstart.core.access import Principal, Role
from headstart.core.policy import OfflinePolicy, Policy
from headstart.core.request import (
    ChainStep,
    CustomerId,
    IntakeId,
    MechanicId,
    RequestId,
    RoutingType,
)
from headstart.lab.backstage import scratch_database, scratch_directory
from headstart.lab.evidence import Evidence
from headstart.lab.races.oracle import UNKNOWN, WON, Answer, Event, Race, Row, finish, judge
from headstart.settings import Mode, Settings
from headstart.store.intakes import IntakeStore
from headstart.store.people import PeopleStore
from headstart.store.postgres import connected
from headstart.web.service import Service
from headstart.wiring import loops, service

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

PART = "deadline-races"
NODES = 2
LANES = 40
LEG = 2_000  # races between two looks into the log
AIM_S = 0.05
WINDOW_S = (0.15, 0.3)
STRANGER_SOONEST_S = -0.01  # one of the strangers begins to ask before the deadline …
AGAIN_S = 0.002  # … and asks again this soon, until they are told something
PATIENCE_S = 5.0  # for a fallback; by then it is lost
ATTEMPTS_MAX = 5
CLOCK_QUESTIONS = 50
VIOLATIONS_MAX = 20
POLICY = Policy(
    priority_enabled=True,
    offline=OfflinePolicy.WAIT,
    offline_window=timedelta(minutes=2),
    overall_limit=timedelta(minutes=30),
    broadcast_minimum=timedelta(minutes=5),
    join_limit=None,
)
OPERATOR = Principal(Role.OPERATOR, UUID(int=0)).actor

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Clock:
    """The database's clock, told by ours. ``slack`` is how wrong it may be."""

    ahead: timedelta
    slack: timedelta

    @classmethod
    async def compare(cls, node: Service) -> "Clock":
        """The quickest of several answers is the truest."""
        answers = []
        for _ in range(CLOCK_QUESTIONS):
            asked = _here()
            there = await node.requests.clock()
            half = (_here() - asked) / 2
            answers.append((half, there - asked - half))
        return cls(ahead=min(answers)[1], slack=min(answers)[0])

    def now(self) -> datetime:
        """By the database."""
        return _here() + self.ahead

    async def wait_until(self, moment: datetime) -> None:
        """As exactly as the loop allows; not at all when that is past."""
        await asyncio.sleep(max(0.0, (moment - self.now()).total_seconds()))


def _here() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


@dataclass(frozen=True, slots=True)
class Lane:
    """Whose races follow each other."""

    node: Service
    others: Service
    customer: CustomerId
    intake: IntakeId
    favorite: MechanicId
    strangers: Sequence[MechanicId]


@dataclass(slots=True)
class Tally:
    """What was counted."""

    races: int = 0
    accepts: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    late: int = 0
    lateness_ms: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def take(self, race: Race, log: Sequence[Event], row: Row) -> None:
        """One race, judged."""
        self.races += 1
        self.accepts += len(race.answers)
        self.violations += judge(race, log, row)
        end = finish(log)
        if end.opened_at:
            self.lateness_ms.append((end.opened_at - race.due_at) / timedelta(milliseconds=1))
            self.ends["the favourite" if end.winner == race.favorite else "a stranger"] += 1
        else:
            self.ends["in time"] += 1
            self.late += log[-1]["at"] >= race.due_at

    def figures(self, conflicts: float) -> dict[str, int | float | str]:
        """In the order in which they are shown."""
        late = sorted(self.lateness_ms) or [0.0]
        return {
            "races": self.races,
            "accepts": self.accepts,
            "accept won": self.ends["in time"],
            "accept won after the deadline, before the fallback": self.late,
            "fallback won": len(self.lateness_ms),
            "then won by the favourite": self.ends["the favourite"],
            "then won by a stranger": self.ends["a stranger"],
            "judged again after a lost race": int(conflicts),
            "earliest fallback after the deadline, ms": round(late[0], 3),
            "fallback p50, ms": round(statistics.median(late), 2),
            "fallback p99, ms": round(late[int(len(late) * 0.99)], 2),
            "fallback latest, ms": round(late[-1], 2),
        }


def run(count: int, seed: int, tell: Tell, *, database_url: str | None = None) -> Evidence:
    """So many races on an embedded PostgreSQL, or in a fresh database on the server given."""
    began_s = time.perf_counter()
    before = _conflicts()
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal(backend_options={"use_uvloop": True}))
        directory = stack.enter_context(scratch_directory())
        dsn = stack.enter_context(scratch_database(portal, directory, database_url))
        tally = portal.call(_race_all, dsn, count, seed, tell)
    return Evidence(
        part=PART,
        seeds=str(seed),
        figures=tally.figures(_conflicts() - before),
        violations=tally.violations[:VIOLATIONS_MAX],
        wall_s=round(time.perf_counter() - began_s, 1),
    )


def _conflicts() -> float:
    """Of this process, since it began."""
    return REGISTRY.get_sample_value("headstart_conflicts_total") or 0.0


async def _race_all(dsn: str, count: int, seed: int, tell: Tell) -> Tally:
    chance, tally = random.Random(seed), Tally()
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(_node(dsn)) for _ in range(NODES)]
        pool = await stack.enter_async_context(connected(dsn, connections_max=4))
        clock = await Clock.compare(nodes[0])
        lanes = [await _lane(pool, nodes, number, chance) for number in range(min(LANES, count))]
        while tally.races < count and len(tally.violations) < VIOLATIONS_MAX:
            turns = iter(range(min(LEG, count - tally.races)))
            running = [
                _race_on(lane, clock, random.Random(chance.random()), turns) for lane in lanes
            ]
            races = [race for run in await asyncio.gather(*running) for race in run]
            await _judge_all(pool, races, tally)
            tell(f"{tally.races:,} of {count:,} races, {len(tally.violations)} violations")
    return tally


@asynccontextmanager
async def _node(dsn: str) -> AsyncIterator[Service]:
    """One process's worth of the service, its sweeper and its listener at work."""
    settings = Settings(_env_file=None, HEADSTART_MODE=Mode.TEST)
    async with service(settings, dsn) as assembled, loops(assembled, dsn, feed=False):
        yield assembled


async def _lane(pool: "Pool", nodes: Sequence[Service], number: int, chance: random.Random) -> Lane:
    people = PeopleStore(pool)
    customer, favorite = CustomerId(_id(chance)), MechanicId(_id(chance))
    strangers = [MechanicId(_id(chance)) for _ in range(2)]
    await people.add_customer(customer, "Carla")
    for mechanic in (favorite, *strangers):
        await people.add_mechanic(mechanic, "Mechanic")
    await people.add_favorite(customer, favorite)
    intake = _intake(customer, favorite, IntakeId(_id(chance)))
    await IntakeStore(pool).keep(intake, None, timedelta(hours=1))
    node, others = nodes[number % NODES], nodes[(number + 1) % NODES]
    return Lane(node, others, customer, intake.id, favorite, strangers)


def _id(chance: random.Random) -> UUID:
    return UUID(int=chance.getrandbits(128), version=4)


def _intake(customer: CustomerId, favorite: MechanicId, intake: IntakeId) -> Intake:
    return Intake(
        id=intake,
        customer=customer,
        plan_code="standard",
        amount=2999,
        currency="cad",
        routing_type=RoutingType.PRIORITY_BROADCAST,
        preferred=(favorite,),
        specialist=False,
        urgent=False,
        concern="It squeaks.",
        vehicle="2016 Golf",
        contact_email="",
        contact_phone="",
        fingerprint="",
    )


async def _race_on(
    lane: Lane, clock: Clock, chance: random.Random, turns: Iterator[int]
) -> Sequence[Race]:
    """One race after the other, as long as there are turns."""
    return [await _race(lane, clock, chance) for _ in turns]


async def _race(lane: Lane, clock: Clock, chance: random.Random) -> Race:
    made = await lane.node.dispatcher.request_session(_booking(lane, chance), lane.node.requests)
    lane.node.dispatcher.announce()
    assert made.due_at, "a new request has a deadline"
    race = Race(made.id, lane.favorite, made.due_at)
    hurry_s = chance.uniform(STRANGER_SOONEST_S, AIM_S)
    await asyncio.gather(
        _accept_at(lane.node, race, lane.favorite, clock, chance.uniform(-AIM_S, AIM_S)),
        _accept_at(lane.node, race, lane.strangers[0], clock, chance.uniform(0, AIM_S)),
        _keep_asking(lane.others, race, lane.strangers[1], clock, hurry_s),
    )
    over = commands.CompleteSession(made.id, None, OPERATOR)
    await lane.node.dispatcher.execute(over, reason="the race is over")
    return race


def _booking(lane: Lane, chance: random.Random) -> commands.RequestSession:
    request = RequestId(_id(chance))
    window = timedelta(seconds=chance.uniform(*WINDOW_S))
    return commands.RequestSession(
        request_id=request,
        customer=lane.customer,
        intake=lane.intake,
        plan="standard",
        payment=commands.Payment(f"cs_{request}", f"pi_{request}"),
        routing_type=RoutingType.PRIORITY_BROADCAST,
        chain=(ChainStep(lane.favorite, window),),
        policy=POLICY,
    )


async def _accept_at(
    node: Service, race: Race, who: MechanicId, clock: Clock, after_s: float
) -> None:
    await clock.wait_until(race.due_at + timedelta(seconds=after_s))
    await _accept(node, race, who, clock)


async def _keep_asking(
    node: Service, race: Race, who: MechanicId, clock: Clock, after_s: float
) -> None:
    """Until they hear something, or the favourite won within the window, so that there is nothing
    to hear."""
    give_up_at = race.due_at + timedelta(seconds=PATIENCE_S)
    await clock.wait_until(race.due_at + timedelta(seconds=after_s))
    while await _accept(node, race, who, clock) == UNKNOWN and clock.now() < give_up_at:
        if any(answer.said == WON for answer in race.answers):
            return
        await asyncio.sleep(AGAIN_S)


async def _accept(node: Service, race: Race, who: MechanicId, clock: Clock) -> str:
    """As the web does it, and what is said in answer."""
    person, sent_at = Principal(Role.MECHANIC, who), clock.now()
    order = commands.AcceptOffer(RequestId(race.request), who, person.actor)
    said = await _said(node, order, person)
    race.answers.append(Answer(who, said, sent_at, clock.now() + clock.slack))
    return said


async def _said(node: Service, order: commands.AcceptOffer, person: Principal) -> str:
    """Who is told to try again does so, a few times. An error is an answer, too: a bad one."""
    said = ""
    for _ in range(ATTEMPTS_MAX):
        try:
            outcome = await node.dispatcher.execute(order, who=person)
        except Unavailable as error:
            said = f"{type(error).__name__}: {error}"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        else:
            return WON if isinstance(outcome, Done) else outcome.value
    return said


_LOG = """select request_id, version, kind, at, payload from session_events
where request_id = any ($1) and kind <> 'session_completed' order by request_id, version"""
_ROWS = """select id, matched_mechanic_id, fallback_broadcast_at, fallback_reason
from session_requests where id = any ($1)"""


async def _judge_all(pool: "Pool", races: Sequence[Race], tally: Tally) -> None:
    ids = [race.request for race in races]
    logs: dict[UUID, list[Any]] = {request: [] for request in ids}
    for event in await pool.fetch(_LOG, ids):
        logs[event["request_id"]].append(event)
    rows = {row["id"]: row for row in await pool.fetch(_ROWS, ids)}
    for race in races:
        tally.take(race, logs[race.request], dict(rows[race.request]))
