"""One row of an older system: who, what, when, and how it ended. What cannot be read is named.

Its statuses, plans and columns are listed in docs/how-to/come-from-an-older-system.md.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID, uuid5

from headstart.app.older.history import Ending, OlderRequest, past_of
from headstart.app.older.notes import Notes, is_storable, time_of, uuid_of
from headstart.app.older.priority import MIRRORED, PREFERRED, Frame, asked_of
from headstart.app.ports import Existing, OlderRow, Past, Unreadable
from headstart.core.request import CustomerId, MechanicId, RequestId

STILL_OPEN_FOR = timedelta(hours=24)  # the longest of the older system's time-outs for "pending"

CUSTOMER = ("customer_id", "customer_user_id", "user_id")
MECHANIC = ("matched_mechanic_id", "mechanic_id")
ACCEPTED = ("matched_at", "accepted_at")
ENDED = ("completed_at", "cancelled_at", "expired_at", "ended_at", "updated_at")
PLAN = ("plan_code", "plan", "session_type")

ENDINGS: Mapping[str, Ending | None] = {
    "matched": Ending.SERVED,
    "accepted": Ending.SERVED,
    "completed": Ending.SERVED,
    "expired": Ending.UNFILLED,
    "unfilled": Ending.UNFILLED,
    "cancelled": Ending.CANCELLED,
    "canceled": Ending.CANCELLED,
    "pending": None,
    "unattended": None,
}
PLAN_ALIASES: Mapping[str, str] = {
    "trial": "free",
    "trial-free": "free",
    "chat10": "quick",
    "chat": "quick",
    "video15": "standard",
    "video": "standard",
}
_REQUESTS = UUID("5a7b33c9-6a43-5e0c-9a2e-0d0f4b0f7f10")


class Fate(Enum):
    """What becomes of a row."""

    TAKEN_OVER = "taken over"
    KNOWN = "known already"
    STILL_OPEN = "still open there"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Reading:
    """One row, read. ``past`` is there when its fate is to be taken over."""

    row: str
    fate: Fate
    past: Past | None = None
    unreadable: Sequence[Unreadable] = ()


def request_id_of(source: str, key: str) -> RequestId:
    """The older id where it is a UUID, else one made from it: the same at every run."""
    return RequestId(uuid_of(key) or uuid5(_REQUESTS, f"{source}:{key}"))


def people_of(row: OlderRow) -> Iterator[UUID]:
    """Everybody whom a row names readably."""
    metadata = _object(row.columns.get("metadata")) or {}
    named = (_first(row, CUSTOMER)[1], _first(row, MECHANIC)[1], metadata.get(PREFERRED))
    yield from filter(None, map(uuid_of, named))


@dataclass(frozen=True, slots=True)
class Reader:
    """``existing`` must have been asked about all rows, and everybody whom they name."""

    source: str
    existing: Existing
    plans: Collection[str]
    now: datetime

    def read(self, row: OlderRow) -> Reading:
        """Judge one row."""
        request_id = request_id_of(self.source, row.key)
        if request_id in self.existing.requests:
            return Reading(row.key, Fate.KNOWN)
        notes = Notes(row.key)
        created_at = self._created_at(row, notes)
        status = _status(row, notes)
        if status and ENDINGS[status] is None and self._is_young(created_at):
            return Reading(row.key, Fate.STILL_OPEN)
        customer = self._person(row, CUSTOMER, self.existing.customers, notes)
        plan = self._plan(row, notes)
        if created_at is None or status is None or customer is None or plan is None:
            return _left_out(notes)
        ending = ENDINGS[status] or Ending.UNFILLED
        mechanic, matched_at = self._match(row, ending, created_at, notes)
        if ending is Ending.SERVED and matched_at is None:
            return _left_out(notes)
        metadata = _metadata(row, notes)
        frame = Frame(created_at, matched_at or self.now, mechanic, self.existing.mechanics)
        older = OlderRequest(
            id=request_id,
            customer=CustomerId(customer),
            plan=plan,
            created_at=created_at,
            ending=ending,
            mechanic=mechanic,
            matched_at=matched_at,
            ended_at=self._ended_at(row),
            asked=asked_of(metadata, frame, notes),
            metadata={key: value for key, value in metadata.items() if key not in MIRRORED},
        )
        return Reading(row.key, Fate.TAKEN_OVER, past_of(older), notes.unreadable)

    def _is_young(self, created_at: datetime | None) -> bool:
        return created_at is not None and self.now - created_at < STILL_OPEN_FOR

    def _created_at(self, row: OlderRow, notes: Notes) -> datetime | None:
        value = row.columns.get("created_at")
        if value is None:
            notes.cannot_read("created_at", None, "missing")
            return None
        found = notes.time("created_at", value)
        return notes.between("created_at", found, found, self.now) if found else None

    def _plan(self, row: OlderRow, notes: Notes) -> str | None:
        name, value = _first(row, PLAN)
        if isinstance(value, str):
            for code in (value, PLAN_ALIASES.get(value)):
                if code in self.plans:
                    return code
        notes.cannot_read(name, value, "no such plan")
        return None

    def _person(
        self, row: OlderRow, columns: Sequence[str], existing: Collection[UUID], notes: Notes
    ) -> UUID | None:
        name, value = _first(row, columns)
        found = uuid_of(value)
        if found in existing:
            return found
        notes.cannot_read(name, value, "nobody of this id" if found else "not an id")
        return None

    def _match(
        self, row: OlderRow, ending: Ending, created_at: datetime, notes: Notes
    ) -> tuple[MechanicId, datetime] | tuple[None, None]:
        """Who was matched and when, or neither."""
        who, mechanic = _first(row, MECHANIC)
        when, accepted = _first(row, ACCEPTED)
        complete = mechanic is not None and accepted is not None
        if ending is Ending.UNFILLED or (ending is Ending.CANCELLED and not complete):
            for name, value in ((who, mechanic), (when, accepted)):
                if value is not None:
                    notes.cannot_read(name, value, "it ended without a match")
            return None, None
        found = self._person(row, MECHANIC, self.existing.mechanics, notes)
        matched_at = notes.time(when, accepted)
        if accepted is None:
            notes.cannot_read(when, None, "missing")
        matched_at = notes.between(when, matched_at, created_at, self.now)
        if found is not None and matched_at is not None:
            return MechanicId(found), matched_at
        if found is not None:
            notes.cannot_read(who, mechanic, "no time of a match")
        if matched_at is not None:
            notes.cannot_read(when, accepted, "nobody was matched")
        return None, None

    def _ended_at(self, row: OlderRow) -> datetime | None:
        """No more than a hint: nothing depends on it."""
        found = time_of(_first(row, ENDED)[1])
        return found if found and found <= self.now else None


def _left_out(notes: Notes) -> Reading:
    unreadable = [replace(one, left_out=True) for one in notes.unreadable]
    return Reading(notes.row, Fate.LEFT_OUT, None, unreadable)


def _status(row: OlderRow, notes: Notes) -> str | None:
    value = row.columns.get("status")
    if isinstance(value, str) and value.lower() in ENDINGS:
        return value.lower()
    notes.cannot_read("status", value, "not a status of the older system")
    return None


def _metadata(row: OlderRow, notes: Notes) -> Mapping[str, Any]:
    value = row.columns.get("metadata")
    found = _object(value)
    if found is None and value is not None:
        notes.cannot_read("metadata", value, "not a JSON object")
    elif found and not is_storable(found):
        notes.cannot_read("metadata", value, "a character or number that cannot be stored")
        return {}
    return found or {}


def _first(row: OlderRow, names: Sequence[str]) -> tuple[str, Any]:
    """The first of these columns that holds something; where none does, one that is there."""
    for name in names:
        if row.columns.get(name) is not None:
            return name, row.columns[name]
    return next((name for name in names if name in row.columns), names[0]), None


def _object(value: Any) -> dict[str, Any] | None:
    """A JSON object, also where it is kept as text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None
