"""The commit happened and its answer got lost, a thousand times over, at a real server process.

Between the server and PostgreSQL lies a line that swallows the answer to one certain commit. A
witness asks the database, over a connection of its own, whether the commit has happened, before
the server can notice anything. Then everybody does what they do in life: the client repeats with
its key, Stripe delivers again, the sweep runs again.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from anyio.from_thread import start_blocking_portal

from headstart.lab.backstage import FORGETFUL, scratch_directory
from headstart.lab.evidence import Evidence
from headstart.lab.line import Line, line_to
from headstart.lab.races.losses import CASES, House, Unwitnessed
from headstart.lab.stage import Stage, put_up
from headstart.store.embedded import running
from headstart.store.postgres import connected

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

PART = "lost-answers"
TOLD_EVERY = 50
COMPLAINTS_MAX = 20

Tell = Callable[[str], None]


def run(
    count: int,
    seed: int,
    tell: Tell,
    *,
    database_url: str | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Evidence:
    """Lose at least so many answers, over everything that changes a session request."""
    began_s, lost = time.perf_counter(), Counter[str]()
    with _stage_on_a_line(database_url, environment) as (stage, line, direct):
        house = _move_in(stage, line, direct, random.Random(seed))
        try:
            _lose_answers(house, count, lost, tell)
        except Unwitnessed as error:
            house.complaints.append(str(error))
        doubled, missing = _judge(house)
    return Evidence(
        part=PART,
        seeds=str(seed),
        figures=_figures(house, lost, doubled, missing),
        violations=house.complaints[:COMPLAINTS_MAX],
        wall_s=round(time.perf_counter() - began_s, 1),
    )


@contextmanager
def _stage_on_a_line(
    database_url: str | None, environment: Mapping[str, str]
) -> Iterator[tuple[Stage, Line, "Pool"]]:
    """The stage, all of it behind the line, and a connection of the witness, which is not."""
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        directory = stack.enter_context(scratch_directory())
        server = database_url or stack.enter_context(
            running(directory / "postgres", settings=FORGETFUL)
        )
        line = stack.enter_context(portal.wrap_async_context_manager(line_to(server)))
        stage = stack.enter_context(put_up(line.dsn, environment))
        address = urlunsplit(urlsplit(server)._replace(path=urlsplit(stage.dsn).path))
        direct = connected(address, connections_max=1, role=None)
        yield stage, line, stack.enter_context(portal.wrap_async_context_manager(direct))


def _move_in(stage: Stage, line: Line, witness: "Pool", chance: random.Random) -> House:
    favorite, other = stage.mechanic("Fay (favourite)"), stage.mechanic("Otto")
    return House(
        stage=stage,
        line=line,
        witness=witness,
        customer=stage.customer("Carla", favorite),
        favorite=favorite,
        other=other,
        operator=stage.operator(),
        chance=chance,
    )


def _lose_answers(house: House, count: int, lost: Counter[str], tell: Tell) -> None:
    """Every kind in turn, and within a kind by chance."""
    kinds = list(CASES)
    while house.line.lost < count and len(house.complaints) < COMPLAINTS_MAX:
        kind, before = kinds[lost.total() % len(kinds)], house.line.lost
        house.chance.choice(CASES[kind])(house)
        lost[kind] += house.line.lost - before
        if house.line.lost // TOLD_EVERY > before // TOLD_EVERY:
            tell(f"{house.line.lost:,} of {count:,} lost, {len(house.complaints)} violations")


def _judge(house: House) -> tuple[int, int]:
    """Every story, from the log, long after: how many effects are there twice, and how many not."""
    logs: dict[UUID, list[str]] = {}
    for event in house.stage.rows("select request_id, kind from session_events order by version"):
        logs.setdefault(event["request_id"], []).append(event["kind"])
    doubled = missing = 0
    for request, story in house.stories.items():
        log = logs.pop(request, [])
        doubled += (Counter(log) - Counter(story)).total()
        missing += (Counter(story) - Counter(log)).total()
        if log != story:
            house.complaints.append(f"{request}: the log is {log}, and it should be {story}")
    house.complaints.extend(f"{request}: nobody asked for it" for request in logs)
    return doubled, missing


def _figures(
    house: House, lost: Counter[str], doubled: int, missing: int
) -> dict[str, int | float | str]:
    """In the order in which they are shown."""
    return {
        "answers lost": house.line.lost,
        "committed, by witness": house.witnessed,
        **{f"lost: {kind}": lost[kind] for kind in CASES},
        "requests": len(house.stories),
        "told again": house.repeated,
        "told again after the world had moved on": house.moved_on,
        "effects doubled": doubled,
        "effects lost": missing,
    }
