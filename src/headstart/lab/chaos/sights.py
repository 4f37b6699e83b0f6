"""Row-level security as the judge: everything that anybody was told or shown must have been a row
that the database itself would have shown them at that version, and what was kept from them not.

The states of all requests are played through once more, from the log, in a transaction of which
nothing stays. At each step everybody in question asks for their rows with their own claims.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING, Any
from uuid import UUID

from headstart.core.access import Principal
from headstart.core.evolve import evolve
from headstart.core.request import RequestId, SessionRequest
from headstart.store.postgres import acting_as
from headstart.store.queries import queries
from headstart.store.rows import event_from, request_row

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

COMPLAINTS_MAX = 5
PLAYBACK_TIMEOUT_S = 60

LOOK = "select id from headstart.session_requests where id = any ($1::uuid[])"
COME_BACK = "select set_config('role', 'none', true)"


@dataclass(frozen=True, slots=True)
class Sight:
    """Somebody saw a request at a version; ``what`` says how they came to."""

    who: Principal
    request: str
    version: int
    what: str


@dataclass(frozen=True, slots=True)
class Word:
    """Somebody was told, between two moments of the round, that a request exists, or that it does
    not."""

    who: Principal
    request: str
    from_s: float
    until_s: float
    exists: bool


@dataclass(slots=True)
class Sights:
    """What everybody saw in a round, and what they were told."""

    seen: set[Sight] = field(default_factory=set)
    words: list[Word] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.seen) + len(self.words)

    def see(self, who: Principal, row: Mapping[str, Any], what: str) -> None:
        """Whatever shows a request says which, and at which version."""
        self.seen.add(Sight(who, row["session_id"], row["version"], what))


@dataclass(slots=True)
class Playback:
    """The stored states of every request, in order: one for each commit, whatever its events."""

    states: dict[str, list[SessionRequest]] = field(default_factory=dict)
    since_s: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, log: Sequence[Any], committed_s: Mapping[int, float]) -> "Playback":
        """From the rows of the log; ``committed_s`` by the id of the event."""
        made = cls()
        stories: dict[RequestId, list[Any]] = defaultdict(list)
        for row in log:
            stories[row["request_id"]].append(row)
        for request_id, story in stories.items():
            story.sort(key=lambda row: row["version"])
            request: SessionRequest | None = None
            key = str(request_id)
            made.states[key], made.since_s[key] = [], []
            for _, commit in groupby(story, key=lambda row: row["xid"]):
                for row in commit:
                    told = [event_from(row["kind"], row["payload"])]
                    request = evolve(request_id, request, told, at=row["at"])
                assert request, "a commit has an event"
                made.states[key].append(request)
                made.since_s[key].append(committed_s[row["id"]])
        return made

    def step_of(self, request: str, version: int) -> int | None:
        """At which step a request had this version; None when it never had."""
        for step, state in enumerate(self.states.get(request, ())):
            if version <= state.version:
                return step
        return None

    def steps_between(self, request: str, from_s: float, until_s: float) -> Sequence[int]:
        """Which steps it may have been at; none when it may not have existed yet."""
        since_s = self.since_s.get(request, [])
        if not since_s or since_s[0] > from_s:
            return ()
        ends = [*since_s[1:], float("inf")]
        spans = enumerate(zip(since_s, ends, strict=True))
        return [step for step, (begins, end) in spans if begins <= until_s and end >= from_s]

    @property
    def steps(self) -> int:
        """Of the request with the most."""
        return max((len(states) for states in self.states.values()), default=0)


Visible = set[tuple[int, Principal, str]]


async def disagreements(
    pool: "Pool", playback: Playback, sights: Sights, suspended: Sequence[tuple[str, float, float]]
) -> Sequence[str]:
    """What does not agree, in both directions, as sentences; the first few. Everybody is played as
    approved, so that words count only outside suspensions."""
    seen = {sight: playback.step_of(sight.request, sight.version) for sight in sights.seen}
    told = {
        word: playback.steps_between(word.request, word.from_s, word.until_s)
        for word in sights.words
        if not _overlaps(word, suspended)
    }
    asked: dict[int, dict[Principal, set[str]]] = defaultdict(lambda: defaultdict(set))
    for sight, step in seen.items():
        if step is not None:
            asked[step][sight.who].add(sight.request)
    for word, steps in told.items():
        for step in steps:
            asked[step][word.who].add(word.request)
    visible = await _play(pool, playback, asked)
    return [*_wrongly_seen(seen, visible), *_wrongly_told(told, visible)][:COMPLAINTS_MAX]


def _overlaps(word: Word, suspended: Sequence[tuple[str, float, float]]) -> bool:
    return any(
        who == str(word.who.id) and from_s <= word.until_s and until_s >= word.from_s
        for who, from_s, until_s in suspended
    )


def _wrongly_seen(seen: Mapping[Sight, int | None], visible: Visible) -> Iterator[str]:
    for sight, step in seen.items():
        if step is None or (step, sight.who, sight.request) not in visible:
            yield (
                f"row-level security would not have shown {sight.request} at version"
                f" {sight.version} to the {sight.who.role.value} {sight.who.id}: {sight.what}"
            )


def _wrongly_told(told: Mapping[Word, Sequence[int]], visible: Visible) -> Iterator[str]:
    """Only what is false whichever of the possible versions it was."""
    for word, steps in told.items():
        could_see = [(step, word.who, word.request) in visible for step in steps]
        if steps and (not any(could_see) if word.exists else all(could_see)):
            yield (
                f"row-level security disagrees with what the {word.who.role.value} {word.who.id}"
                f" was told after {word.from_s:.3f} s: that {word.request}"
                f" {'exists' if word.exists else 'does not exist'}"
            )


async def _play(
    pool: "Pool", playback: Playback, asked: Mapping[int, Mapping[Principal, set[str]]]
) -> Visible:
    """Which rows somebody can select at which step, of those they are asked about."""
    visible: Visible = set()
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(_statement("prepare_playback"))
            play = _statement("play_back")
            for step in range(playback.steps):
                states = [one[step] for one in playback.states.values() if step < len(one)]
                rows = [request_row(state) for state in states]
                await connection.execute(play, rows, timeout=PLAYBACK_TIMEOUT_S)
                for who, requests in asked.get(step, {}).items():
                    found = await _look(connection, who, requests)
                    visible |= {(step, who, request) for request in found}
        finally:
            await transaction.rollback()
    return visible


def _statement(name: str) -> str:
    return files("headstart.lab.chaos").joinpath(f"{name}.sql").read_text("utf-8")


async def _look(connection: Any, who: Principal, requests: set[str]) -> Sequence[str]:
    become = queries()["act_for"]
    await connection.execute(become.sql, *become.arguments(acting_as(who)))
    found = await connection.fetch(LOOK, [UUID(one) for one in requests])
    await connection.execute(COME_BACK)
    return [str(row["id"]) for row in found]
