"""What the log says of a span of time: how favourites answered, and what became of requests.

An offer ends in one of several ways, and each way takes from the others: one that the customer
cut short might have been accepted. So every share is of what happened inside the windows there
were, and is no forecast for longer ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta
from typing import Any

SPAN_DAYS_MAX = 366
SPAN_DAYS = 28

ACCEPTED, RUNNING = "accepted", "running"
# The mechanic could answer until the end. Whoever was not there, suspended or at work, and whoever
# was not waited for, has not said no: such a turn counts as an offer and not against anybody.
ANSWERABLE = frozenset({ACCEPTED, "declined", "no_response"})


@dataclass(frozen=True, slots=True)
class Span:
    """Whole days by UTC, the last one included."""

    first: date
    last: date

    @property
    def begin(self) -> datetime:
        """The first moment."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return datetime.combine(self.last + timedelta(days=1), time(), UTC)

    @property
    def days(self) -> Sequence[date]:
        """All of them, in order."""
        return [
            self.first + timedelta(days=one) for one in range((self.last - self.first).days + 1)
        ]

    @classmethod
    def lately(cls, today: date, days: int = SPAN_DAYS) -> "Span":
        """So many days, today included."""
        return cls(today - timedelta(days=days - 1), today)

    @classmethod
    def read(cls, first: str, last: str, today: date) -> "Span":
        """As chosen on a page: what cannot be a day counts as not given, and too much is cut."""
        ends = _day(last) or today
        begins = _day(first) or ends - timedelta(days=SPAN_DAYS - 1)
        if begins > ends:
            begins, ends = ends, begins
        return cls(max(begins, ends - timedelta(days=SPAN_DAYS_MAX - 1)), ends)


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if _FIRST_YEAR <= found.year < MAXYEAR else None


_FIRST_YEAR = 2000  # long before anything here; earlier days have no room to count back from, and
# those of the last year none to count on


@dataclass(slots=True)
class Offers:
    """Turns of favourites: how many ended how, and after how long half and nine in ten of each."""

    endings: dict[str, int] = field(default_factory=dict)
    after_s: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def made(self) -> int:
        """All of them."""
        return sum(self.endings.values())

    @property
    def running(self) -> int:
        """Those that have not ended."""
        return self.endings.get(RUNNING, 0)

    @property
    def ended(self) -> int:
        """The others."""
        return self.made - self.running

    @property
    def accepted(self) -> int:
        """Those that the favourite took."""
        return self.endings.get(ACCEPTED, 0)

    @property
    def answerable(self) -> int:
        """Those that nobody and nothing took away before the mechanic answered, or time was up."""
        return sum(count for ending, count in self.endings.items() if ending in ANSWERABLE)

    @property
    def unanswerable(self) -> int:
        """Those that ended otherwise."""
        return self.ended - self.answerable


@dataclass(frozen=True, slots=True)
class Requests:
    """What became of requests. ``match_s``: half, and nine in ten, were first accepted within."""

    requests: int = 0
    asked_first: int = 0
    fell_back: int = 0
    ever_matched: int = 0
    matched_first: int = 0
    matched: int = 0
    unfilled: int = 0
    cancelled: int = 0
    pending: int = 0
    match_s: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that is counted of one span; by plan, mechanic and day under what they are
    called there, and in all under the empty name."""

    span: Span
    offers: Mapping[str, Mapping[str, Offers]]
    requests: Mapping[str, Mapping[str, Requests]]
    fallbacks: Mapping[str, int]
    notes: Mapping[str, int]

    @property
    def all_offers(self) -> Offers:
        """Of the whole span."""
        return self.offers["all"].get("", Offers())

    @property
    def all_requests(self) -> Requests:
        """Of the whole span."""
        return self.requests["all"].get("", Requests())


def offers_of(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Mapping[str, Offers]]:
    """One row for each ending, put together."""
    found: dict[str, dict[str, Offers]] = {of: {} for of in ("all", "plan", "mechanic", "day")}
    for row in rows:
        offers = found[row["of"]].setdefault(row["key"], Offers())
        offers.endings[row["ending"]] = row["n"]
        if row["ending"] != RUNNING:
            half, most = row["after_s"]
            offers.after_s[row["ending"]] = (half, most)
    return found


def requests_of(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Mapping[str, Requests]]:
    """One row for each group."""
    found: dict[str, dict[str, Requests]] = {of: {} for of in ("all", "plan", "day")}
    for row in rows:
        counts = {name: row[name] for name in Requests.__dataclass_fields__ if name != "match_s"}
        match_s = tuple(row["match_s"]) if row["ever_matched"] else None
        found[row["of"]][row["key"]] = Requests(**counts, match_s=match_s)
    return found
