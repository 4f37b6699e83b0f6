"""Who is on duty, for those who watch."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from headstart.core.request import MechanicId


class Presences(Protocol):
    """The lease behind "online", with what others may see of a mechanic."""

    async def put(
        self, mechanic: MechanicId, meta: Mapping[str, Any], on_duty: bool, lease_s: float
    ) -> None:
        """Go on or off duty."""
        ...

    async def renew(self, mechanics: Sequence[MechanicId], lease_s: float) -> None:
        """Those of them who are on duty are still there."""
        ...

    async def watch(self, patience_s: float) -> None:
        """Heartbeats are taken here; after ``patience_s`` without this, perhaps no more."""
        ...

    async def everybody(self) -> Mapping[MechanicId, Mapping[str, Any]]:
        """The approved mechanics who are online, and what others may see of each."""
        ...
