"""Where session requests live."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from headstart.core.commands import Actor
from headstart.core.events import Event
from headstart.core.facts import Facts
from headstart.core.request import CustomerId, MechanicId, RequestId, SessionRequest


class Unavailable(Exception):
    """The database cannot be reached, or did not answer in time: nothing was decided, try again."""


class DoesNotExist(Exception):
    """A row would refer to somebody, or something, that does not exist."""


class NotStorable(Exception):
    """A text holds a character that the database cannot keep: NUL, or half a surrogate pair."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request, the facts about it and the clock, consistently."""

    request: SessionRequest | None
    facts: Facts
    now: datetime
    done_before: bool = False  # an event with this command key exists


@dataclass(frozen=True, slots=True)
class Change:
    """What a command did: written if the request still has the version of ``before``.

    ``reason`` is in the words of an operator; nobody else has to say why.
    """

    before: SessionRequest | None
    request: SessionRequest
    events: Sequence[Event]
    at: datetime
    actor: Actor
    command_key: str | None = None
    reason: str | None = None


class Requests(Protocol):
    """Where session requests live."""

    def transaction(self) -> AbstractAsyncContextManager["Requests"]:
        """Everything done on the result commits together, or not at all."""
        ...

    def connection(self) -> AbstractAsyncContextManager["Requests"]:
        """The same, cheaper for several statements in a row; each commits by itself."""
        ...

    async def see(
        self,
        ids: Sequence[RequestId],
        *,
        concerned: Sequence[MechanicId] = (),
        command_key: str | None = None,
    ) -> Sequence[Seen]:
        """The requests that exist, with facts about their chains and the mechanics concerned."""
        ...

    async def see_facts(self, customer: CustomerId, concerned: Sequence[MechanicId]) -> Seen:
        """The facts and the clock for a request that does not exist yet."""
        ...

    async def clock(self) -> datetime:
        """What time it is."""
        ...

    async def write(self, changes: Sequence[Change]) -> frozenset[RequestId]:
        """Write those whose version still holds, and answer with their ids."""
        ...

    async def create(self, change: Change) -> bool:
        """Write a new request; False if it exists already."""
        ...

    async def claim_due(self, limit: int) -> Sequence[RequestId]:
        """Lock overdue requests until the end of the transaction, skipping those held elsewhere."""
        ...

    async def claim_unfit(self, limit: int) -> Sequence[RequestId]:
        """Lock reservations whose mechanic can no longer take them, likewise."""
        ...

    async def next_due_s(self) -> float | None:
        """Seconds until the next deadline; None when nothing waits."""
        ...
