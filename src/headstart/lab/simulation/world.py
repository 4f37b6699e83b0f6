"""One story: people, processes and faults, decided by a seed; first with faults, then without."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

from headstart.app.ports import Flag, Plan
from headstart.app.terms import Terms
from headstart.core.policy import OfflinePolicy, Policy
from headstart.core.request import CustomerId, MechanicId
from headstart.lab.simulation.database import Faults, ModelDatabase
from headstart.lab.simulation.history import History, plain_log
from headstart.lab.simulation.nodes import Node
from headstart.lab.simulation.people import AMOUNT, PLAN, Customer, Mechanic, Town
from headstart.lab.simulation.virtual_time import run_in_virtual_time

NODES = 3
FAULTS_END_S = 60.0
WINDOW_S = 6.0
OVERALL_LIMIT_S = 30.0
BROADCAST_MINIMUM_S = 8.0
JOIN_LIMIT_S = 5.0
LIVENESS_S = 80.0  # a release may start a broadcast anew, and a no-show another


@dataclass(frozen=True, slots=True)
class Size:
    """How many people live in one story."""

    customers: int = 40
    mechanics: int = 14


def simulate(seed: int, size: Size = Size()) -> History:
    """Live one story to its end. The same seed gives the same history."""
    return run_in_virtual_time(_story(Random(seed), size))


async def _story(random: Random, size: Size) -> History:
    database = ModelDatabase(random)
    faults = Faults(before=random.choice((0, 0.01, 0.05)), after=random.choice((0, 0.01, 0.05)))
    terms = _terms(random)
    nodes = [Node(database, faults, terms) for _ in range(NODES)]
    for node in nodes:
        node.peers = [other for other in nodes if other is not node]
        node.hints_lost = random.choice((0.0, 0.3, 1.0))
        node.start()
    town = Town(random, database, nodes)
    customers, mechanics = _populate(town, size)
    habits = [habit for one in mechanics for habit in (one.listen(), one.come_and_go())]
    background = [asyncio.create_task(habit) for habit in (*habits, _operate(town, mechanics))]
    monkeys = [asyncio.create_task(_kill_and_restart(town, node)) for node in nodes]
    lives: list[Coroutine[Any, Any, None]] = [customer.live() for customer in customers]
    everybody = asyncio.gather(*lives)
    await asyncio.sleep(FAULTS_END_S)
    await _heal(town, faults, monkeys)
    await everybody
    await asyncio.sleep(LIVENESS_S)
    await _end(background, nodes)
    return _told(town)


def _terms(random: Random) -> Terms:
    policy = Policy(
        priority_enabled=False,
        offline=random.choice(list(OfflinePolicy)),
        offline_window=timedelta(seconds=WINDOW_S / 3),
        overall_limit=timedelta(seconds=OVERALL_LIMIT_S),
        broadcast_minimum=timedelta(seconds=BROADCAST_MINIMUM_S),
        join_limit=random.choice((None, timedelta(seconds=JOIN_LIMIT_S))),
    )
    return Terms(policy, timedelta(seconds=WINDOW_S))


def _populate(town: Town, size: Size) -> tuple[list[Customer], list[Mechanic]]:
    state = town.database.state
    state.plans[PLAN] = Plan(PLAN, "Video Session", 45, AMOUNT, 0, "cad", None, True)
    on = town.chance(0.85)
    state.flag = Flag(state.flag.name, on, 100)
    town.history.flag_off_throughout = not on
    mechanics = [Mechanic(town, MechanicId(town.new_id())) for _ in range(size.mechanics)]
    for mechanic in mechanics:
        state.mechanics[mechanic.id] = "approved"
    ids = [mechanic.id for mechanic in mechanics]
    customers = []
    for _ in range(size.customers):
        known = tuple(town.random.sample(ids, 3))
        strangers = tuple(one for one in ids if one not in known)[:2]
        customer = Customer(town, CustomerId(town.new_id()), known, strangers)
        state.favorites |= {(customer.id, favorite) for favorite in known}
        customers.append(customer)
    return customers, mechanics


async def _operate(town: Town, mechanics: list[Mechanic]) -> None:
    """An operator suspends people, and takes them back."""
    status = town.database.state.mechanics
    while True:
        await town.pause(10.0)
        mechanic = town.random.choice(mechanics).id
        status[mechanic] = "suspended"
        town.history.suspensions.append({"who": str(mechanic), "from_s": town.now_s()})
        await town.pause(5.0)
        status[mechanic] = "approved"
        town.history.suspensions[-1]["to_s"] = town.now_s()


async def _kill_and_restart(town: Town, node: Node) -> None:
    while True:
        await town.pause(30.0)
        node.kill()
        await town.pause(3.0)
        node.start()


async def _heal(town: Town, faults: Faults, monkeys: list["asyncio.Task[None]"]) -> None:
    """From here on nothing breaks any more, and everything must come right."""
    for monkey in monkeys:
        monkey.cancel()
    faults.before = faults.after = 0.0
    for node in town.nodes:
        node.hints_lost = 0.0
        if not node.alive:
            node.start()
    town.history.healed_at_s = town.now_s()


async def _end(background: list["asyncio.Task[None]"], nodes: list[Node]) -> None:
    for task in background:
        task.cancel()
    for node in nodes:
        node.kill()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*background, return_exceptions=True)


def _told(town: Town) -> History:
    state, history = town.database.state, town.history
    history.log = list(plain_log(state))
    history.final = [
        {
            "request": str(request.id),
            "version": request.version,
            "state": type(request.state).__name__,
            "due_at": None if request.due_at is None else request.due_at.isoformat(),
        }
        for request in state.requests.values()
    ]
    history.ended_at_s = town.now_s()
    return history
