"""Figures as tables: the same rows on the page and in the file that is taken away."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO

from headstart.app.figures import ACCEPTED, RUNNING, Figures, Offers, Requests
from headstart.app.watch import SHARE_N_MIN

ENDINGS = {
    "accepted": "The favourite accepted",
    "declined": "They declined",
    "no_response": "No answer in time",
    "not_there": "No sign of life from them",
    "mechanic_offline": "They were offline",
    "mechanic_busy": "They got another job",
    "mechanic_unavailable": "They are no longer approved",
    "customer_skipped": "The customer did not wait",
    "operator": "An operator did not wait",
    "cancelled": "The request was cancelled",
    "not_a_favorite": "The mechanic is not a favourite of theirs",
    "error": "An internal error",
}
NOTES = {
    "busy": "Declined: busy",
    "not_my_field": "Declined: not their field",
    "too_little_time": "Declined: too little time",
    "too_little_pay": "Declined: too little pay",
    "other": "Declined: something else",
    "set_off_duty": "Set off duty by the system",
}
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a spreadsheet would carry out


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole. A percentage only where there are enough for one."""

    part: int
    whole: int

    def __str__(self) -> str:
        if not self.whole:
            return "–"
        if self.whole < SHARE_N_MIN:
            return f"{self.part} of {self.whole}"
        return f"{100 * self.part / self.whole:.0f} %"


@dataclass(frozen=True, slots=True)
class Length:
    """A quantile of some lengths of time, in seconds; ``of`` how many."""

    seconds: float | None
    of: int

    def __str__(self) -> str:
        if self.seconds is None:
            return "–"
        minutes, seconds = divmod(round(self.seconds), 60)
        hours, minutes = divmod(minutes, 60)
        clock = f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
        return clock if self.of >= SHARE_N_MIN else f"{clock} (of {self.of})"


Cell = str | int | Share | Length


@dataclass(frozen=True, slots=True)
class Table:
    """``said`` defines its figures. A share or a length has its own
    number of cases behind it in the file."""

    name: str
    title: str
    said: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    @property
    def shown(self) -> Sequence[Sequence[Cell]]:
        """For the page: what something happened in; of days the newest first."""
        rows = [row for row in self.rows if any(cell for cell in row if isinstance(cell, int))]
        return rows[::-1] if self.name.endswith("-day") else rows

    @property
    def bars(self) -> Sequence[int] | None:
        """How long the bar of each row is, in per cent, where the rows are parts of one whole."""
        if self.name not in PARTS_OF_A_WHOLE:
            return None
        shares = [cell for row in self.rows for cell in row if isinstance(cell, Share)]
        return [round(100 * one.part / one.whole) if one.whole else 0 for one in shares]

    def csv(self) -> str:
        """For a spreadsheet; what somebody called themselves is text there, and never a formula."""
        out = StringIO()
        writer = csv.writer(out)
        writer.writerow(_headings(self))
        writer.writerows([harmless(one) for one in _flat(row)] for row in self.rows)
        return out.getvalue()


PARTS_OF_A_WHOLE = frozenset({"endings", "fallbacks"})


