"""Session requests in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from headstart.app.ports import Change, Seen
from headstart.core.events import RequestOpened
from headstart.core.request import CustomerId, MechanicId, RequestId
from headstart.store.postgres import Postgres
from headstart.store.rows import (
    changed_row,
    columns,
    event_row,
    event_rows,
    facts_from,
    new_request_row,
    request_from,
)

# Somebody else was faster in a way that only the schema can see: judge again.
_LOST_RACES = frozenset({"one_active_match_per_mechanic", "one_effect_per_command_key"})


class RequestStore(Postgres):
    """The port ``Requests``."""

    async def see(
        self,
        ids: Sequence[RequestId],
        *,
        concerned: Sequence[MechanicId] = (),
        command_key: str | None = None,
    ) -> Sequence[Seen]:
        """One statement: rows, facts and clock come from one snapshot."""
        name, values = _reading(ids, command_key)
        rows = await self.rows(name, concerned=concerned, **values)
        return [
            Seen(request_from(dict(row)), facts_from(row["facts"]), row["now"], row["done_before"])
            for row in rows
        ]

    async def see_facts(self, customer: CustomerId, concerned: Sequence[MechanicId]) -> Seen:
        """For a request that does not exist yet."""
        row = await self.row("read_facts", customer_id=customer, concerned=concerned)
        assert row is not None, "a statement without a table always has a row"
        return Seen(None, facts_from(row["facts"]), row["now"])

    async def clock(self) -> datetime:
        """The database's clock, with the test clock's offset."""
        now: datetime = await self.value("read_clock")
        return now

    async def write(self, changes: Sequence[Change]) -> frozenset[RequestId]:
        """One statement for state and log; what was changed in between is left alone."""
        if not changes:
            return frozenset()
        name, values = _writing(changes)
        try:
            rows = await self.rows(name, **values)
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name in _LOST_RACES:
                return frozenset()
            raise
        return frozenset(row["id"] for row in rows)

    async def create(self, change: Change) -> bool:
        """Insert, or do nothing when the request exists."""
        events = columns(event_rows(change), "event_")
        created = await self.value("create_request", request=new_request_row(change), **events)
        return created is not None

    async def claim_due(self, limit: int) -> Sequence[RequestId]:
        """Locked until the end of this transaction."""
        return [row["id"] for row in await self.rows("claim_due", limit=limit)]

    async def claim_unfit(self, limit: int) -> Sequence[RequestId]:
        """Locked until the end of this transaction."""
        return [row["id"] for row in await self.rows("claim_unfit", limit=limit)]

    async def next_due_s(self) -> float | None:
        """Negative when overdue."""
        wait_s: float | None = await self.value("next_due")
        return wait_s


def _reading(ids: Sequence[RequestId], command_key: str | None) -> tuple[str, dict[str, Any]]:
    """The statement that reads no more than is asked for, and what only it takes."""
    if len(ids) != 1:
        assert command_key is None, "a command is about one request"
        return "read_requests", {"ids": ids}
    if command_key is None:
        return "read_request", {"id": ids[0]}
    return "read_request_and_effect", {"id": ids[0], "command_key": command_key}


def _writing(changes: Sequence[Change]) -> tuple[str, dict[str, Any]]:
    """Likewise for a write."""
    if len(changes) == 1 and len(changes[0].events) == 1:
        [change], [event] = changes, changes[0].events
        if not isinstance(event, RequestOpened):
            return "write_event", changed_row(change) | event_row(change, event)
    requests = [changed_row(change) for change in changes]
    events = [row for change in changes for row in event_rows(change)]
    return "write_requests", columns(requests) | columns(events, "event_")
