"""Customers, mechanics, favourites, presence, and the test clock, in PostgreSQL."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from headstart.app.ports import By
from headstart.core.request import CustomerId, MechanicId
from headstart.store.postgres import Postgres

PEOPLE_MAX = 100

Record = dict[str, Any]


class PeopleStore(Postgres):
    """Who there is, who likes whom, and who is there now."""

    async def add_customer(
        self, customer: CustomerId, first_name: str, *, last_name: str = "", email: str = ""
    ) -> None:
        """Harmless when repeated."""
        await self.rows(
            "add_customer",
            id=customer,
            first_name=first_name,
            last_name=last_name,
            email=email,
            phone="",
        )

    async def customer(self, customer: CustomerId) -> Record | None:
        """One customer."""
        row = await self.row("customer", id=customer)
        return dict(row) if row else None

    async def put_customer(
        self,
        customer: CustomerId,
        *,
        first_name: str,
        last_name: str,
        email: str,
        phone: str,
        by: By,
    ) -> None:
        """Insert or replace. Of contact data the trail says only that it changed."""
        await self.rows(
            "put_customer",
            id=customer,
            first_name=first_name,
            last_name=last_name,
            email=email,
            phone=phone,
            actor=by.actor,
            reason=by.reason,
        )

    async def put_mechanic(self, mechanic: MechanicId, name: str, *, status: str, by: By) -> None:
        """Insert or replace."""
        said = {"actor": by.actor, "reason": by.reason}
        await self.rows("put_mechanic", id=mechanic, name=name, status=status, **said)

    async def customers(self) -> Sequence[Record]:
        """Everybody, up to PEOPLE_MAX."""
        return [dict(row) for row in await self.rows("customers", limit=PEOPLE_MAX)]

    async def add_mechanic(
        self, mechanic: MechanicId, name: str, *, status: str = "approved"
    ) -> None:
        """Harmless when repeated."""
        await self.rows("add_mechanic", id=mechanic, name=name, status=status)

    async def mechanic(self, mechanic: MechanicId) -> Record | None:
        """One mechanic."""
        row = await self.row("mechanic", id=mechanic)
        return dict(row) if row else None

    async def mechanics(self) -> Sequence[Record]:
        """Everybody, up to PEOPLE_MAX."""
        return [dict(row) for row in await self.rows("mechanics", limit=PEOPLE_MAX)]

    async def set_mechanic_status(self, mechanic: MechanicId, status: str) -> bool:
        """False when there is no such mechanic."""
        return await self.row("set_mechanic_status", id=mechanic, status=status) is not None

    async def add_favorite(self, customer: CustomerId, mechanic: MechanicId) -> bool:
        """False when there is no such approved mechanic."""
        row = await self.row("add_favorite", customer_id=customer, mechanic_id=mechanic)
        return row is not None

    async def remove_favorite(self, customer: CustomerId, mechanic: MechanicId) -> None:
        """Harmless when repeated."""
        await self.rows("remove_favorite", customer_id=customer, mechanic_id=mechanic)

    async def set_presence(
        self, mechanic: MechanicId, *, on_duty: bool, lease: timedelta
    ) -> Record:
        """A lease: without the next heartbeat the mechanic is offline when it ends."""
        row = await self.row("set_presence", mechanic_id=mechanic, on_duty=on_duty, lease=lease)
        assert row is not None, "setting presence answers with it"
        return dict(row)

    async def prove_presence(self, mechanic: MechanicId, *, lease: timedelta) -> Record | None:
        """None for a mechanic who was never seen."""
        row = await self.row("prove_presence", mechanic_id=mechanic, lease=lease)
        return dict(row) if row else None

    async def presence(self, mechanic: MechanicId) -> Record | None:
        """None for a mechanic who was never seen."""
        row = await self.row("presence", mechanic_id=mechanic)
        return dict(row) if row else None

    async def clock_ahead(self) -> timedelta:
        """Zero, unless the test clock was moved."""
        ahead: timedelta = await self.value("clock_ahead")
        return ahead

    async def advance_clock(self, by: timedelta) -> None:
        """Move the test clock on, for every process alike. Demo and test mode only."""
        await self.rows("advance_clock", by=by)

    async def move_clock(self, on: timedelta, *, by: By) -> None:
        """The same, by a person: recorded."""
        await self.rows("move_clock", by=on, actor=by.actor, reason=by.reason)
