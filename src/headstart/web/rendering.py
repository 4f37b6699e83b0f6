"""Templates into answers: one environment, and how money and moments are written."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from math import ceil
from typing import Any
from uuid import UUID

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from headstart.core.access import Principal, Role
from headstart.web.integrity import script, stylesheet

_WITHOUT_MINOR_UNIT = "bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf"


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever looks at the page, with the name that is shown to them."""

    role: Role
    id: UUID
    name: str

    @property
    def principal(self) -> Principal:
        """As the rules know them."""
        return Principal(self.role, self.id)


def money(amount: int, currency: str) -> str:
    """Minor units as people write them: 2999 cad is "29.99 CAD", 500 jpy "500 JPY"."""
    code = currency.upper()
    if currency in _WITHOUT_MINOR_UNIT:
        return f"{amount:,} {code}"
    return f"{amount // 100:,}.{amount % 100:02d} {code}"


def instant(value: datetime | str) -> datetime:
    """A moment, however it is written."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def clock_time(value: datetime | str) -> str:
    """The time of day, for browsers that cannot turn it into their own."""
    return f"{instant(value).astimezone(UTC):%H:%M:%S} UTC"


def moment(value: datetime | str) -> str:
    """Day and time, likewise."""
    at = instant(value).astimezone(UTC)
    return f"{at.day} {at:%b %H:%M} UTC"


def iso(value: datetime | str) -> str:
    """For programs."""
    return instant(value).isoformat()


def time_left(due: datetime | str, now: datetime | str) -> str:
    """Minutes and seconds until a deadline, as a clock shows them. Never negative."""
    seconds = max(0, ceil((instant(due) - instant(now)).total_seconds()))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def how_long(limit: datetime | str, now: datetime | str) -> str:
    """What is left until a limit, or how long it is over, at a glance."""
    left_s = ceil((instant(limit) - instant(now)).total_seconds())
    seconds = abs(left_s)
    length = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
    if seconds >= 7200:
        length = f"{seconds // 3600} h"
    return f"{length} left" if left_s >= 0 else f"over by {length}"


def lasted(seconds: float) -> str:
    """How long something took, as exactly as it matters: "12 ms", "4.2 s", "3 min 5 s", "2 h"."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def percent_left(due: datetime | str, now: datetime | str, whole_s: float) -> int:
    """How much of a window is left, for the ring."""
    left_s = (instant(due) - instant(now)).total_seconds()
    return round(100 * min(1.0, max(0.0, left_s / whole_s))) if whole_s > 0 else 0


def minutes(length: timedelta | float | int) -> str:
    """A length as people say it: "10 minutes", "1 minute", "30 seconds"."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length) * 60
    if seconds < 60:
        return f"{seconds:.0f} seconds"
    number = f"{seconds / 60:.3g}"
    return f"{number} minute" if number == "1" else f"{number} minutes"


def first_name(name: str) -> str:
    """How a customer speaks of a mechanic."""
    return name.split()[0] if name.split() else "Your favourite"


_environment = Environment(
    loader=PackageLoader("headstart.web", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "money": money,
    "clock_time": clock_time,
    "moment": moment,
    "iso": iso,
    "time_left": time_left,
    "how_long": how_long,
    "lasted": lasted,
    "percent_left": percent_left,
    "minutes": minutes,
    "first_name": first_name,
}
_environment.globals |= {"script": script, "stylesheet": stylesheet}


def render(
    template: str,
    person: Person | None,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
    **shown: Any,
) -> HTMLResponse:
    """A page. What a template asks for and is not given is an error, not an empty string."""
    text = _environment.get_template(template).render(person=person, **shown)
    return HTMLResponse(text, status, headers=dict(headers or {}))
