"""Customers, mechanics, favourites and presence."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol

from headstart.app.ports.audit import By
from headstart.core.request import CustomerId, MechanicId

Record = dict[str, Any]


class People(Protocol):
    """Who there is, who likes whom, and who is there now."""

    async def customer(self, customer: CustomerId) -> Record | None:
        """One customer."""
        ...

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
        """Make known, or correct."""
        ...

    async def put_mechanic(self, mechanic: MechanicId, name: str, *, status: str, by: By) -> None:
        """Make known, correct, approve or suspend."""
        ...

    async def customers(self) -> Sequence[Record]:
        """Everybody, for the demo's front page."""
        ...

    async def mechanic(self, mechanic: MechanicId) -> Record | None:
        """One mechanic."""
        ...

    async def mechanics(self) -> Sequence[Record]:
        """Everybody, for the demo's front page."""
        ...

    async def set_mechanic_status(self, mechanic: MechanicId, status: str) -> bool:
        """Approve or suspend; False when there is no such mechanic."""
        ...

    async def add_favorite(self, customer: CustomerId, mechanic: MechanicId) -> bool:
        """False when there is no such approved mechanic."""
        ...

    async def remove_favorite(self, customer: CustomerId, mechanic: MechanicId) -> None:
        """Harmless when repeated."""
        ...

    async def set_presence(
        self, mechanic: MechanicId, *, on_duty: bool, lease: timedelta
    ) -> Record:
        """A lease: without the next heartbeat the mechanic is offline when it ends."""
        ...

    async def prove_presence(self, mechanic: MechanicId, *, lease: timedelta) -> Record | None:
        """A heartbeat: who is on duty stays so, and nobody comes on duty by it. None likewise."""
        ...

    async def presence(self, mechanic: MechanicId) -> Record | None:
        """None for a mechanic who was never seen."""
        ...

    async def move_clock(self, on: timedelta, *, by: By) -> None:
        """Move the test clock on, and record who did. Demo and test mode only."""
        ...
