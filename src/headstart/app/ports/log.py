"""The event log, and what people may read of a request."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from headstart.app.figures import Figures, Span
from headstart.app.ports.board import Board
from headstart.core.access import Principal
from headstart.core.events import Event
from headstart.core.request import CustomerId, MechanicId, RequestId


class Cursor(NamedTuple):
    """A place in the event log that cannot skip a late commit: transaction, then event."""

    xid: int = 0
    id: int = 0


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event as the feed reads it."""

    cursor: Cursor
    request_id: RequestId
    customer: CustomerId
    version: int
    at: datetime
    read_at: datetime
    event: Event
    eligible: frozenset[MechanicId] = frozenset()
    card: Mapping[str, Any] = field(default_factory=dict)  # the row behind app.views.offer_card


class EventLog(Protocol):
    """The append-only log, in an order that never changes once read."""

    async def end(self) -> Cursor:
        """The place after which everything is still to come."""
        ...

    async def after(self, cursor: Cursor, limit: int) -> Sequence[LoggedEvent]:
        """The next events, oldest first."""
        ...

    async def stall_s(self) -> float:
        """How long the oldest event waits for a foreign transaction to end; 0 when none does."""
        ...

    def as_told(self, mechanic: MechanicId) -> MechanicId:
        """The same id, made as those in the events are: these are found among each other sooner."""
        ...

    async def approved(self, mechanics: Sequence[MechanicId]) -> frozenset[MechanicId]:
        """Which of these may be told anything at all, now."""
        ...

    async def unapproved(self) -> frozenset[MechanicId]:
        """Everybody who may be told nothing, now; few, beside those who may."""
        ...


class PersonalViews(Protocol):
    """Rows behind the snapshots that every screen starts from, as one person may see them: what is
    not for them does not exist."""

    @property
    def board(self) -> Board:
        """The whole shop; for operators only."""
        ...

    async def figures(self, span: Span) -> Figures:
        """What the log says of a span of time; for operators only."""
        ...

    async def offers(self) -> Sequence[Mapping[str, Any]]:
        """Cards of what this mechanic may accept now; reserved ones first."""
        ...

    async def job(self) -> Mapping[str, Any] | None:
        """The card of the request this mechanic is matched with now."""
        ...

    async def offer_card(self, request_id: RequestId) -> Mapping[str, Any] | None:
        """One request as a mechanic may see it."""
        ...

    async def offer_history(self) -> Sequence[Mapping[str, Any]]:
        """What was offered to this mechanic and is no more, newest first, and why not."""
        ...

    async def was_sent_away(self) -> bool:
        """Whether this mechanic is off duty because they missed offers."""
        ...

    async def offer_notes(self, request_id: UUID) -> Sequence[Mapping[str, Any]]:
        """What was said about the offers of one request; for operators only."""
        ...

    async def customer_view(self, request_id: RequestId) -> Mapping[str, Any] | None:
        """One request as its customer may see it."""
        ...

    async def requests(self) -> Sequence[Mapping[str, Any]]:
        """The latest requests of this customer, newest first."""
        ...

    async def messages(self) -> Sequence[Mapping[str, Any]]:
        """What this customer was told of their requests, newest first."""
        ...

    async def history(self, request_id: UUID) -> Sequence[Mapping[str, Any]]:
        """All events of one request, in order."""
        ...

    async def reasons(self, request_id: UUID) -> Mapping[int, str]:
        """What operators said, by the version of the event; for operators only."""
        ...

    async def stored_request(self, request_id: UUID) -> Mapping[str, Any] | None:
        """The row itself, for operators."""
        ...

    async def names_of(self, mechanics: Sequence[MechanicId]) -> Mapping[MechanicId, str]:
        """A customer's favourites, and who was asked by name or accepted. Nobody else has one."""
        ...

    async def favorite(self, mechanic: MechanicId) -> Mapping[str, Any] | None:
        """This favourite of this customer."""
        ...

    async def favorites(self) -> Sequence[Mapping[str, Any]]:
        """All favourites of this customer, in their order."""
        ...


class Views(Protocol):
    """What people read. There is no way to read as nobody in particular."""

    def on_behalf_of(self, who: Principal) -> AbstractAsyncContextManager[PersonalViews]:
        """With this person's eyes, for as long as the block lasts."""
        ...
