"""How far every listener has proved to have heard the feed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from headstart.app.ports.log import Cursor, LoggedEvent
from headstart.core.access import Principal
from headstart.core.request import MechanicId


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where one listener of a person goes on in one topic.

    ``new``: this person never listened there before. ``stale``: it was left too long ago.
    ``same_wish``: it asked for this very replay when it was here last.
    """

    id: UUID
    cursor: Cursor
    now: datetime
    new: bool = False
    stale: bool = False
    same_wish: bool = False


class Receipts(Protocol):
    """Bookmarks, shared by all processes. A process that is gone lets go of its own."""

    async def hold(
        self, who: Principal, topic: str, process: UUID, *, since_ms: int | None
    ) -> Bookmark:
        """The earliest one that nobody uses, or one more that begins where the others stand.

        Stored before it is answered: whatever is told from then on is not lost.
        """
        ...

    async def move(self, places: Sequence[tuple[UUID, Cursor]]) -> None:
        """These were heard up to there. Never backwards."""
        ...

    async def let_go(self, bookmarks: Sequence[UUID], process: UUID) -> None:
        """Their listeners are gone and may come back."""
        ...

    async def forget(self, bookmarks: Sequence[UUID], process: UUID) -> None:
        """Their listeners have left for good."""
        ...

    async def forget_old(self) -> None:
        """Nobody came back for them."""
        ...

    async def alive(self, process: UUID) -> None:
        """This process still serves its listeners."""
        ...

    async def place_at(self, since_ms: int) -> Cursor:
        """Before the first event since then (Unix, milliseconds)."""
        ...

    async def standing_offers(self, mechanic: MechanicId) -> Sequence[LoggedEvent]:
        """The events behind what is reserved for this mechanic now."""
        ...
