"""When an operator has to look: every bound by its name, and what is said when it is passed.

The thresholds are the ones that operators of such a marketplace named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

OVERDUE_AFTER = timedelta(seconds=30)  # a deadline that passed and nobody acted on
UNSETTLED_AFTER = timedelta(minutes=15)  # money that is owed and does not move
FEED_WAITS_S_MAX = 2.0  # news that wait for a foreign transaction
SWEEP_SILENCE_S_MAX = 10.0  # since deadlines were last swept

SOON = 0.8  # of a limit: look at it
OVER = 1.0

ALARMS_LOOK_BACK = timedelta(hours=24)
UNFILLED_SHARE_MAX = 0.3
PENDING_MAX = 10
PENDING_AGE_MAX = timedelta(minutes=30)
TIME_TO_MATCH_MAX = timedelta(minutes=5)
FIGURE_N_MIN = 100  # before something is said of 99 in 100
SHARE_N_MIN = 20  # fewer than that, and a percentage says more than it knows


class Tone(StrEnum):
    """How something stands. Never shown by colour alone."""

    WELL = "well"
    SOON = "soon"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One question that is asked all the time, and the answer in plain words."""

    name: str
    said: str
    tone: Tone


def tone_of_age(since: datetime, limit_at: datetime | None, now: datetime) -> Tone:
    """Where something stands between its beginning and its limit."""
    if limit_at is None:
        return Tone.UNKNOWN
    share = share_used(since, limit_at, now)
    return Tone.BAD if share >= OVER else Tone.SOON if share >= SOON else Tone.WELL


def share_used(since: datetime, limit_at: datetime, now: datetime) -> float:
    """How much of the time there is has passed; 1 at the limit, more beyond it."""
    whole_s = (limit_at - since).total_seconds()
    return OVER if whole_s <= 0 else max(0.0, (now - since).total_seconds() / whole_s)


def alarms(pulse: Mapping[str, Any], now: datetime) -> Sequence[Alarm]:
    """The four questions."""
    return [_unfilled(pulse), _pending(pulse), _oldest(pulse, now), _time_to_match(pulse)]


def _unfilled(pulse: Mapping[str, Any]) -> Alarm:
    unfilled, decided = pulse["unfilled"], pulse["unfilled"] + pulse["matched"]
    said = f"{unfilled} of {decided} requests of the last 24 hours went unfilled."
    if decided < SHARE_N_MIN:
        few = f"{said} Too few to judge: a share is judged from {SHARE_N_MIN} on."
        return Alarm("unfilled", few if decided else _NOTHING, Tone.UNKNOWN)
    above = unfilled / decided > UNFILLED_SHARE_MAX
    limit = f"{UNFILLED_SHARE_MAX:.0%}".replace("%", " %")
    words = f"{said} More than {limit} is too many." if above else f"{said} Up to {limit} is fine."
    return Alarm("unfilled", words, Tone.BAD if above else Tone.WELL)


def _pending(pulse: Mapping[str, Any]) -> Alarm:
    waiting = pulse["pending"]
    said = "Nobody waits for a mechanic." if not waiting else f"{waiting} wait for a mechanic."
    above = waiting > PENDING_MAX
    words = f"{said} More than {PENDING_MAX} is too many." if above else said
    return Alarm("pending", words, Tone.BAD if above else Tone.WELL)


def _oldest(pulse: Mapping[str, Any], now: datetime) -> Alarm:
    if pulse["oldest"] is None:
        return Alarm("oldest", "Nobody waits long.", Tone.WELL)
    age = now - pulse["oldest"]
    said = f"Whoever waits longest has waited for {_minutes(age)}."
    above = age > PENDING_AGE_MAX
    words = f"{said} More than {_minutes(PENDING_AGE_MAX)} is too long." if above else said
    return Alarm("oldest", words, Tone.BAD if above else Tone.WELL)


def _time_to_match(pulse: Mapping[str, Any]) -> Alarm:
    matched = pulse["matched"]
    if not matched:
        return Alarm("time_to_match", "Nobody was matched in the last 24 hours.", Tone.UNKNOWN)
    median = timedelta(seconds=pulse["match_p50_s"])
    said = f"Half of the {matched} matched in the last 24 hours had a mechanic within"
    if matched < SHARE_N_MIN:
        return Alarm("time_to_match", f"{said} {_minutes(median)}. Too few to judge.", Tone.UNKNOWN)
    above = median > TIME_TO_MATCH_MAX
    words = f"{said} {_minutes(median)}."
    target = f" The target is {_minutes(TIME_TO_MATCH_MAX)}." if above else ""
    return Alarm("time_to_match", words + target, Tone.BAD if above else Tone.WELL)


_NOTHING = "No request of the last 24 hours is decided yet."


def _minutes(length: timedelta) -> str:
    seconds = length.total_seconds()
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
