"""The event log in PostgreSQL."""

from collections.abc import Sequence
from typing import Any

from asyncpg.pgproto.pgproto import UUID as DriversUUID

from headstart.app.ports import Cursor, LoggedEvent
from headstart.core.request import MechanicId
from headstart.store.postgres import Postgres
from headstart.store.rows import event_from


class EventLogStore(Postgres):
    """The port ``EventLog``."""

    async def end(self) -> Cursor:
        """The last place that no running transaction can still overtake."""
        row = await self.row("log_end")
        return Cursor(row["xid"], row["id"]) if row else Cursor()

    async def after(self, cursor: Cursor, limit: int) -> Sequence[LoggedEvent]:
        """The next events, oldest first."""
        rows = await self.rows("log_after", xid=str(cursor.xid), id=cursor.id, limit=limit)
        return [logged_event(row) for row in rows]

    async def count_on(self) -> int | None:
        """For a log that was restored into a new server, which counts transactions from the
        beginning: by how much the log's numbers are higher from now on. None when all is well."""
        ahead: int | None = await self.value("count_on")
        return ahead

    async def stall_s(self) -> float:
        """Foreign transactions hold up the news, never the deadlines."""
        waiting_s: float | None = await self.value("log_stall")
        return waiting_s or 0.0

    def as_told(self, mechanic: MechanicId) -> MechanicId:
        """The same id, as the driver makes them."""
        return MechanicId(DriversUUID(mechanic.bytes))

    async def approved(self, mechanics: Sequence[MechanicId]) -> frozenset[MechanicId]:
        """Which of these may be told anything, now."""
        rows = await self.rows("approved_among", mechanics=mechanics)
        return frozenset(row["id"] for row in rows)

    async def unapproved(self) -> frozenset[MechanicId]:
        """Everybody who may be told nothing, now."""
        return frozenset(row["id"] for row in await self.rows("unapproved"))


def logged_event(row: Any) -> LoggedEvent:
    """A row of the log as the feed reads it."""
    return LoggedEvent(
        cursor=Cursor(row["xid"], row["id"]),
        request_id=row["request_id"],
        customer=row["customer_id"],
        version=row["version"],
        at=row["at"],
        read_at=row["now"],
        event=event_from(row["kind"], row["payload"]),
        eligible=frozenset(row["eligible"] or ()),
        card=row["card"] or {},
    )
