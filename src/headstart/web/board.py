"""The whole shop at a glance: what is live and how pressing, what is stuck, what is well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from headstart.app import watch
from headstart.app.ports import PersonalViews, Wanted
from headstart.app.watch import Alarm, Tone
from headstart.core.access import Principal
from headstart.core.request import MechanicId, RequestId
from headstart.telemetry import DEADLINE_LAG_S, FEED_LAG_S, within
from headstart.web.service import Service

EACH_MAX = 40  # of one stage; the column says how many more there are
ENDED_SINCE = timedelta(hours=1)
ENDED_MAX = 12
STUCK_MAX = 50
TROUBLES_MAX = 20
MECHANICS_MAX = 200
NEARLY_ALL = 0.99
LATE_S = 1.0  # a deadline is always found a moment after it has passed

STAGES = {"reserved": "Asked alone", "open": "Asking everyone", "matched": "Matched"}
_LIMITS = {"reserved": "alone until", "open": "ends at", "matched": "planned until"}
_NOBODY_ACTED = {
    "overdue": "The deadline passed and nobody acted",
    "not_captured": "Matched, and the money is not taken",
    "unsettled": "Owed at the payment service, and not done",
    "sweep": "Deadlines are not being swept",
    "feed": "News waits for a transaction that does not end",
}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Filters:
    """What stands in the address of the board, as far as it means anything."""

    stage: str = ""
    plan: str = ""
    mechanic: str = ""
    stuck: str = ""

    @classmethod
    def read(cls, stage: str, plan: str, mechanic: str, stuck: str) -> "Filters":
        """What cannot be meant counts as not given."""
        try:
            mechanic = str(UUID(mechanic))
        except ValueError:
            mechanic = ""
        return cls(stage if stage in STAGES else "", plan, mechanic, "yes" if stuck else "")

    def link(self, **change: str) -> str:
        """The board with one filter changed."""
        changed = replace(self, **change)
        chosen = {name: value for name in _FILTERS if (value := getattr(changed, name))}
        return f"/admin?{urlencode(chosen)}" if chosen else "/admin"

    @property
    def any(self) -> bool:
        """Whether not everything is shown."""
        return self != Filters()


_FILTERS = ("stage", "plan", "mechanic", "stuck")


@dataclass(frozen=True, slots=True)
class Card:
    """One live request, and how pressing it is."""

    row: Row
    tone: Tone
    percent: int
    limit: str  # what happens at the limit


@dataclass(frozen=True, slots=True)
class Column:
    """One stage: its requests with the least time left, and how many there are in all."""

    stage: str
    title: str
    cards: Sequence[Card]
    total: int


@dataclass(frozen=True, slots=True)
class Stuck:
    """Something on which somebody had to act, and nobody did."""

    why: str
    detail: str
    since: datetime | None
    request_id: RequestId | None = None


@dataclass(frozen=True, slots=True)
class Sign:
    """One part of the machinery, and how it is."""

    name: str
    tone: Tone
    said: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """Everything the page shows."""

    now: datetime
    filters: Filters
    stuck: Sequence[Stuck]
    alarms: Sequence[Alarm]
    columns: Sequence[Column]
    ended: Sequence[Row]
    signs: Sequence[Sign]
    mechanics: Sequence[Row]


async def look(
    service: Service, who: Principal, filters: Filters, troubles: Sequence[Row]
) -> Board:
    """As of one moment, with an operator's eyes."""
    async with service.views.on_behalf_of(who) as views:
        board = views.board
        health = await board.health()
        now: datetime = health["now"]
        stuck = [*_of_the_loops(service), *await _stuck(views)]
        ids = [one.request_id for one in stuck if one.request_id] if filters.stuck else None
        wanted = Wanted(
            stage=filters.stage or None,
            plan=filters.plan or None,
            mechanic=MechanicId(UUID(filters.mechanic)) if filters.mechanic else None,
            ids=ids,
        )
        live = await board.live(wanted, EACH_MAX)
        nothing_ended = filters.stage or filters.stuck
        ended = [] if nothing_ended else await board.ended(wanted, ENDED_SINCE, ENDED_MAX)
        return Board(
            now=now,
            filters=filters,
            stuck=stuck,
            alarms=watch.alarms(await board.pulse(watch.ALARMS_LOOK_BACK), now),
            columns=[_column(stage, live, now) for stage in STAGES if filters.stage in ("", stage)],
            ended=ended,
            signs=_signs(service, health, troubles),
            mechanics=await board.mechanics(MECHANICS_MAX),
        )


async def _stuck(views: PersonalViews) -> Sequence[Stuck]:
    rows = await views.board.stuck(watch.OVERDUE_AFTER, watch.UNSETTLED_AFTER, STUCK_MAX)
    return [
        Stuck(_NOBODY_ACTED[row["why"]], row["detail"], row["since"], row["request_id"])
        for row in rows
    ]


