"""Bookmarks of the feed's listeners, in PostgreSQL."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from headstart.app.ports import Bookmark, Cursor, LoggedEvent
from headstart.core.access import Principal
from headstart.core.request import MechanicId
from headstart.store.log import logged_event
from headstart.store.postgres import Postgres
from headstart.store.views import OFFERS_MAX

PROCESS_LEASE = timedelta(seconds=8)
TRUSTED_FOR = timedelta(minutes=15)  # who listens moves their bookmark more often
KEPT_FOR = timedelta(hours=72)  # after that a listener starts from the snapshot
FORGOTTEN_AFTER = timedelta(days=30)


class ReceiptStore(Postgres):
    """The port ``Receipts``."""

    async def hold(
        self, who: Principal, topic: str, process: UUID, *, since_ms: int | None
    ) -> Bookmark:
        """The earliest that is free, or one more beside those in use."""
        row = await self.row(
            "hold_bookmark",
            role=who.role.value,
            person=who.id,
            topic=topic,
            process=process,
            since_ms=since_ms,
            trusted_for=TRUSTED_FOR,
            kept_for=KEPT_FOR,
        )
        assert row is not None, "there is always one to hold"
        cursor = Cursor(row["xid"], row["event_id"])
        return Bookmark(row["id"], cursor, row["now"], row["new"], row["stale"], row["same_wish"])

    async def move(self, places: Sequence[tuple[UUID, Cursor]]) -> None:
        """Never backwards."""
        await self.rows(
            "move_bookmarks",
            ids=[bookmark for bookmark, _ in places],
            xids=[str(cursor.xid) for _, cursor in places],
            event_ids=[cursor.id for _, cursor in places],
        )

    async def let_go(self, bookmarks: Sequence[UUID], process: UUID) -> None:
        """Only what this process still holds."""
        await self.rows("let_go_of_bookmarks", ids=bookmarks, process=process)

    async def forget(self, bookmarks: Sequence[UUID], process: UUID) -> None:
        """Only what this process still holds."""
        await self.rows("forget_bookmarks", ids=bookmarks, process=process)

    async def forget_old(self) -> None:
        """After FORGOTTEN_AFTER."""
        await self.rows("forget_old_bookmarks", older_than=FORGOTTEN_AFTER)

    async def alive(self, process: UUID) -> None:
        """For PROCESS_LEASE from now."""
        await self.rows("process_alive", process=process, lease=PROCESS_LEASE)

    async def place_at(self, since_ms: int) -> Cursor:
        """Before the first event since then."""
        row = await self.row("place_at", since_ms=since_ms)
        return Cursor(row["xid"], row["id"]) if row else Cursor()

    async def standing_offers(self, mechanic: MechanicId) -> Sequence[LoggedEvent]:
        """The events behind what is reserved for this mechanic now."""
        rows = await self.rows("standing_offers", mechanic_id=mechanic, limit=OFFERS_MAX)
        return [logged_event(row) for row in rows]
