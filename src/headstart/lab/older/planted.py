"""What goes wrong in an older table: each way, how it is planted, what must be reported of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BROKEN_EVERY = 25

NO_ID, NO_MECHANIC, NOBODY = "not an id", "no such mechanic", "nobody of this id"
NO_TIME, NO_ORDER = "not a time", "out of order"
NOT_TOLD, NO_WINDOW = "nobody is named who was told", "no window began"
NO_MINUTES, NO_REASON = "not a number of minutes", "not a reason of ours"
NO_OBJECT, NO_FALLBACK = "not a JSON object", "missing, though another mechanic was matched"
TIMELESS, NOT_OURS = "a reason without a time", "not a routing type of ours"
PLAIN = "a plain broadcast has nothing of the priority path"
UNTIMED, UNMATCHED = "no time of a match", "nobody was matched"

PREFERRED, NOTIFIED = "preferred_mechanic_id", "priority_notified_at"
WINDOW, FELL_BACK, REASON = "priority_window_minutes", "fallback_broadcast_at", "fallback_reason"

STRANGER = "'00000000-0000-4000-8000-000000000000'"


@dataclass(frozen=True, slots=True)
class Way:
    """``sets`` is what an update does to a sound row; ``left_out``: there is no request then."""

    sets: str
    reported: Mapping[str, str]
    left_out: bool = False


def _noted(key: str, value: str) -> str:
    return f"metadata = metadata || jsonb_build_object('{key}', {value})"


WAYS: Mapping[str, Way] = {
    "metadata is a text": Way("metadata = '\"lost\"'", {"metadata": NO_OBJECT}),
    "metadata is a list": Way("metadata = '[1, 2]'", {"metadata": NO_OBJECT}),
    "the favourite is a name": Way(
        _noted(PREFERRED, "'Fay Canary'"),
        {PREFERRED: NO_ID, NOTIFIED: NOT_TOLD, WINDOW: NO_WINDOW},
    ),
    "the favourite is a number": Way(
        _noted(PREFERRED, "42"), {PREFERRED: NO_ID, NOTIFIED: NOT_TOLD, WINDOW: NO_WINDOW}
    ),
    "the favourite is unknown": Way(_noted(PREFERRED, STRANGER), {PREFERRED: NO_MECHANIC}),
    "told at no time": Way(_noted(NOTIFIED, "'yesterday'"), {NOTIFIED: NO_TIME, WINDOW: NO_WINDOW}),
    "told at a number": Way(
        _noted(NOTIFIED, "1730550896789"), {NOTIFIED: NO_TIME, WINDOW: NO_WINDOW}
    ),
    "told before it was made": Way(
        _noted(NOTIFIED, "public.instant(created_at - interval '1 hour')"),
        {NOTIFIED: NO_ORDER, WINDOW: NO_WINDOW},
    ),
    "a window in words": Way(_noted(WINDOW, "'ten'"), {WINDOW: NO_MINUTES}),
    "a window below zero": Way(_noted(WINDOW, "-10"), {WINDOW: NO_MINUTES}),
    "the fallback is missing": Way(
        f"metadata = metadata - '{FELL_BACK}' - '{REASON}'", {FELL_BACK: NO_FALLBACK}
    ),
    "the fallback came too late": Way(
        _noted(FELL_BACK, "public.instant(accepted_at + interval '1 hour')"),
        {FELL_BACK: NO_ORDER, REASON: TIMELESS},
    ),
    "an unknown reason": Way(_noted(REASON, "'timeout'"), {REASON: NO_REASON}),
    "an unknown routing type": Way(
        _noted("routing_type", "'workshop_only'"), {"routing_type": NOT_OURS}
    ),
    "a broadcast with a favourite": Way(
        _noted("routing_type", "'broadcast'"),
        dict.fromkeys((PREFERRED, NOTIFIED, WINDOW, FELL_BACK, REASON), PLAIN),
    ),
    "an unknown status": Way(
        "status = 'live'", {"status": "not a status of the older system"}, left_out=True
    ),
    "an unknown customer": Way(f"customer_id = {STRANGER}", {"customer_id": NOBODY}, left_out=True),
    "an unknown winner": Way(
        f"mechanic_id = {STRANGER}",
        {"mechanic_id": NOBODY, "accepted_at": UNMATCHED},
        left_out=True,
    ),
    "accepted at no time": Way(
        "accepted_at = null", {"accepted_at": "missing", "mechanic_id": UNTIMED}, left_out=True
    ),
    "accepted before it was made": Way(
        "accepted_at = created_at - interval '1 hour'",
        {"accepted_at": NO_ORDER, "mechanic_id": UNTIMED},
        left_out=True,
    ),
    "an unknown plan": Way(
        "session_type = 'gold'", {"session_type": "no such plan"}, left_out=True
    ),
    "made in the future": Way(
        "created_at = now() + interval '1 day'", {"created_at": NO_ORDER}, left_out=True
    ),
}


@dataclass(frozen=True, slots=True)
class Planted:
    """Of a table with so many rows."""

    rows: int

    @property
    def times(self) -> Sequence[int]:
        """How many rows are broken in each way."""
        counted = Counter(
            number // BROKEN_EVERY % len(WAYS)
            for number in range(BROKEN_EVERY, self.rows + 1, BROKEN_EVERY)
        )
        return [counted[way] for way in range(len(WAYS))]

    @property
    def reported(self) -> Counter[tuple[str, str, bool]]:
        """What the report must hold: key, why, left out, and how often."""
        found: Counter[tuple[str, str, bool]] = Counter()
        for way, times in zip(WAYS.values(), self.times, strict=True):
            for key, why in way.reported.items():
                found[key, why, way.left_out] += times
        return +found

    @property
    def broken(self) -> int:
        """Rows with something wrong in them."""
        return sum(self.times)

    @property
    def left_out(self) -> int:
        """Rows that cannot become requests."""
        ways = zip(WAYS.values(), self.times, strict=True)
        return sum(times for way, times in ways if way.left_out)

    @property
    def still_open(self) -> int:
        """Rows that the older system is still at work on."""
        return len(range(7, self.rows + 1, 1000))

    @property
    def taken_over(self) -> int:
        """Everything else."""
        return self.rows - self.left_out - self.still_open


def breakages(rows: int) -> Sequence[str]:
    """One statement for each way, over a table with so many sound rows."""
    return [
        f"update public.session_requests r set {way.sets}"
        f" from generate_series({BROKEN_EVERY}, {rows}, {BROKEN_EVERY}) n"
        f" where r.id = md5('request ' || n)::uuid"
        f" and n / {BROKEN_EVERY} % {len(WAYS)} = {number}"
        for number, way in enumerate(WAYS.values())
    ]
