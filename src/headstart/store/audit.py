"""The audit trail in PostgreSQL."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import asyncpg

from headstart.app.ports import Cursor, End, Kept
from headstart.store.postgres import Postgres

ENDS = ("operator_actions", "feature_flag_changes")


class AuditStore(Postgres):
    """The ports ``AuditTrail`` and ``OperatorActions``, and everything for who checks them."""

    async def actions(self, limit: int) -> Sequence[dict[str, Any]]:
        """Newest first."""
        return [dict(row) for row in await self.rows("operator_actions", limit=limit)]

    async def latest(self) -> Kept:
        """The newest checkpoint."""
        row = await self.row("newest_checkpoint")
        assert row is not None, "there is always a time"
        return Kept(row["note"], row["age_s"], row["now"])

    async def hashes_after(self, place: Cursor, limit: int) -> Sequence[tuple[Cursor, bytes]]:
        """What no running transaction can still overtake."""
        rows = await self.rows("hashes_after", xid=str(place.xid), id=place.id, limit=limit)
        return [(Cursor(row["xid"], row["id"]), row["hash"]) for row in rows]

    async def ends(self) -> Mapping[str, End]:
        """Both, also while they are empty."""
        found = {row["name"]: End(row["id"], row["hash"]) for row in await self.rows("chain_ends")}
        return {name: found.get(name, End()) for name in ENDS}

    async def keep(self, number: int, note: str) -> bool:
        """False when another process was faster."""
        return await self.value("keep_checkpoint", number=number, note=note) is not None

    async def hold_still(self) -> None:
        """First in a transaction: all that follows sees one state."""
        await self.rows("unchanging")

    def read_requests(self) -> AsyncIterator[asyncpg.Record]:
        """By id."""
        return self.stream("audited_requests")

    def read_events(self) -> AsyncIterator[asyncpg.Record]:
        """By request and version."""
        return self.stream("audited_events")

    def read_log(self) -> AsyncIterator[asyncpg.Record]:
        """Hashes only, in the order of the log."""
        return self.stream("logged_hashes")

    def read_actions(self) -> AsyncIterator[asyncpg.Record]:
        """By id."""
        return self.stream("audited_actions")

    def read_flag_changes(self) -> AsyncIterator[asyncpg.Record]:
        """By id."""
        return self.stream("audited_flag_changes")

    def read_checkpoints(self) -> AsyncIterator[asyncpg.Record]:
        """By number."""
        return self.stream("audited_checkpoints")

    async def checkpoints(self, numbers: Sequence[int]) -> Mapping[int, str]:
        """Those of these that there are."""
        rows = await self.rows("checkpoints_among", numbers=numbers)
        return {row["number"]: row["note"] for row in rows}

    async def triggers(self) -> Mapping[tuple[str, str], str]:
        """When each trigger fires, by its table and its name."""
        rows = await self.rows("triggers_of_the_schema")
        return {(row["table_name"], row["name"]): row["enabled"] for row in rows}

    async def unguarded_tables(self) -> Sequence[str]:
        """Whose rows are for everybody."""
        rows = await self.rows("tables_of_the_schema")
        return sorted(row["name"] for row in rows if not row["guarded"])

    async def powers(self, tables: Sequence[str]) -> asyncpg.Record:
        """What this role could do to these tables."""
        row = await self.row("powers", tables=tables)
        assert row is not None, "who asks has a role"
        return row

    async def overdue(self, patience: timedelta) -> asyncpg.Record:
        """Deadlines that passed longer ago than that."""
        row = await self.row("overdue", patience=patience)
        assert row is not None, "a count is never nothing"
        return row

    async def stuck_operations(self, patience: timedelta) -> asyncpg.Record:
        """Due for longer than that."""
        row = await self.row("stuck_operations", patience=patience)
        assert row is not None, "a count is never nothing"
        return row

    async def log_is_ahead(self) -> bool:
        """Of the server's transactions: what is written next would count as older."""
        ahead: bool = await self.value("log_is_ahead")
        return ahead

    async def real_clock(self) -> asyncpg.Record:
        """The server's time, and the test clock's offset."""
        row = await self.row("real_clock")
        assert row is not None, "there is always a time"
        return row
