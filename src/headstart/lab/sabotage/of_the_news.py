"""Payments that get lost or doubled, and people who are told too early, twice or never."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any
from unittest.mock import patch
from uuid import UUID

from headstart.app import deadlines, dispatcher, feed, fulfilment, reconciler
from headstart.app.ports import Cursor, LoggedEvent, PaymentEvent, Unavailable
from headstart.app.wakeups import Wakeups
from headstart.core import audience
from headstart.core import events as happened
from headstart.core.request import RequestId
from headstart.lab.sabotage.craft import Patches, breaks
from headstart.lab.simulation.database import StoredEvent
from headstart.lab.simulation.ledger import ModelLedger
from headstart.lab.simulation.store import ModelStore


@breaks("I3")
def receipt_kept_before_the_work() -> Patches:
    """A webhook is marked as handled in one transaction and handled in the next."""

    async def receive(self: fulfilment.Fulfilment, event: PaymentEvent) -> fulfilment.Outcome:
        async with self._intakes.transaction() as tx:
            if not await tx.first_receipt(event):
                return fulfilment.Outcome.DUPLICATE
        async with self._intakes.transaction() as tx:
            return await self._heed(event, tx)

    yield patch.object(fulfilment.Fulfilment, "receive", receive)
    yield from _no_second_look()


@breaks("I3")
def acknowledged_before_the_commit() -> Patches:
    """Stripe hears that all is well although the transaction failed."""
    receive = fulfilment.Fulfilment.receive

    async def careless(self: fulfilment.Fulfilment, event: PaymentEvent) -> fulfilment.Outcome:
        try:
            return await receive(self, event)
        except Unavailable:
            return fulfilment.Outcome.FULFILLED

    yield patch.object(fulfilment.Fulfilment, "receive", careless)
    yield from _no_second_look()


def _no_second_look() -> Patches:
    """Only the payment service's own list of failures is looked through, and no doubts of ours."""

    async def no_pages(_: reconciler.Reconciler) -> list[str]:
        return []

    yield patch.object(reconciler.Reconciler, "_unnoticed_pages", no_pages)
    yield patch.object(ModelLedger, "_doubts", lambda _: ())


@breaks("I3")
def request_id_by_chance() -> Patches:
    """The same purchase is a new request each time it is reported."""
    numbers = count(1)

    yield patch.object(fulfilment, "request_id_of", lambda *_: RequestId(UUID(int=next(numbers))))
    yield patch.object(ModelStore, "_is_taken", lambda *_: False)


@breaks("I5")
def early_leak() -> Patches:
    """The offer to the favourite is told to every mechanic."""

    def to_all(notice: audience.Notice) -> audience.Notice:
        return replace(notice, to=audience.EveryMechanic())

    yield from _audience(to_all, happened.RequestReserved)


@breaks("L3")
def untold_ignored() -> Patches:
    """A favourite who let the window pass is asked again with everybody else."""

    def to_all(notice: audience.Notice) -> audience.Notice:
        return replace(notice, to=audience.EligibleMechanics(frozenset()))

    yield from _audience(to_all, happened.RequestOpened)


def _audience(change: Callable[[audience.Notice], audience.Notice], kind: type) -> Patches:
    told = audience.audience

    def changed(request_id: RequestId, event: happened.Event) -> list[audience.Notice]:
        return [
            change(notice)
            if isinstance(event, kind) and not isinstance(notice.to, audience.ItsCustomer)
            else notice
            for notice in told(request_id, event)
        ]

    yield patch.object(feed, "audience", changed)


@breaks("I5")
def existence_leaks() -> Patches:
    """Whoever guesses the id of a reserved request is told that it is reserved."""
    yield patch.object(dispatcher, "may", lambda *_: True)


@breaks("L3")
def told_before_committed() -> Patches:
    """The feed reads what may still be rolled back."""

    def dirty(self: ModelStore) -> list[StoredEvent]:
        running = self._database.running.values()
        return [*self._database.state.log, *(one for tx in running for one in tx.events)]

    yield from _log(dirty, lambda place: (place.xid, place.id))


@breaks("L3")
def cursor_is_only_an_id() -> Patches:
    """Events are read in the order of their numbers, which is not that of the commits."""
    yield from _log(lambda self: self._database.state.log, lambda place: (0, place.id))


def _log(
    rows: Callable[[ModelStore], list[StoredEvent]], key: Callable[[Cursor], tuple[int, int]]
) -> Patches:
    async def after(self: ModelStore, cursor: Cursor, limit: int) -> Sequence[LoggedEvent]:
        async with self._statement():
            told = sorted((one.logged for one in rows(self)), key=lambda one: key(one.cursor))
            return [one for one in told if key(one.cursor) > key(cursor)][:limit]

    yield patch.object(ModelStore, "after", after)


@breaks("L3")
def marked_before_told() -> Patches:
    """The feed's cursor moves on before anybody was told; an error in between loses the page."""

    async def read_on(self: feed.Feed) -> None:
        self._woken.clear()
        while page := await self._log.after(self._cursor, feed.PAGE_EVENTS_MAX):
            self._cursor = page[-1].cursor
            await self._tell(page)

    yield patch.object(feed.Feed, "_read_on", read_on)


@breaks("L3")
def replay_skips_one() -> Patches:
    """Where one page ends and the next begins, one event is lost."""
    replay = feed.Feed.replay

    async def skipping(self: feed.Feed, who: Any, after: Cursor) -> AsyncIterator[feed.Frame]:
        page = await self._log.after(after, feed.PAGE_EVENTS_MAX + 1)
        lost = page[-1].cursor if len(page) > feed.PAGE_EVENTS_MAX else None
        async for frame in replay(self, who, after):
            if frame.cursor != lost:
                yield frame

    yield patch.object(feed.Feed, "replay", skipping)


@breaks("L3")
def replay_repeats_one() -> Patches:
    """Who comes back is told the last thing twice."""
    replay = feed.Feed.replay

    def repeating(self: feed.Feed, who: Any, after: Cursor) -> AsyncIterator[feed.Frame]:
        return replay(self, who, Cursor(after.xid, after.id - 1))

    yield patch.object(feed.Feed, "replay", repeating)


@breaks("L3")
def neither_hints_nor_polling() -> Patches:
    """Nobody is woken, and nobody looks by themselves."""
    yield patch.object(Wakeups, "announce", lambda _: None)
    yield patch.object(deadlines, "POLL_S", 1e6)
    yield patch.object(feed, "POLL_S", 1e6)
