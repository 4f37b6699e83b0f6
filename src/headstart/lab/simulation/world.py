"""One story: people, processes and faults, decided by a seed; first with faults, then without."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any
from unittest.mock import patch

import structlog

from headstart.app import cashier, deadlines, feed, reconciler
from headstart.app.ports import Plan
from headstart.app.terms import Terms
from headstart.core.audience import Notice
from headstart.core.events import Event
from headstart.core.policy import OfflinePolicy, Policy
from headstart.core.request import CustomerId, MechanicId, RequestId
from headstart.lab.checkers import History, Plain
from headstart.lab.simulation import ledger
from headstart.lab.simulation.database import Faults, ModelDatabase
from headstart.lab.simulation.history import plain_debts, plain_log, plain_rows
from headstart.lab.simulation.nodes import Node
from headstart.lab.simulation.people import AMOUNT, EAGER, LAZY, PLAN, Customer, Mechanic, operate
from headstart.lab.simulation.stripe import Stripe
from headstart.lab.simulation.town import Town
from headstart.lab.simulation.virtual_time import run_in_virtual_time

NODES = (2, 2, 3)
FAULTS_END_S = 40.0
WINDOW_S = 6.0
OFFLINE_WINDOW_S = 2.0
OVERALL_LIMIT_S = 30.0
BROADCAST_MINIMUM_S = 8.0
JOIN_LIMIT_S = 5.0
EXTENSION_S = 3.0
LIVENESS_S = 120  # a release may start a broadcast anew, and a no-show another
QUIET_S = 4.0
RECONCILED_EVERY_S = 8
LOOKED_AT_S = 4
NOTICED_S = 16  # a webhook or the reconciler's turn, and a look
DEBT_S = 25  # a lease, and retries
Audience = Callable[[RequestId, Event], Sequence[Notice]]
ALARMS = {  # nothing is wrong with who raises them
    "feed_held_up_by_a_foreign_transaction",
    "money_needs_a_person",
    "money_was_not_returned",
}


@dataclass(frozen=True, slots=True)
class Size:
    """How many people live in one story."""

    customers: int = 40
    mechanics: int = 14


def simulate(seed: int, size: Size = Size()) -> History:
    """Live one story to its end. The same seed gives the same history."""
    random, history = Random(seed), History(seed)
    small = random.choice((2, 5, 50))  # so that batches and pages have ends
    with (
        _errors_are_kept(history),
        patch.object(deadlines, "BATCH_MAX", small),
        patch.object(feed, "PAGE_EVENTS_MAX", 5 * small),
        patch.object(cashier, "LEASE", timedelta(seconds=6)),
        patch.object(cashier, "WAIT_MIN", timedelta(seconds=0.2)),
        patch.object(cashier, "WAIT_MAX", timedelta(seconds=2)),
        patch.object(reconciler, "EVERY_S", float(RECONCILED_EVERY_S)),
        patch.object(ledger, "PATIENCE", timedelta(seconds=4)),
        patch.object(feed, "audience", _remembered(vars(feed)["audience"])),
    ):
        run_in_virtual_time(_story(random, history, size))
    return history


async def _story(random: Random, history: History, size: Size) -> None:
    town = Town(random, ModelDatabase(random), history, random.choice((EAGER, EAGER, LAZY)))
    odds = (0.0, 0.01, 0.05)
    faults = Faults(random.choice(odds), random.choice(odds), random.choice((0.0, 0.002)))
    stripe, terms = Stripe(town), _terms(random)
    town.nodes = [Node(town.database, faults, terms, stripe) for _ in range(random.choice(NODES))]
    for node in town.nodes:
        node.peers = [other for other in town.nodes if other is not node]
        node.hints_lost = random.choice((0.0, 0.3, 1.0))
        node.start()
    customers, mechanics = _populate(town, stripe, size)
    history.terms = _plain(terms, mechanics)
    for mechanic in mechanics:
        mechanic.live()
    town.spawn(operate(town, mechanics))
    town.spawn(_switch(town))
    lives = [town.start(customer.live()) for customer in customers]
    monkeys = [town.start(_kill_and_restart(town, node)) for node in town.nodes]
    await asyncio.sleep(FAULTS_END_S)
    _heal(town, faults, monkeys)
    stripe.heal()
    await _come_to_rest(town, stripe, lives)
    history.money = stripe.ledger()
    await _end(town)


def _terms(random: Random) -> Terms:
    policy = Policy(
        priority_enabled=False,
        offline=random.choice(list(OfflinePolicy)),
        offline_window=timedelta(seconds=OFFLINE_WINDOW_S),
        overall_limit=timedelta(seconds=OVERALL_LIMIT_S),
        broadcast_minimum=timedelta(seconds=BROADCAST_MINIMUM_S),
        join_limit=random.choice((None, timedelta(seconds=JOIN_LIMIT_S))),
        extension=timedelta(seconds=EXTENSION_S),
    )
    return Terms(policy, timedelta(seconds=WINDOW_S))


def _plain(terms: Terms, mechanics: list[Mechanic]) -> Plain:
    return {
        "window_s": WINDOW_S,
        "offline_window_s": OFFLINE_WINDOW_S,
        "overall_limit_s": OVERALL_LIMIT_S,
        "broadcast_minimum_s": BROADCAST_MINIMUM_S,
        "extension_s": EXTENSION_S,
        "debt_s": DEBT_S,
        "noticed_s": NOTICED_S,
        "offline": terms.base_policy.offline.value,
        "mechanics": [str(mechanic.id) for mechanic in mechanics],
    }


def _populate(town: Town, stripe: Stripe, size: Size) -> tuple[list[Customer], list[Mechanic]]:
    state = town.database.state
    state.plans[PLAN] = Plan(PLAN, "Video Session", 45, AMOUNT, 0, "cad", None, True)
    mechanics = [Mechanic(town, MechanicId(town.new_id())) for _ in range(size.mechanics)]
    ids = [mechanic.id for mechanic in mechanics]
    state.mechanics = dict.fromkeys(ids, "approved")
    customers = []
    for _ in range(size.customers):
        known = tuple(town.random.sample(ids, 3))
        strangers = tuple(one for one in ids if one not in known)[:2]
        customer = Customer(town, stripe, CustomerId(town.new_id()), known, strangers)
        state.favorites |= {(customer.id, favorite) for favorite in known}
        customers.append(customer)
    town.history.favorites = {(str(one), str(other)) for one, other in state.favorites}
    return customers, mechanics


async def _switch(town: Town) -> None:
    """The flag: mostly on, sometimes off throughout, sometimes now this and now that."""
    state, kind = town.database.state, town.random.choice(("on", "on", "on", "off", "both"))
    enabled = kind != "off"
    while True:
        state.flag = replace(state.flag, enabled=enabled)
        town.history.flags.append((town.now_s(), enabled))
        await town.pause(12.0 if kind == "both" else 1e6)
        enabled = not enabled if kind == "both" else enabled


async def _kill_and_restart(town: Town, node: Node) -> None:
    while True:
        await town.pause(30.0)
        if town.chance(0.3):
            node.feed.end_streams()  # a stop with warning
            await town.pause(1.0)
        node.kill()
        await town.pause(3.0)
        node.start()


def _heal(town: Town, faults: Faults, monkeys: list["asyncio.Task[None]"]) -> None:
    """From here on nothing breaks any more, and when what is under way has arrived, all is well."""
    for monkey in monkeys:
        monkey.cancel()
    faults.before = faults.after = faults.slow = 0.0
    for node in town.nodes:
        node.hints_lost = 0.0
        if not node.alive:
            node.start()
    town.history.healed_s = town.now_s() + faults.slow_trip_s_max


async def _come_to_rest(town: Town, stripe: Stripe, lives: list["asyncio.Task[None]"]) -> None:
    """Until everybody has what they paid for, or it has taken far too long. Operators go on all the
    while, so that nothing comes between the last look and the end."""
    await asyncio.wait(lives, timeout=LIVENESS_S)
    quiet_s = 0
    for _ in range(LIVENESS_S):
        state = town.database.state
        quiet = not (stripe.under_way or state.due or state.books.are_owing)
        quiet_s = quiet_s + 1 if quiet else 0
        if quiet_s > RECONCILED_EVERY_S + LOOKED_AT_S + QUIET_S:
            break
        await asyncio.sleep(1)


async def _end(town: Town) -> None:
    history, state = town.history, town.database.state
    history.ended_s = town.now_s()
    history.log = plain_log(state)
    history.final = plain_rows(state)
    history.debts = plain_debts(state)
    for task in town.tasks:
        task.cancel()
    for node in town.nodes:
        node.kill()
    for done in await asyncio.gather(*town.tasks, return_exceptions=True):
        if isinstance(done, Exception):
            history.errors.append(f"somebody's life ended with {done!r}")


def _remembered(audience: Audience) -> Audience:
    """Who is told of an event is for good, and dozens ask: one answer for all of them."""
    answers: dict[int, tuple[Event, Sequence[Notice]]] = {}  # with the event, so that it stays

    def remember(request_id: RequestId, event: Event) -> Sequence[Notice]:
        known = answers.get(id(event))
        if known is None:
            known = answers[id(event)] = event, audience(request_id, event)
        return known[1]

    return remember


@contextmanager
def _errors_are_kept(history: History) -> Iterator[None]:
    """What the service reports as an error goes to the history, and nothing to the screen."""

    def keep(_logger: Any, method: str, event: Any) -> Any:
        told = str(event.get("event"))
        if method in ("error", "exception", "critical") and told not in ALARMS:
            history.errors.append(f"{told}: {sys.exc_info()[1]!r}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[keep], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)
