"""Who is on duty, in PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from headstart.core.request import MechanicId
from headstart.store.postgres import Postgres

SHOWN_MAX = 5_000


class PresenceStore(Postgres):
    """The port ``Presences``."""

    async def put(
        self, mechanic: MechanicId, meta: Mapping[str, Any], on_duty: bool, lease_s: float
    ) -> None:
        """Go on or off duty."""
        lease = timedelta(seconds=lease_s)
        await self.rows(
            "put_presence", mechanic_id=mechanic, meta=meta, on_duty=on_duty, lease=lease
        )

    async def renew(self, mechanics: Sequence[MechanicId], lease_s: float) -> None:
        """Nobody goes on duty by this."""
        lease = timedelta(seconds=lease_s)
        await self.rows("renew_presence", mechanics=mechanics, lease=lease)

    async def watch(self, patience_s: float) -> None:
        """A gap in this is a time in which silence proves nothing."""
        await self.rows("watch_presence", patience=timedelta(seconds=patience_s))

    async def everybody(self) -> Mapping[MechanicId, Mapping[str, Any]]:
        """Up to SHOWN_MAX."""
        rows = await self.rows("everybody_present", limit=SHOWN_MAX)
        return {row["mechanic_id"]: row["meta"] for row in rows}
