"""An older system's table, and our own as far as its past goes into them, in PostgreSQL."""

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from headstart.app.ports import Change, Existing, OlderRow, OlderTable, Past, Unreadable
from headstart.core.commands import Actor
from headstart.core.request import RequestId
from headstart.store.postgres import Postgres
from headstart.store.rows import columns, event_row, new_request_row

IMPORT = Actor("import")
LOCK_S = "0.5s"
STATEMENT_S = "5s"


class OlderStore(Postgres):
    """The port ``OlderSystem``, for the account that owns our tables and may read the older one."""

    @asynccontextmanager
    async def bounded(self, *, row_security: str = "on") -> AsyncIterator["OlderStore"]:
        """Whoever holds a lock has LOCK_S to give it free, and a statement STATEMENT_S to run."""
        async with self.transaction() as one:
            await one.rows(
                "transaction_bounds", lock=LOCK_S, statement=STATEMENT_S, row_security=row_security
            )
            yield one

    async def table(self, source: str) -> OlderTable:
        """What is known of it before it is read."""
        try:
            found = await self.row("older_table", source=source)
        except asyncpg.SyntaxOrAccessError as error:
            raise ValueError(f"{source}: {error}") from error
        if found is None:
            raise LookupError(f"there is no table {source}: name it with its schema")
        if found["is_ours"]:
            raise ValueError(f"{source} is the service's own: its columns are the truth already")
        if not found["may_read"]:
            raise ValueError(f"this account may not read {source}: grant select on it")
        if not found["has_key"]:
            raise ValueError(
                f"{source} is read in the order of its column id, which must be a key:"
                " not null, with a unique index of its own"
            )
        return OlderTable(found["name"], found["rows"])

    async def page(self, source: str, after: str | None, limit: int) -> Sequence[OlderRow]:
        """The next rows, or an error where a policy would hide some."""
        try:
            async with self.bounded(row_security="off") as one:
                rows = await one.rows("older_page", source=source, after=after, limit=limit)
        except asyncpg.InsufficientPrivilegeError as error:
            raise ValueError(f"not all of {source} can be read: {error}") from error
        return [OlderRow(row["key"], row["whole"]) for row in rows]

    async def clock(self) -> datetime:
        """The one clock."""
        now: datetime = await self.value("read_clock")
        return now

    async def plan_codes(self) -> Collection[str]:
        """Every plan."""
        return frozenset(row["code"] for row in await self.rows("plan_codes"))

    async def existing(self, requests: Collection[RequestId], people: Collection[UUID]) -> Existing:
        """One statement for all three."""
        found = await self.row("older_existing", requests=[*requests], people=[*people])
        assert found is not None, "a statement without a table always has a row"
        return Existing(
            *(frozenset(found[name]) for name in ("requests", "customers", "mechanics"))
        )

    async def keep(self, pasts: Sequence[Past]) -> None:
        """One statement for state and log."""
        if pasts:
            events = columns([row for past in pasts for row in _event_rows(past)])
            await self.rows("keep_past", requests=[_request_row(past) for past in pasts], **events)

    async def report(
        self, source: str, rows: Sequence[str], unreadable: Sequence[Unreadable]
    ) -> None:
        """What is there already is not written again."""
        where: dict[str, Any] = {
            "row_key": [one.row for one in unreadable],
            "key": [one.key for one in unreadable],
        }
        await self.rows("forget_unreadable", source=source, rows=[*rows], **where)
        if unreadable:
            await self.rows(
                "report_unreadable",
                source=source,
                value=[one.value for one in unreadable],
                why=[one.why for one in unreadable],
                left_out=[one.left_out for one in unreadable],
                **where,
            )

    async def reported(
        self, source: str, after: tuple[str, str], limit: int
    ) -> Sequence[Unreadable]:
        """The next of the report."""
        rows = await self.rows(
            "reported_unreadable",
            source=source,
            after_row=after[0],
            after_key=after[1],
            limit=limit,
        )
        return [Unreadable(**row) for row in rows]

    async def summary(self, source: str) -> Sequence[tuple[str, str, bool, int]]:
        """Counted by the server, the most first."""
        return [tuple(row) for row in await self.rows("unreadable_summary", source=source)]

    async def strain(self, *, slow_s: float, late_s: float) -> int:
        """Counted by the server."""
        found: int = await self.value("strain", slow_s=slow_s, late_s=late_s)
        return found


def _change_of(past: Past) -> Change:
    """The past as if it had been decided here: the same columns come of it."""
    return Change(
        before=None,
        request=past.request,
        events=[event for _, event, _ in past.history],
        at=past.history[-1][0],
        actor=IMPORT,
    )


def _request_row(past: Past) -> dict[str, Any]:
    return new_request_row(_change_of(past)) | {"metadata": past.metadata}


def _event_rows(past: Past) -> Iterator[dict[str, Any]]:
    change = _change_of(past)
    for at, event, after in past.history:
        row = event_row(change, event)
        yield {name: row[name] for name in ("kind", "actor", "payload")} | {
            "at": at,
            "request_id": past.request.id,
            "version": after.version,
            "round": after.round,
        }
