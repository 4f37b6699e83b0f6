"""Locks, versions, clocks and constraints that are not what they should be."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from unittest.mock import patch

from headstart.app.ports import Change, Seen
from headstart.core import decide as rules
from headstart.core.facts import Facts
from headstart.core.refusals import Refusal
from headstart.core.request import MechanicId, RequestId, Reserved, SessionRequest
from headstart.lab.sabotage.craft import Patches, breaks
from headstart.lab.simulation.database import State, Transaction
from headstart.lab.simulation.store import ModelStore


@breaks("I8")
def no_row_lock() -> Patches:
    """Nobody waits for a row that somebody else is changing."""

    async def lock(self: Transaction, key: object) -> None:
        self.begin_writing()

    async def free(*_: object) -> None:
        return

    yield patch.object(Transaction, "lock", lock)
    yield patch.object(Transaction, "free", free)


@breaks("I1")
def no_version_check() -> Patches:
    """A row is written even if it is not the one that was judged."""

    def still_holds(self: ModelStore, change: Change, *snapshot: Any) -> bool:
        return self._may_win(change, *snapshot)

    yield patch.object(ModelStore, "_still_holds", still_holds)


@breaks("I8")
def two_sweepers_on_one_row() -> Patches:
    """A claim locks nothing, so that two workers act on the same deadline."""

    def claimed(
        _: ModelStore, __: Transaction, wanted: Sequence[RequestId], limit: int
    ) -> list[RequestId]:
        return list(wanted)[:limit]

    yield patch.object(ModelStore, "_claimed", claimed)
    yield from no_version_check()


@breaks("L2")
def reserved_deadlines_forgotten() -> Patches:
    """The sweep does not see the deadlines of reservations."""

    def due(self: ModelStore) -> Iterator[tuple[datetime, RequestId]]:
        for request in self._database.state.requests.values():
            if request.due_at is not None and not isinstance(request.state, Reserved):
                yield request.due_at, request.id

    yield patch.object(ModelStore, "_deadlines", due)


@breaks("I8")
def clock_read_before_the_row() -> Patches:
    """The time is older than the state it judges."""
    see = ModelStore.see

    async def stale(self: ModelStore, *args: Any, **named: Any) -> Sequence[Seen]:
        now = await self.clock()
        return [replace(seen, now=now) for seen in await see(self, *args, **named)]

    yield patch.object(ModelStore, "see", stale)


@breaks("I7")
def approval_not_checked_at_commit() -> Patches:
    """A mechanic who is suspended while accepting wins."""
    yield patch.object(ModelStore, "_may_win", lambda *_: True)


@breaks("I7")
def two_jobs_at_once() -> Patches:
    """Neither the rules nor the schema mind a second active match."""

    def may_not_accept(request: SessionRequest, who: MechanicId, facts: Facts) -> Refusal | None:
        known = facts.mechanics.get(who)
        idle = {who: replace(known, busy=False)} if known else {}
        return may_not(request, who, Facts(idle))

    may_not = rules._may_not_accept
    yield patch.object(rules, "_may_not_accept", may_not_accept)
    yield patch.object(State, "holds_another", lambda *_: False)


@breaks("I2")
def command_key_ignored() -> Patches:
    """A repeated command is judged again as if it were new."""
    see = ModelStore.see

    async def forgetful(self: ModelStore, *args: Any, **named: Any) -> Sequence[Seen]:
        return await see(self, *args, **named | {"command_key": None})

    async def meet_rivals(self: ModelStore, transaction: Transaction, change: Change) -> None:
        await meet(self, transaction, replace(change, command_key=None))

    meet = ModelStore._meet_rivals
    yield patch.object(ModelStore, "see", forgetful)
    yield patch.object(ModelStore, "_meet_rivals", meet_rivals)


@breaks("L2")
def busy_favourite_keeps_the_window() -> Patches:
    """Nobody looks whether the favourite was matched elsewhere."""
    yield patch.object(ModelStore, "_is_unfit", lambda *_: False)
