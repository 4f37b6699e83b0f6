"""What an operator sees of the whole shop at a glance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from headstart.core.request import MechanicId, RequestId

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which requests an operator wants to see; None: all. ``stage`` is reserved, open or matched;
    a ``mechanic`` is asked alone, or has won."""

    stage: str | None = None
    plan: str | None = None
    mechanic: MechanicId | None = None
    ids: Sequence[RequestId] | None = None


class Board(Protocol):
    """Rows for operators, as an operator may see them."""

    async def live(self, wanted: Wanted, each: int) -> Sequence[Row]:
        """Of every stage the ``each`` with the least time left, and how many there are."""
        ...

    async def ended(self, wanted: Wanted, since: timedelta, limit: int) -> Sequence[Row]:
        """What ended lately, newest first."""
        ...

    async def stuck(
        self, overdue_after: timedelta, unsettled_after: timedelta, limit: int
    ) -> Sequence[Row]:
        """Where somebody had to act and nobody did, oldest first."""
        ...

    async def health(self) -> Row:
        """What is late or owed, and when Stripe was last heard of."""
        ...

    async def pulse(self, since: timedelta) -> Row:
        """Who waits now, and what became of the requests made since."""
        ...

    async def mechanics(self, limit: int) -> Sequence[Row]:
        """Everybody, by name."""
        ...

    async def eligible(self, request_id: RequestId) -> Mapping[int, Sequence[UUID]]:
        """Who could accept each time everybody was asked, by the version of that event."""
        ...

    async def job_at(self, mechanic: MechanicId, moment: datetime) -> RequestId | None:
        """What they were at work on then, as far as the log says."""
        ...

    async def was_there(self, mechanic: MechanicId, begin: datetime, end: datetime) -> bool | None:
        """Whether a sign of life came from them in that time; None where nobody knows."""
        ...

    async def payment(self, request_id: RequestId) -> Row | None:
        """The payment behind a request, as it was fetched last."""
        ...
