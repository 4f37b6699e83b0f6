"""What could not be read of one row: every value that is not taken over is noted, with the reason.

So nothing is lost: a value of the older row is a column of ours, or stands in the report.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from headstart.app.ports import Unreadable

CLOCKS_APART = timedelta(seconds=5)  # its database and its programs did not share one clock
UUID_CHARACTERS = 36


@dataclass(slots=True)
class Notes:
    """Of one row."""

    row: str
    unreadable: list[Unreadable] = field(default_factory=list)

    def cannot_read(self, key: str, value: Any, why: str) -> None:
        """And so it is not taken over."""
        self.unreadable.append(Unreadable(self.row, key, text_of(value), why))

    def time(self, key: str, value: Any) -> datetime | None:
        """A moment; one that is missing is no news."""
        found = time_of(value)
        if found is None and value is not None:
            self.cannot_read(key, value, "not a time")
        return found

    def between(
        self, key: str, moment: datetime | None, earliest: datetime, latest: datetime
    ) -> datetime | None:
        """A moment that comes after what came before it, as far as clocks can tell."""
        if moment is None or earliest - CLOCKS_APART <= moment <= latest + CLOCKS_APART:
            return moment
        self.cannot_read(key, moment.isoformat(), "out of order")
        return None


def text_of(value: Any) -> str:
    """A text as it is, and anything else as JSON; what no text can hold is spelled out."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def is_storable(value: Any) -> bool:
    """Whether PostgreSQL keeps this as ``jsonb``: no NUL, no half of a pair, no infinity."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except ValueError:
        return False
    return "\\u0000" not in text


def time_of(value: Any) -> datetime | None:
    """Without a zone it is UTC, which is what the older system's servers kept."""
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def uuid_of(value: Any) -> UUID | None:
    """Only the usual form: what else Python would take for one is somebody's mistake."""
    if not isinstance(value, str) or len(value) != UUID_CHARACTERS:
        return None
    try:
        return UUID(value)
    except ValueError:
        return None
