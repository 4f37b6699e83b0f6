"""What people read, in PostgreSQL: each through the wall, with their own eyes."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from headstart.app.figures import Figures, Span, offers_of, requests_of
from headstart.core.access import Principal
from headstart.core.request import MechanicId, RequestId
from headstart.store.board import BoardStore
from headstart.store.postgres import Postgres

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

OFFERS_MAX = 200
REQUESTS_MAX = 50
OFFERS_KEPT_MAX = 50
BROADCASTS_LOOKED_AT_MAX = 300
MESSAGES_MAX = 200


class ViewStore:
    """The port ``Views``."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool

    def on_behalf_of(self, who: Principal) -> AbstractAsyncContextManager["PersonalViewStore"]:
        """One transaction with this person's eyes."""
        return PersonalViewStore(self._pool).on_behalf_of(who)


class PersonalViewStore(Postgres):
    """The port ``PersonalViews``. Made by ``ViewStore`` only."""

    @property
    def board(self) -> BoardStore:
        """In the same transaction, with the same eyes."""
        return BoardStore(self._executor)

    async def figures(self, span: Span) -> Figures:
        """By four statements, a moment apart."""
        within = {"begin": span.begin, "end": span.end}
        fallbacks = await self.rows("fallback_figures", **within)
        notes = await self.rows("note_figures", **within)
        return Figures(
            span=span,
            offers=offers_of([dict(row) for row in await self.rows("offer_figures", **within)]),
            requests=requests_of(
                [dict(row) for row in await self.rows("request_figures", **within)]
            ),
            fallbacks={row["reason"]: row["n"] for row in fallbacks},
            notes={row["note"]: row["n"] for row in notes},
        )

    async def offers(self) -> Sequence[Mapping[str, Any]]:
        """Reserved ones first."""
        return [row["card"] for row in await self.rows("offers", limit=OFFERS_MAX)]

    async def job(self) -> Mapping[str, Any] | None:
        """The card of their match."""
        card: Mapping[str, Any] | None = await self.value("job")
        return card

    async def offer_card(self, request_id: RequestId) -> Mapping[str, Any] | None:
        """One request as a mechanic may see it."""
        card: Mapping[str, Any] | None = await self.value("offer_card", id=request_id)
        return card

    async def offer_history(self) -> Sequence[Mapping[str, Any]]:
        """Up to OFFERS_KEPT_MAX, of the marketplace's last BROADCASTS_LOOKED_AT_MAX broadcasts."""
        limits = {"limit": OFFERS_KEPT_MAX, "broadcasts": BROADCASTS_LOOKED_AT_MAX}
        return [dict(row) for row in await self.rows("offer_history", **limits)]

    async def was_sent_away(self) -> bool:
        """By the end of their last attendance."""
        return bool(await self.value("was_sent_away"))

    async def offer_notes(self, request_id: UUID) -> Sequence[Mapping[str, Any]]:
        """In order; operators only."""
        return [dict(row) for row in await self.rows("offer_notes", id=request_id)]

    async def customer_view(self, request_id: RequestId) -> Mapping[str, Any] | None:
        """One request as its customer may see it."""
        row = await self.row("customer_view", id=request_id)
        return dict(row) if row else None

    async def requests(self) -> Sequence[Mapping[str, Any]]:
        """Newest first."""
        return [dict(row) for row in await self.rows("requests", limit=REQUESTS_MAX)]

    async def messages(self) -> Sequence[Mapping[str, Any]]:
        """Newest first."""
        return [dict(row) for row in await self.rows("messages", limit=MESSAGES_MAX)]

    async def history(self, request_id: UUID) -> Sequence[Mapping[str, Any]]:
        """In order."""
        return [dict(row) for row in await self.rows("history", id=request_id)]

    async def reasons(self, request_id: UUID) -> Mapping[int, str]:
        """By the version of the event; operators only."""
        rows = await self.rows("reasons", id=request_id)
        return {row["version"]: row["reason"] for row in rows}

    async def stored_request(self, request_id: UUID) -> Mapping[str, Any] | None:
        """The row itself, and the clock."""
        row = await self.row("stored_request", id=request_id)
        return dict(row) if row else None

    async def names_of(self, mechanics: Sequence[MechanicId]) -> Mapping[MechanicId, str]:
        """Of those that this person may know by name."""
        rows = await self.rows("names_of", mechanics=mechanics)
        return {row["id"]: row["name"] for row in rows}

    async def favorite(self, mechanic: MechanicId) -> Mapping[str, Any] | None:
        """With their name."""
        row = await self.row("favorite", mechanic_id=mechanic)
        return dict(row) if row else None

    async def favorites(self) -> Sequence[Mapping[str, Any]]:
        """In their order, and whether they are there now."""
        return [dict(row) for row in await self.rows("favorites")]
