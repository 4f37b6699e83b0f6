"""What mechanics do about offers beside moving them: they say why not, or do not answer at all.

Who misses offer after offer is sent away, so that the next customer need not wait for nobody. A
window counts as missed if it reached the mechanic, which a sign of life in it proves. Whoever was
sent away comes back by one press, and begins anew.
"""

import asyncio
from datetime import timedelta

import structlog

from headstart.app.ports import Offers, Unavailable, WhyNot
from headstart.app.wakeups import Wakeups
from headstart.core.request import MechanicId, RequestId
from headstart.telemetry import SENT_AWAY

LOOK_S = 2.0
LOOKING_BACK = timedelta(minutes=5)  # much more than a look takes, and than a commit may be late
LOOKING_BACK_AT_START = timedelta(hours=1)  # nobody may have looked for a while

log = structlog.get_logger()


class Attendance:
    """Looks every ``LOOK_S``, in any number of processes. ``missed`` zero: never sends anybody."""

    def __init__(self, offers: Offers, wakeups: Wakeups, missed: int) -> None:
        self._offers = offers
        self._wakeups = wakeups
        self._missed = missed
        self._looking_back = LOOKING_BACK_AT_START

    async def note(self, request_id: RequestId, mechanic: MechanicId, why: WhyNot) -> bool:
        """Why this mechanic said no; False, and nothing is kept, when they have not said it."""
        return await self._offers.note(request_id, mechanic, why)

    async def run(self) -> None:
        """Until cancelled. An error is reported and the looking goes on."""
        while self._missed:
            try:
                await self.look()
            except Unavailable as error:
                log.warning("attendance_waits_for_the_database", error=str(error))
            except Exception:
                log.exception("attendance_failed")
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Once."""
        gone = await self._offers.send_away(self._missed, self._looking_back)
        self._looking_back = LOOKING_BACK
        if gone:
            SENT_AWAY.inc(len(gone))
            self._wakeups.announce()  # the policy for those who are away applies from now on
            log.info("sent_away", mechanics=[str(one) for one in gone])
