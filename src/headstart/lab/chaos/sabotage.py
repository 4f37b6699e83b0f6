"""Ways to break the real thing, which only a real database and real crashes can show."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from headstart.app import feed
from headstart.app.cashier import Cashier
from headstart.app.ports import Operation
from headstart.core.audience import OneMechanic
from headstart.core.request import RequestId
from headstart.lab.sabotage.craft import Patches, Sabotage
from headstart.store import postgres
from headstart.store.requests import RequestStore

_committed = ExitStack()


def _commits_that_are_not_kept() -> Patches:
    """The database answers before a commit is where a crash cannot reach it."""
    yield patch.dict(postgres.SERVER_SETTINGS, {"synchronous_commit": "off"})


def _early_leak() -> Patches:
    """What is meant for the favourite alone is told to every approved mechanic."""
    asked = feed._asked

    def everybody(to: Any, logged: Any, approved: Any) -> Any:
        return approved if isinstance(to, OneMechanic) else asked(to, logged, approved)

    yield patch.object(feed, "_asked", everybody)


def _lost_deadlines() -> Patches:
    """One request in four is overlooked when its time has come."""
    claim = RequestStore.claim_due

    async def some(self: RequestStore, limit: int) -> Sequence[RequestId]:
        return [one for one in await claim(self, limit) if one.int % 4]

    yield patch.object(RequestStore, "claim_due", some)


def _money_that_is_only_talked_about() -> Patches:
    """What is owed is written down as done, and nobody asks the payment service for it."""

    async def talk(self: Cashier, operation: Operation) -> tuple[str, int]:
        held = await self._payments.retrieve_payment(operation.subject)
        amount = held.amount if held else 0
        return ("released" if held and held.is_held else "refunded"), amount

    yield patch.object(Cashier, "_capture", talk)
    yield patch.object(Cashier, "_give_back", talk)


SABOTAGES = {
    one.name: one
    for one in (
        Sabotage(
            "commits that are not kept",
            str(_commits_that_are_not_kept.__doc__),
            "I3",
            _commits_that_are_not_kept,
        ),
        Sabotage("early leak", str(_early_leak.__doc__), "I5", _early_leak),
        Sabotage(
            "money that is only talked about",
            str(_money_that_is_only_talked_about.__doc__),
            "M1",
            _money_that_is_only_talked_about,
        ),
        Sabotage("lost deadlines", str(_lost_deadlines.__doc__), "L2", _lost_deadlines),
    )
}


def commit(names: Sequence[str]) -> None:
    """Break this process so, for the rest of its life."""
    for name in names:
        _committed.enter_context(SABOTAGES[name].committed())
