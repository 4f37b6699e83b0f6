"""What an older system noted of the priority path: the six keys of ``metadata``."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from headstart.app.older.notes import Notes, uuid_of
from headstart.core.request import FallbackReason, MechanicId, RoutingType

ROUTING, PREFERRED, NOTIFIED = "routing_type", "preferred_mechanic_id", "priority_notified_at"
WINDOW, FELL_BACK = "priority_window_minutes", "fallback_broadcast_at"
REASON = "fallback_reason"
MIRRORED = (ROUTING, PREFERRED, NOTIFIED, WINDOW, FELL_BACK, REASON)

USUAL_WINDOW = timedelta(minutes=10)  # "always 10", says the plan
WINDOW_MINUTES_MAX = 24 * 60

Noted = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """The priority path of one request, as far as it happened. ``exists``: the mechanic does."""

    preferred: MechanicId | None
    exists: bool
    notified_at: datetime | None
    window: timedelta
    fell_back_at: datetime | None
    reason: FallbackReason | None


@dataclass(frozen=True, slots=True)
class Frame:
    """What else is known of the request: nothing of the priority path lies outside of it."""

    created_at: datetime
    until: datetime
    winner: MechanicId | None
    mechanics: Collection[UUID]


def asked_of(metadata: Noted, frame: Frame, notes: Notes) -> Asked | None:
    """None for a plain broadcast."""
    noted = {key: metadata[key] for key in MIRRORED if metadata.get(key) is not None}
    routing = _routing(noted, notes)
    began = NOTIFIED in noted or FELL_BACK in noted
    if routing is RoutingType.BROADCAST or (routing is None and not began):
        for key in noted.keys() - {ROUTING}:
            notes.cannot_read(key, noted[key], "a plain broadcast has nothing of the priority path")
        return None
    preferred = _preferred(noted, frame, notes)
    notified_at = _notified_at(noted, preferred, frame, notes)
    fell_back_at = notes.between(
        FELL_BACK,
        notes.time(FELL_BACK, noted.get(FELL_BACK)),
        notified_at or frame.created_at,
        frame.until,
    )
    if notified_at and frame.winner not in (None, preferred) and FELL_BACK not in noted:
        notes.cannot_read(FELL_BACK, None, "missing, though another mechanic was matched")
    return Asked(
        preferred=preferred,
        exists=preferred in frame.mechanics,
        notified_at=notified_at,
        window=_window(noted, notified_at, notes),
        fell_back_at=fell_back_at,
        reason=_reason(noted, fell_back_at, notes),
    )


def _routing(noted: Noted, notes: Notes) -> RoutingType | None:
    value = noted.get(ROUTING)
    if value is None:
        return None
    if value in list(RoutingType):
        return RoutingType(value)
    notes.cannot_read(ROUTING, value, "not a routing type of ours")
    return None


def _preferred(noted: Noted, frame: Frame, notes: Notes) -> MechanicId | None:
    value = noted.get(PREFERRED)
    if value is None:
        return None
    found = uuid_of(value)
    if found is None:
        notes.cannot_read(PREFERRED, value, "not an id")
        return None
    if found not in frame.mechanics:
        notes.cannot_read(PREFERRED, value, "no such mechanic")
    return MechanicId(found)


def _notified_at(
    noted: Noted, preferred: MechanicId | None, frame: Frame, notes: Notes
) -> datetime | None:
    found = notes.time(NOTIFIED, noted.get(NOTIFIED))
    if found and preferred is None:
        notes.cannot_read(NOTIFIED, noted[NOTIFIED], "nobody is named who was told")
        return None
    return notes.between(NOTIFIED, found, frame.created_at, frame.until)


def _window(noted: Noted, notified_at: datetime | None, notes: Notes) -> timedelta:
    value = noted.get(WINDOW)
    if value is None:
        return USUAL_WINDOW
    if notified_at is None:
        notes.cannot_read(WINDOW, value, "no window began")
        return USUAL_WINDOW
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and 0 < value <= WINDOW_MINUTES_MAX:
        return timedelta(minutes=value)
    notes.cannot_read(WINDOW, value, "not a number of minutes")
    return USUAL_WINDOW


def _reason(noted: Noted, fell_back_at: datetime | None, notes: Notes) -> FallbackReason | None:
    """Where none was noted it was the timer, which wrote the time alone."""
    value = noted.get(REASON)
    if fell_back_at is None:
        if value is not None:
            notes.cannot_read(REASON, value, "a reason without a time")
        return None
    if value is None:
        return FallbackReason.NO_RESPONSE
    if value in list(FallbackReason):
        return FallbackReason(value)
    notes.cannot_read(REASON, value, "not a reason of ours")
    return FallbackReason.NO_RESPONSE
