"""The log folded once more, in a few lines that share nothing with the service."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from headstart.lab.checkers.history import History, Interval, Plain

INSTANT_S = 1e-5  # two clocks that are read in the same instant may be rounded differently
SOON_S = 1.0  # two polls, and the way to the database and back
TOLD_S = 3.0  # a stream may be cut: come back, and catch up page by page
FOREVER_S = float("inf")


@dataclass(frozen=True, slots=True)
class Moment:
    """A request after one row of its log."""

    version: int = 0
    since_s: float = 0.0
    status: str = "none"
    who: str | None = None
    due_s: float | None = None
    shortened: bool = False
    extensions: int = 0
    fallback: str | None = None
    broadcast: bool = False
    asked: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()

    def is_visible_to(self, mechanic: str) -> bool:
        """Whether a mechanic may know that the request exists."""
        return self.broadcast or mechanic in self.asked

    def is_the_job_of(self, mechanic: str) -> bool:
        """Whether the mechanic has won it."""
        return self.status in ("matched", "completed") and self.who == mechanic

    def concerns(self, mechanic: str) -> bool:
        """Whether the mechanic is asked now."""
        return self.status == "open" or (self.status == "reserved" and self.who == mechanic)


def _reserved(moment: Moment, told: Plain) -> Plain:
    return {
        "status": "reserved",
        "who": told["mechanic"],
        "due_s": told["until_s"],
        "shortened": told["shortened"],
        "extensions": 0,
        "asked": moment.asked | {told["mechanic"]},
    }


def _ended(moment: Moment, told: Plain) -> Plain:
    whose = "excluded" if told["reason"] == "declined" else "silent"
    had_a_turn: frozenset[str] = getattr(moment, whose)
    return {"status": "between", "due_s": None, whose: had_a_turn | {told["mechanic"]}}


def _opened(moment: Moment, told: Plain) -> Plain:
    return {
        "status": "open",
        "who": None,
        "due_s": told["until_s"],
        "broadcast": True,
        "fallback": told["fallback"] or moment.fallback,
    }


def _excluded(moment: Moment, told: Plain) -> Plain:
    return {"excluded": moment.excluded | {told["mechanic"]}}


def _released(moment: Moment, told: Plain) -> Plain:
    return {"status": "between", "due_s": None, **_excluded(moment, told)}


def _matched(moment: Moment, told: Plain) -> Plain:
    return {
        "status": "matched",
        "who": told["mechanic"],
        "due_s": told["join_by_s"],
        "asked": moment.asked | {told["mechanic"]},  # or assigned: they know of it from now on
    }


def _cancelled(moment: Moment, told: Plain) -> Plain:
    silent = moment.silent | {told["asked"]} if told["asked"] else moment.silent
    return {"status": "cancelled", "who": None, "due_s": None, "silent": silent}


Step = Callable[[Moment, Plain], Plain]

# In which states a row may be written at all, and what it makes of the request.
STEPS: Mapping[str, tuple[set[str], Step]] = {
    "session_requested": ({"none"}, lambda _, __: {"status": "new"}),
    "favorite_skipped": ({"new", "between"}, lambda _, __: {}),
    "request_reserved": ({"new", "between"}, _reserved),
    "window_shortened": (
        {"reserved"},
        lambda _, told: {"due_s": told["until_s"], "shortened": True},
    ),
    "window_extended": (
        {"reserved"},
        lambda moment, told: {"due_s": told["until_s"], "extensions": moment.extensions + 1},
    ),
    "reservation_ended": ({"reserved"}, _ended),
    "request_opened": ({"new", "between"}, _opened),
    "offer_declined": ({"open"}, _excluded),
    "request_matched": ({"reserved", "open", "between"}, _matched),  # between: assigned
    "mechanic_joined": ({"matched"}, lambda _, __: {"due_s": None}),
    "match_released": ({"matched"}, _released),
    "session_completed": ({"matched"}, lambda _, __: {"status": "completed", "due_s": None}),
    "request_cancelled": ({"new", "reserved", "open", "between"}, _cancelled),
    "request_unfilled": ({"open"}, lambda _, __: {"status": "unfilled", "due_s": None}),
}


@dataclass(slots=True)
class Tale:
    """One request: its rows, and what it was after each of them."""

    request: str
    rows: list[Plain]
    moments: list[Moment] = field(default_factory=list)

    def __post_init__(self) -> None:
        moment = Moment()
        for row in self.rows:
            changes = STEPS[row["kind"]][1](moment, row["payload"])
            changes |= {"version": row["version"], "since_s": row["committed_s"]}
            moment = replace(moment, **changes)
            self.moments.append(moment)

    @property
    def customer(self) -> str:
        """Whose it is."""
        return str(self.rows[0]["customer"])

    def steps(self) -> Iterator[tuple[Moment, Plain, Moment]]:
        """Each row between what was and what came of it."""
        return zip([Moment(), *self.moments], self.rows, self.moments, strict=False)

    def lasting(self, ended_s: float = FOREVER_S) -> Iterator[tuple[Moment, float]]:
        """Each moment, and when the next one came."""
        for moment, after in pairwise([*self.moments, Moment(since_s=ended_s)]):
            yield moment, after.since_s

    def during(self, start_s: float, end_s: float) -> list[Moment]:
        """What the request was at any time within."""
        both = pairwise([Moment(), *self.moments, Moment(since_s=FOREVER_S)])
        return [one for one, after in both if one.since_s <= end_s and after.since_s >= start_s]


class Case:
    """A history, arranged for judging."""

    def __init__(self, history: History) -> None:
        self.history = history
        terms = history.terms
        self.slack_s: float = terms.get("slack_s", INSTANT_S)
        self.soon_s: float = terms.get("soon_s", SOON_S)
        self.told_s: float = terms.get("told_s", TOLD_S)
        rows: dict[str, list[Plain]] = defaultdict(list)
        for row in history.log:
            rows[row["request"]].append(row)
        self.tales = {request: Tale(request, told) for request, told in rows.items()}
        self.effects = {(row["request"], row["key"]) for row in history.log if row["key"]}
        self.suspensions = _by_person(history.suspensions)
        self.presence = _by_person(history.presence)
        self.jobs: dict[str, list[Interval]] = defaultdict(list)
        for tale in self.tales.values():
            for moment, until_s in tale.lasting():
                if moment.status == "matched":
                    job = (tale.request, moment.since_s, until_s)
                    self.jobs[str(moment.who)].append(job)

    def windows_end_s(self, tale: Tale) -> float:
        """Until when favourites may be asked: what is left then is everybody's."""
        terms, began_s = self.history.terms, tale.rows[0]["at_s"]
        return float(began_s + terms["overall_limit_s"] - terms["broadcast_minimum_s"])

    def suspended(self, who: str, from_s: float, to_s: float) -> bool:
        """At any time within."""
        return ever(self.suspensions[who], from_s, to_s, self.slack_s)

    def busy(self, who: str, request: str, from_s: float, to_s: float) -> bool:
        """With another request than this one, at any time within."""
        jobs = (job for job in self.jobs[who] if job[0] != request)
        return ever(jobs, from_s, to_s, self.slack_s)

    def is_fit(self, who: str, at_s: float) -> bool | None:
        """Approved and without a job; None when that changed in this very instant."""
        unfit = [*self.suspensions[who], *self.jobs[who]]
        if throughout(unfit, at_s, self.slack_s):
            return False
        return None if ever(unfit, at_s, at_s, self.slack_s) else True

    def is_online(self, who: str, at_s: float) -> bool | None:
        """None when that changed in this very instant."""
        if throughout(self.presence[who], at_s, self.slack_s):
            return True
        return None if ever(self.presence[who], at_s, at_s, self.slack_s) else False


def _by_person(intervals: Iterable[Interval]) -> dict[str, list[Interval]]:
    found: dict[str, list[Interval]] = defaultdict(list)
    for interval in intervals:
        found[interval[0]].append(interval)
    return found


def ever(
    intervals: Iterable[Interval], from_s: float, to_s: float, slack_s: float = INSTANT_S
) -> bool:
    """Whether one of them reaches into this time, or may: a change is seen up to ``slack_s`` later
    than it is committed."""
    return any(start <= to_s + slack_s and end >= from_s - slack_s for _, start, end in intervals)


def throughout(intervals: Iterable[Interval], at_s: float, slack_s: float = INSTANT_S) -> bool:
    """Whether one of them surely holds this instant, and not as its first or last."""
    return any(start + slack_s < at_s < end - slack_s for _, start, end in intervals)
