"""How far the log was published elsewhere, in PostgreSQL."""

from datetime import timedelta
from uuid import UUID

from headstart.app.ports import Cursor
from headstart.store.log import EventLogStore


class PublicationStore(EventLogStore):
    """The port ``Publications``."""

    async def claim(self, name: str, process: UUID, lease_s: float) -> Cursor | None:
        """Where to go on; the first time, from now on."""
        lease = timedelta(seconds=lease_s)
        row = await self.row("claim_publication", name=name, process=process, lease=lease)
        if row is None:
            now = await self.end()
            await self.rows("begin_publication", name=name, xid=str(now.xid), event_id=now.id)
            row = await self.row("claim_publication", name=name, process=process, lease=lease)
        return Cursor(row["xid"], row["event_id"]) if row else None

    async def move(self, name: str, process: UUID, cursor: Cursor, lease_s: float) -> bool:
        """Never backwards."""
        row = await self.row(
            "move_publication",
            name=name,
            process=process,
            xid=str(cursor.xid),
            event_id=cursor.id,
            lease=timedelta(seconds=lease_s),
        )
        return row is not None
