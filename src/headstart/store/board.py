"""The operator's board in PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from headstart.app.ports import Wanted
from headstart.core.request import MechanicId, RequestId
from headstart.store.postgres import Postgres

EVENTS_LOOKED_AT = 2_000  # the newest: what ended before them is not "lately" any more

JOBS_LAST_AT_MOST = timedelta(days=1)

Row = Mapping[str, Any]


class BoardStore(Postgres):
    """The port ``Board``. Made by ``PersonalViewStore`` only: with an operator's eyes."""

    async def live(self, wanted: Wanted, each: int) -> Sequence[Row]:
        """By stage, the most pressing first."""
        rows = await self.rows(
            "live_by_stage",
            each=each,
            stage=wanted.stage,
            plan=wanted.plan,
            mechanic=wanted.mechanic,
            ids=wanted.ids,
        )
        return [dict(row) for row in rows]

    async def ended(self, wanted: Wanted, since: timedelta, limit: int) -> Sequence[Row]:
        """Newest first."""
        rows = await self.rows(
            "ended_lately",
            since=since,
            limit=limit,
            events=EVENTS_LOOKED_AT,
            plan=wanted.plan,
            mechanic=wanted.mechanic,
        )
        return [dict(row) for row in rows]

    async def stuck(
        self, overdue_after: timedelta, unsettled_after: timedelta, limit: int
    ) -> Sequence[Row]:
        """Oldest first."""
        rows = await self.rows(
            "stuck", overdue_after=overdue_after, unsettled_after=unsettled_after, limit=limit
        )
        return [dict(row) for row in rows]

    async def health(self) -> Row:
        """One row."""
        return await self._one("health")

    async def pulse(self, since: timedelta) -> Row:
        """One row."""
        return await self._one("pulse", since=since)

    async def mechanics(self, limit: int) -> Sequence[Row]:
        """By name."""
        return [dict(row) for row in await self.rows("mechanics_by_name", limit=limit)]

    async def eligible(self, request_id: RequestId) -> Mapping[int, Sequence[UUID]]:
        """As recorded."""
        rows = await self.rows("asked_everybody", id=request_id)
        return {row["version"]: row["eligible"] for row in rows}

    async def job_at(self, mechanic: MechanicId, moment: datetime) -> RequestId | None:
        """Matches of long before are not looked for."""
        found: RequestId | None = await self.value(
            "job_at", mechanic=str(mechanic), moment=moment, since=JOBS_LAST_AT_MOST
        )
        return found

    async def was_there(self, mechanic: MechanicId, begin: datetime, end: datetime) -> bool | None:
        """As far as attendance goes back."""
        there: bool | None = await self.value("was_there", mechanic=mechanic, begin=begin, end=end)
        return there

    async def payment(self, request_id: RequestId) -> Row | None:
        """The newest sight of it."""
        row = await self.row("payment_of", id=request_id)
        return dict(row) if row else None

    async def _one(self, name: str, /, **values: Any) -> Row:
        row = await self.row(name, **values)
        assert row is not None, "a statement of figures always has a row"
        return dict(row)
