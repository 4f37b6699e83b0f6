"""What ``decide`` needs to know about the world beside the request, loaded by the dispatcher.

When a rule needs one more fact, it is added here and to the query that reads it; rules never get
a store.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from headstart.core.request import MechanicId


@dataclass(frozen=True, slots=True)
class MechanicFacts:
    """One mechanic, as seen together with the request's version."""

    approved: bool
    busy: bool  # has an active match
    online: bool  # on duty, with a heartbeat that has not lapsed
    favorite: bool  # of this request's customer


@dataclass(frozen=True, slots=True)
class Facts:
    """A mechanic who is absent does not exist. ``failed``: the facts could not be read at all."""

    mechanics: Mapping[MechanicId, MechanicFacts] = field(default_factory=dict)
    failed: bool = False

    def is_online(self, mechanic: MechanicId) -> bool:
        """Nobody is online of whom nothing is known."""
        known = self.mechanics.get(mechanic)
        return known is not None and known.online
