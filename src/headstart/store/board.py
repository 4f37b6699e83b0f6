"""The operator's board in PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from headstart.app.ports import Wanted
from headstart.store.postgres import Postgres

EVENTS_LOOKED_AT = 2_000  # the newest: what ended before them is not "lately" any more

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

    async def _one(self, name: str, /, **values: Any) -> Row:
        row = await self.row(name, **values)
        assert row is not None, "a statement of figures always has a row"
        return dict(row)
