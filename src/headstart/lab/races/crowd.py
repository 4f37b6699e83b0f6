"""A crowd wants one job, over HTTP, at two servers: one gets it, and everybody else is told so.

- *open*: everybody may have it. One 200; all others 409 ``already_matched``.
- *reserved*: only the favourite, who is among the crowd, may know of it. Everybody else gets what
  those get who ask for a request that does not exist, byte for byte.
- *opening*: the customer asks everyone while the crowd is at the door. Some are too early, one
  wins, the rest are too late.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import UUID

from headstart.lab.backstage import Server
from headstart.lab.evidence import Evidence
from headstart.lab.races.throng import Asked, Heard, release
from headstart.lab.stage import Stage, put_up
from headstart.lab.visitors import Person

PART = "crowd"
NIGHTLY = 5_000  # from this size on a crowd comes more often
ROUNDS = ("open", "reserved", "opening")
MORE_ROUNDS = ("open", "open")
NOBODYS = UUID(int=0)
TAKEN = (409, "already_matched")
UNKNOWN = (404, "unknown_request")
WON = (200, "")
ASKS_BEFORE = 0.25  # the customer who asks everyone stands somewhere in this part of the crowd

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Round:
    """What was done, and what everybody heard."""

    kind: str
    request: UUID
    favorite: Person
    crowd: Sequence[Person]
    answers: Sequence[Heard]
    skipped: Heard | None = None

    @property
    def said(self) -> Sequence[tuple[int | None, str]]:
        """Status and problem, for each of the crowd."""
        return [(heard.status, heard.code) for heard in self.answers]

    @property
    def winners(self) -> Sequence[UUID]:
        """Who was told that they won."""
        told = zip(self.crowd, self.said, strict=True)
        return [person.id for person, said in told if said == WON]


@dataclass(slots=True)
class Tally:
    """What was counted, of the rounds in which the request was open."""

    rounds: int = 0
    said: Counter[str] = field(default_factory=Counter)
    latency_s: list[float] = field(default_factory=list)
    last_s: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def take(self, found: Round, violations: Sequence[str]) -> None:
        """One round, judged."""
        self.rounds += 1
        self.violations += violations
        for status, code in found.said:
            self.said[f"{status} {code}".strip()] += 1
        if found.kind == "open":
            waits = [heard.after_s for heard in found.answers if heard.status]
            self.latency_s += waits
            self.last_s.append(max(waits, default=0.0))

    def figures(self, count: int) -> dict[str, int | float | str]:
        """In the order in which they are shown."""
        waits = sorted(self.latency_s) or [0.0]
        return {
            "people in a crowd": count,
            "servers": 2,
            "rounds": self.rounds,
            **{f"answered {said}": times for said, times in sorted(self.said.items())},
            "open: answer p50, s": round(waits[len(waits) // 2], 3),
            "open: answer p99, s": round(waits[int(len(waits) * 0.99)], 3),
            "open: last answer, s": round(max(self.last_s, default=0.0), 3),
        }


def run(
    count: int,
    seed: int,
    tell: Tell,
    *,
    database_url: str | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Evidence:
    """A crowd of this size, once for each kind of round. The seed says who stands where."""
    began_s, tally, chance = time.perf_counter(), Tally(), random.Random(seed)
    with put_up(database_url, environment) as stage, stage.another_server() as other:
        crowd = _gather(stage, count)
        for kind in ROUNDS + (MORE_ROUNDS if count >= NIGHTLY else ()):
            found = _round(stage, other, kind, crowd, chance)
            tally.take(found, list(_judge(stage, found)))
            stage.operator().post(f"/session-requests/{found.request}/completion")
            tell(f"{kind}: {dict(Counter(found.said))}, {len(tally.violations)} violations")
    return Evidence(
        part=PART,
        seeds=str(seed),
        figures=tally.figures(count),
        violations=tally.violations,
        wall_s=round(time.perf_counter() - began_s, 1),
    )


def _gather(stage: Stage, count: int) -> Sequence[Person]:
    return [stage.mechanic("Mechanic") for _ in range(count)]


def _round(
    stage: Stage, other: Server, kind: str, people: Sequence[Person], chance: random.Random
) -> Round:
    crowd = chance.sample(people, len(people))
    favorite = crowd[-1] if kind == "opening" else chance.choice(crowd)
    customer = stage.customer("Carla", favorite)
    asked = None if kind == "open" else favorite
    request = stage.request_of(stage.submit(customer, asked, plan="free").intake_id)
    doors = (stage.server.url, other.url)
    path = f"/api/v1/session-requests/{request}"
    orders = [
        Asked(doors[number % len(doors)], f"{path}/acceptance", person.token)
        for number, person in enumerate(crowd)
    ]
    if kind != "opening":
        answers = stage.portal.call(release, orders)
        return Round(kind, request, favorite, crowd, answers)
    place = chance.randrange(int(len(orders) * ASKS_BEFORE) + 1)
    orders.insert(place, Asked(doors[0], f"{path}/broadcast", customer.token))
    heard = list(stage.portal.call(release, orders))
    skipped = heard.pop(place)
    return Round(kind, request, favorite, crowd, heard, skipped)


def _judge(stage: Stage, found: Round) -> Iterator[str]:
    """Every promise that was broken, in words."""
    may_hear = {"open": {WON, TAKEN}, "reserved": {WON, UNKNOWN}, "opening": {WON, TAKEN, UNKNOWN}}
    for said, times in Counter(found.said).items():
        if said not in may_hear[found.kind]:
            yield f"{found.kind}, {found.request}: {times} were answered with {said}"
    for complaint in (*_of_the_winner(stage, found), *_of_the_kind(stage, found)):
        yield f"{found.kind}, {found.request}: {complaint}"


def _of_the_winner(stage: Stage, found: Round) -> Iterator[str]:
    """Told, stored and logged are one and the same."""
    if len(found.winners) != 1:
        yield f"{len(found.winners)} were told that they won"
    row = stage.request(found.request)
    if [row["matched_mechanic_id"]] != found.winners or row["status"] != "matched":
        yield f"{row['status']} by {row['matched_mechanic_id']}, told were {found.winners}"
    matches = [event for event in stage.events(found.request) if event["kind"] == "request_matched"]
    if len(matches) != 1:
        yield f"the log holds {len(matches)} matches"


def _of_the_kind(stage: Stage, found: Round) -> Iterator[str]:
    if found.kind == "reserved":
        if found.winners != [found.favorite.id]:
            yield "the favourite did not win what was held for them"
        nothing = found.crowd[0].accept(NOBODYS).content
        others = {heard.body for heard in found.answers if heard.status == UNKNOWN[0]}
        if others - {nothing}:
            yield "a stranger could tell it from a request that does not exist"
    if found.skipped is not None and (found.skipped.status, found.skipped.code) not in (WON, TAKEN):
        yield f"the customer who asked everyone heard {found.skipped.status}"
