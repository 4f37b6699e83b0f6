"""How far the log was published elsewhere."""

from typing import Protocol
from uuid import UUID

from headstart.app.ports.log import Cursor


class Publications(Protocol):
    """One place in the log for each name, held by one process at a time. Holding it is a lease."""

    async def claim(self, name: str, process: UUID, lease_s: float) -> Cursor | None:
        """Where to go on; the first time, from now on. None while another process holds it."""
        ...

    async def move(self, name: str, process: UUID, cursor: Cursor, lease_s: float) -> bool:
        """Everything up to here was published. False, and nothing done, once another holds it."""
        ...
