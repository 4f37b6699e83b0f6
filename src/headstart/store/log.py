"""The event log and the views that people read, in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from headstart.app.ports import Cursor, LoggedEvent
from headstart.core.request import CustomerId, MechanicId, RequestId
from headstart.store.postgres import Postgres
from headstart.store.rows import event_from

OFFERS_MAX = 200
REQUESTS_MAX = 50


class EventLogStore(Postgres):
    """The port ``EventLog``, and snapshots for screens."""

    async def end(self) -> Cursor:
        """The last place that no running transaction can still overtake."""
        row = await self.row("log_end")
        return Cursor(row["xid"], row["id"]) if row else Cursor()

    async def after(self, cursor: Cursor, limit: int) -> Sequence[LoggedEvent]:
        """The next events, oldest first."""
        rows = await self.rows("log_after", xid=str(cursor.xid), id=cursor.id, limit=limit)
        return [
            LoggedEvent(
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
            for row in rows
        ]

    async def stall_s(self) -> float:
        """Foreign transactions hold up the news, never the deadlines."""
        waiting_s: float | None = await self.value("log_stall")
        return waiting_s or 0.0

    async def approved(self, mechanics: Sequence[MechanicId]) -> frozenset[MechanicId]:
        """Which of these may be told anything, now."""
        rows = await self.rows("approved_among", mechanics=mechanics)
        return frozenset(row["id"] for row in rows)

    async def offers_for(self, mechanic: MechanicId) -> Sequence[Mapping[str, Any]]:
        """Cards of what this mechanic may accept now; reserved ones first."""
        rows = await self.rows("offers_for", mechanic_id=mechanic, limit=OFFERS_MAX)
        return [row["card"] for row in rows]

    async def job_of(self, mechanic: MechanicId) -> Mapping[str, Any] | None:
        """The card of the request this mechanic is matched with now."""
        card: Mapping[str, Any] | None = await self.value("job_of", mechanic_id=mechanic)
        return card

    async def offer_card(self, request_id: RequestId) -> Mapping[str, Any] | None:
        """One request as a mechanic may see it. Whether they may see it is decided elsewhere."""
        card: Mapping[str, Any] | None = await self.value("offer_card", id=request_id)
        return card

    async def customer_view(self, request_id: RequestId) -> Mapping[str, Any] | None:
        """One request as its customer may see it."""
        row = await self.row("customer_view", id=request_id)
        return dict(row) if row else None

    async def requests_of(self, customer: CustomerId) -> Sequence[Mapping[str, Any]]:
        """The latest requests of a customer, newest first."""
        rows = await self.rows("requests_of", customer_id=customer, limit=REQUESTS_MAX)
        return [dict(row) for row in rows]

    async def history(self, request_id: UUID) -> Sequence[Mapping[str, Any]]:
        """All events of one request, in order."""
        return [dict(row) for row in await self.rows("history", id=request_id)]

    async def reasons(self, request_id: UUID) -> Mapping[int, str]:
        """By the version of the event."""
        rows = await self.rows("reasons", id=request_id)
        return {row["version"]: row["reason"] for row in rows}

    async def stored_request(self, request_id: UUID) -> Mapping[str, Any] | None:
        """The row itself, for operators."""
        row = await self.row("stored_request", id=request_id)
        return dict(row) if row else None
