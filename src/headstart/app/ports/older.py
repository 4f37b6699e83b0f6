"""An older system's session requests, and where what was read of them is kept."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from headstart.core.events import Event
from headstart.core.request import RequestId, SessionRequest


@dataclass(frozen=True, slots=True)
class OlderTable:
    """``name`` with its schema, quoted; ``rows`` is an estimate."""

    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class OlderRow:
    """One row as it stands: its key as text, and every column as JSON has it."""

    key: str
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Existing:
    """Which of the ids and codes that were asked for are there."""

    requests: Collection[UUID]
    customers: Collection[UUID]
    mechanics: Collection[UUID]


@dataclass(frozen=True, slots=True)
class Past:
    """A request that has ended, with its history: each event at its time, and the state after it.

    ``metadata`` is what the older system noted beside the keys that we mirror.
    """

    request: SessionRequest
    history: Sequence[tuple[datetime, Event, SessionRequest]]
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A value that was not taken over, and why. ``left_out``: the whole row was not."""

    row: str
    key: str
    value: str
    why: str
    left_out: bool = False


class OlderSystem(Protocol):
    """The older table, and our own tables as far as the past goes into them."""

    def bounded(self) -> AbstractAsyncContextManager["OlderSystem"]:
        """What is done on the result commits together, or not at all, and holds up nobody: no lock
        is waited for, and no statement runs, for long."""
        ...

    async def table(self, source: str) -> OlderTable:
        """LookupError or ValueError, in one line, when it cannot be read in the order of ``id``."""
        ...

    async def page(self, source: str, after: str | None, limit: int) -> Sequence[OlderRow]:
        """The next rows in the order of ``id``. An older system's own walls are an error, never
        rows that are missing."""
        ...

    async def clock(self) -> datetime:
        """What time it is."""
        ...

    async def plan_codes(self) -> Collection[str]:
        """Every plan, on sale or not."""
        ...

    async def existing(self, requests: Collection[RequestId], people: Collection[UUID]) -> Existing:
        """What of this is there already."""
        ...

    async def keep(self, pasts: Sequence[Past]) -> None:
        """Write those whose ids are not there yet. Nobody is told."""
        ...

    async def report(
        self, source: str, rows: Sequence[str], unreadable: Sequence[Unreadable]
    ) -> None:
        """Replace what is reported of these rows."""
        ...

    async def reported(
        self, source: str, after: tuple[str, str], limit: int
    ) -> Sequence[Unreadable]:
        """What is reported, in the order of row and key, after this place."""
        ...

    async def summary(self, source: str) -> Sequence[tuple[str, str, bool, int]]:
        """Key, why, whether whole rows were left out for it, and how many are reported."""
        ...

    async def strain(self, *, slow_s: float, late_s: float) -> int:
        """How many wait for a lock, or run, for longer than this, and deadlines later than that."""
        ...