def harmless(value: str | int | float | None) -> str | int | float | None:
    """Text that a spreadsheet would carry out is quoted as text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _headings(table: Table) -> Iterator[str]:
    cells: Sequence[Cell] = table.rows[0] if table.rows else [""] * len(table.columns)
    for heading, cell in zip(table.columns, cells, strict=True):
        yield f"{heading} (s)" if isinstance(cell, Length) else heading
        if isinstance(cell, Share | Length):
            yield f"{heading}: of how many"


def _flat(row: Iterable[Cell]) -> Iterator[str | int | float | None]:
    for cell in row:
        match cell:
            case Share():
                yield round(cell.part / cell.whole, 4) if cell.whole else None
                yield cell.whole
            case Length():
                yield None if cell.seconds is None else round(cell.seconds, 3)
                yield cell.of
            case _:
                yield cell


def tables(
    figures: Figures, plans: Mapping[str, str], mechanics: Mapping[str, str]
) -> Sequence[Table]:
    """Everything there is; names of plans and mechanics by what the figures call them."""
    return [
        _endings(figures.all_offers),
        _fallbacks(figures),
        _notes(figures),
        _offers("plan", "Offers by plan", figures, plans),
        _offers("mechanic", "Offers by mechanic", figures, mechanics),
        _offers("day", "Offers by day", figures, _days(figures)),
        _requests("plan", "Requests by plan", figures, plans),
        _requests("day", "Requests by day", figures, _days(figures)),
    ]


def _days(figures: Figures) -> Mapping[str, str]:
    return {day.isoformat(): day.isoformat() for day in figures.span.days}


def _endings(offers: Offers) -> Table:
    found = sorted(offers.endings.items(), key=lambda one: (-one[1], one[0]))
    rows: Sequence[Sequence[Cell]] = [
        [
            ENDINGS.get(ending, ending),
            count,
            Share(count, offers.ended),
            *_quantiles(offers.after_s.get(ending), count),
        ]
        for ending, count in found
        if ending != RUNNING
    ]
    return Table(
        "endings",
        "How the favourite’s time alone ended",
        "Of all offers to one favourite that have ended. Each ending takes from the others: an"
        " offer that somebody cut short might have been accepted. “No answer” is of mechanics"
        " who were there; whether they saw it the log does not know.",
        ["Ending", "Offers", "Share", "Half ended within", "Nine in ten within"],
        rows,
    )


def _fallbacks(figures: Figures) -> Table:
    total = sum(figures.fallbacks.values())
    return Table(
        "fallbacks",
        "Why everybody was asked after all",
        "Of the requests for which a favourite was named and everybody was asked in the end. With"
        " several favourites in a row, the reason is the last one’s.",
        ["Reason", "Requests", "Share"],
        [
            [ENDINGS.get(reason, reason), count, Share(count, total)]
            for reason, count in figures.fallbacks.items()
        ],
    )


def _notes(figures: Figures) -> Table:
    return Table(
        "notes",
        "What was noted about offers",
        "Why mechanics declined, by those who said it: nobody has to. And how often the system set"
        " a mechanic off duty, for offers missed one after another.",
        ["Note", "Offers"],
        [[NOTES.get(note, note), count] for note, count in figures.notes.items()],
    )


_OFFERS = (
    *("Offers", "Accepted", "Declined", "No answer", "Could not answer", "Running", "Accept rate"),
    *("Half accepted within", "Nine in ten within"),
)


_ACCEPT_RATE = (
    "The accept rate is of the offers that could be answered to the end. Where the customer or an"
    " operator did not wait, or no sign of life came from the mechanic, or they were at work or"
    " suspended, it counts as an offer and against nobody."
)
_UNFILLED_SHARE = (
    "By the moment of the request. The unfilled share is of those that were matched or went"
    " unfilled. How long until a mechanic accepted is of all that were ever matched, whether or"
    " not the match lasted."
)
_BY_DAY = "The same by day, newest first. Days on which nothing was are only in the file."


def _offers(of: str, title: str, figures: Figures, names: Mapping[str, str]) -> Table:
    found = figures.offers[of]
    keys = names if of == "day" else sorted(found, key=lambda key: (-found[key].made, key))
    return Table(
        f"offers-by-{of}",
        title,
        {"plan": _ACCEPT_RATE, "mechanic": "The same by mechanic.", "day": _BY_DAY}[of],
        [of.title(), *_OFFERS],
        [[names.get(key, key), *_of_offers(found.get(key, Offers()))] for key in keys],
    )


def _of_offers(offers: Offers) -> Sequence[Cell]:
    declined, silent = (offers.endings.get(one, 0) for one in ("declined", "no_response"))
    return [
        *(offers.made, offers.accepted, declined, silent, offers.unanswerable, offers.running),
        Share(offers.accepted, offers.answerable),
        *_quantiles(offers.after_s.get(ACCEPTED), offers.accepted),
    ]


_REQUESTS = (
    *("Requests", "Favourite asked first", "Fell back", "Matched", "Unfilled", "Cancelled"),
    *("Still waiting", "Unfilled share", "Half had a mechanic within", "Nine in ten within"),
)


def _requests(of: str, title: str, figures: Figures, names: Mapping[str, str]) -> Table:
    found = figures.requests[of]
    keys = names if of == "day" else sorted(found, key=lambda key: (-found[key].requests, key))
    return Table(
        f"requests-by-{of}",
        title,
        {"plan": _UNFILLED_SHARE, "day": _BY_DAY}[of],
        [of.title(), *_REQUESTS],
        [[names.get(key, key), *_of_requests(found.get(key, Requests()))] for key in keys],
    )


def _of_requests(made: Requests) -> Sequence[Cell]:
    return [
        *(made.requests, made.asked_first, made.fell_back, made.matched, made.unfilled),
        *(made.cancelled, made.pending, Share(made.unfilled, made.unfilled + made.matched)),
        *_quantiles(made.match_s, made.ever_matched),
    ]


def _quantiles(found: tuple[float, float] | None, of: int) -> Sequence[Length]:
    half, most = found or (None, None)
    return [Length(half, of), Length(most, of)]
