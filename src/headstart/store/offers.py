"""Notes about offers, and who no longer answers them, in PostgreSQL."""

from collections.abc import Sequence
from datetime import timedelta

from headstart.app.ports import WhyNot
from headstart.core.request import MechanicId, RequestId
from headstart.store.postgres import Postgres

WINDOWS_LOOKED_AT_MAX = 50  # of one mechanic; those that ended otherwise do not count


class OfferStore(Postgres):
    """The port ``Offers``."""

    async def note(self, request_id: RequestId, mechanic: MechanicId, why: WhyNot) -> bool:
        """False when they have not said no."""
        row = await self.row(
            "note_offer", request_id=request_id, mechanic_id=mechanic, note=why.value
        )
        return row is not None

    async def send_away(self, missed: int, looking_back: timedelta) -> Sequence[MechanicId]:
        """All of it or nothing."""
        async with self.transaction() as one:
            gone = await one.rows(
                "send_away",
                missed=missed,
                looking_back=looking_back,
                windows_max=WINDOWS_LOOKED_AT_MAX,
            )
            mechanics = [row["mechanic_id"] for row in gone]
            if gone:
                requests = [row["last"] for row in gone]
                await one.rows("note_sending_away", requests=requests, mechanics=mechanics)
        return mechanics
