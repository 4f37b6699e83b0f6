"""Who of those connected here may be told anything at all: asked anew for all that is told.

Thousands may be connected. Each is asked about once, when they come; from then on only those are
fetched whose approval was taken away, which are few. Nobody is ever taken out of the table of
mechanics: the service has no right to.
"""

from collections.abc import Set

from headstart.app.ports import EventLog
from headstart.core.request import MechanicId


class Approval:
    """``came`` and ``left`` are told of each mechanic, once."""

    def __init__(self, event_log: EventLog) -> None:
        self._log = event_log
        self._approved_once: set[MechanicId] = set()
        self._never_yet: set[MechanicId] = set()

    def came(self, mechanic: MechanicId) -> None:
        """To be asked about."""
        self._never_yet.add(mechanic)

    def left(self, mechanic: MechanicId) -> None:
        """Not of interest any more."""
        self._approved_once.discard(mechanic)
        self._never_yet.discard(mechanic)

    async def now(self) -> Set[MechanicId]:
        """Those who are here and approved, until something is awaited. Whoever comes while the
        database is asked is in it."""
        unapproved = await self._log.unapproved()
        asked: set[MechanicId] = set()
        fresh: set[MechanicId] = set()
        while coming := self._never_yet - asked:
            asked |= coming
            fresh |= await self._log.approved(list(coming))
        fresh &= self._never_yet
        self._never_yet -= fresh
        self._approved_once |= fresh
        gone = (self._approved_once & unapproved) - fresh
        return self._approved_once - gone if gone else self._approved_once