def _of_the_loops(service: Service) -> Sequence[Stuck]:
    """What this process itself should be doing."""
    found = []
    silence_s, stall_s = service.deadlines.silence_s, service.feed.stall_s
    if silence_s > watch.SWEEP_SILENCE_S_MAX:
        found.append(Stuck(_NOBODY_ACTED["sweep"], f"for {silence_s:.0f} s", None))
    if stall_s > watch.FEED_WAITS_S_MAX:
        found.append(Stuck(_NOBODY_ACTED["feed"], f"for {stall_s:.0f} s", None))
    return found


def _column(stage: str, live: Sequence[Row], now: datetime) -> Column:
    rows = [row for row in live if row["stage"] == stage]
    return Column(
        stage=stage,
        title=STAGES[stage],
        cards=[card_of(row, now) for row in rows],
        total=rows[0]["of_stage"] if rows else 0,
    )


def card_of(row: Row, now: datetime) -> Card:
    """A live request, as of now."""
    since, limit_at = row["since"], row["limit_at"]
    watched = row["stage"] == "matched" and row["due_at"] is not None
    return Card(
        row=row,
        tone=watch.tone_of_age(since, limit_at, now),
        percent=round(100 * min(1.0, watch.share_used(since, limit_at, now))),
        limit="must join by" if watched else _LIMITS[row["stage"]],
    )


def _signs(service: Service, health: Row, troubles: Sequence[Row]) -> Sequence[Sign]:
    return [_sweep(service, health), _feed(service), _webhooks(health, troubles), _money(health)]


def _sweep(service: Service, health: Row) -> Sign:
    silence_s, late_s = service.deadlines.silence_s, health["late_s"] or 0.0
    oldest = f"The oldest deadline is {_seconds(late_s)} late."
    said = f"Swept {_seconds(silence_s)} ago. {oldest if late_s >= LATE_S else 'Nothing is late.'}"
    if late_s > watch.OVERDUE_AFTER.total_seconds() or silence_s > watch.SWEEP_SILENCE_S_MAX:
        return Sign("Deadlines", Tone.BAD, said, _nearly_all(DEADLINE_LAG_S))
    tone = Tone.SOON if late_s >= LATE_S else Tone.WELL
    return Sign("Deadlines", tone, said, _nearly_all(DEADLINE_LAG_S))


def _feed(service: Service) -> Sign:
    stall_s = service.feed.stall_s
    if stall_s > watch.FEED_WAITS_S_MAX:
        return Sign("News", Tone.BAD, f"The oldest has waited for {_seconds(stall_s)}.")
    return Sign("News", Tone.WELL, "Told as it happens. Nothing waits.", _nearly_all(FEED_LAG_S))


def _nearly_all(histogram: Any) -> str:
    """What the process has measured since it started."""
    found = within(histogram, NEARLY_ALL)
    if found is None:
        return "None yet since this process started."
    bound, total = found
    if total < watch.FIGURE_N_MIN:
        return f"{total} so far since this process started: too few for a figure."
    length = "over the longest bound" if bound == float("inf") else f"within {_seconds(bound)}"
    return f"99 of 100 {length}, of {total:,} since this process started."


def _webhooks(health: Row, troubles: Sequence[Row]) -> Sign:
    quarantined = sum(one["trouble"] == "quarantined" for one in troubles)
    at = health["webhook_at"]
    said = "None received yet." if at is None else f"The last came {_ago(health['now'] - at)}."
    if quarantined:
        words = f"{quarantined} in quarantine: see the money that needs a person. {said}"
        return Sign("Payment events", Tone.BAD, words)
    return Sign("Payment events", Tone.UNKNOWN if at is None else Tone.WELL, said)


def _money(health: Row) -> Sign:
    owed, refused = health["operations"], health["refused"]
    if refused:
        one = "1 operation was" if refused == 1 else f"{refused} operations were"
        return Sign("Money", Tone.BAD, f"{one} refused and needs a person.", _owed(health))
    if not owed:
        return Sign("Money", Tone.WELL, "Nothing is owed at the payment service.")
    late = health["now"] - health["owed_since"] > watch.UNSETTLED_AFTER
    return Sign("Money", Tone.SOON if late else Tone.WELL, _owed(health))


def _owed(health: Row) -> str:
    owed = health["operations"]
    if not owed:
        return ""
    since = _ago(health["now"] - health["owed_since"])
    return f"{owed} {'is' if owed == 1 else 'are'} under way, the first written {since}."


def _ago(length: timedelta) -> str:
    return f"{_seconds(length.total_seconds())} ago"


def _seconds(seconds: float) -> str:
    """A length as an operator reads it at a glance."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"
