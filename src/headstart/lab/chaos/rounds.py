"""One round: a fresh database, servers, people and a monkey; first with faults, then without."""

import asyncio
import json
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from random import Random

from headstart.core.access import Role
from headstart.identity.seals import Seals
from headstart.lab.chaos.front import Front
from headstart.lab.chaos.house import Database, Nursery, Server
from headstart.lab.chaos.monkey import Habits, Monkey
from headstart.lab.chaos.people import Customer, Mechanic, Operator
from headstart.lab.chaos.scenery import Signs, Size, populate, sandbox, settings_of, terms_of
from headstart.lab.chaos.town import Town
from headstart.lab.chaos.wire import Wire
from headstart.lab.chaos.witness import Witness, moment
from headstart.lab.checkers import History
from headstart.lab.line import line_to
from headstart.payments.sandbox.ledger import Ledger
from headstart.store.postgres import connected

SERVERS = 3
EAGER = 0.8  # of all rounds: in the others hardly anybody wants to work
ALL_KINDS = 0.3  # of all rounds: every kind of payment event is delivered
ALWAYS_S = -1e9
IN_FLIGHT_MAX = 48  # bookings that are not paid yet
LATE_TIMES = {"slack_s": 1, "soon_s": 4, "told_s": 4}  # a machine that is late makes all late
QUIET_S = 2.0
WATCH_S = 0.1
CALM_S = 0.5  # in which all servers answer a question each
CALM_LOOKS = 5
LIVENESS_S_MAX = 120.0
HARMLESS = (
    "timeout graceful shutdown exceeded",  # of the web server: a slow good-bye
    "Resetting connection with an active transaction",  # of the pool: it cleans up, as it must
)
ERROR_CHARACTERS_MAX = 3_000
ALARMS = {"feed_held_up_by_a_foreign_transaction"}  # nothing is wrong with who raises them


@dataclass(frozen=True, slots=True)
class House:
    """What all rounds share."""

    directory: Path
    database: Database
    nursery: Nursery
    template: str


@dataclass(slots=True)
class Report:
    """What one round leaves behind."""

    history: History
    counts: Counter[str] = field(default_factory=Counter)
    faulty_s: float = 0.0
    calm_s: float = 0.0
    liveness_s: float = 0.0
    late_s: float = 0.0


async def play(house: House, seed: int, size: Size, habits: Habits) -> Report:
    """One round from beginning to end."""
    async with AsyncExitStack() as stack:
        name = f"round_{seed % 1_000_000}"
        dsn = await house.database.copy(house.template, name)
        played = await _Round.prepared(stack, house, seed, size, habits, dsn)
        report = await played.play()
    await house.database.drop(name)
    return report


def _town(
    stack: AsyncExitStack, history: History, signs: Signs, servers: Sequence[Server], till: int
) -> Town:
    wires = [Wire(port) for port in (*(server.port for server in servers), till)]
    for wire in wires:
        stack.callback(wire.hang_up)
    steps = {server.port: server.steps for server in servers}
    return Town(
        random=signs.random,
        history=history,
        wires=wires[:-1],
        till=wires[-1],
        seals=Seals(signs.secret, secrets.token_bytes),
        began_s=time.time(),
        eager=signs.random.random() < EAGER,
        honest_clocks=lambda port: steps[port] <= {0.0},
    )


@dataclass(slots=True)
class _Round:
    """Everything of one round."""

    size: Size
    town: Town
    monkey: Monkey
    front: Front
    servers: Sequence[Server]
    customers: Sequence[Customer]
    mechanics: Sequence[Mechanic]
    operator: Operator
    witness: Witness
    ledger: Ledger

    @classmethod
    async def prepared(
        cls, stack: AsyncExitStack, house: House, seed: int, size: Size, habits: Habits, dsn: str
    ) -> "_Round":
        """Everything stands, and nobody has moved yet."""
        random = Random(seed)
        signs = Signs(f"{random.getrandbits(256):064x}", random)
        mechanics = [signs.person(Role.MECHANIC) for _ in range(size.mechanics)]
        terms = terms_of(random, size, mechanics, paused=habits.pauses_backends)
        front = Front(random, all_kinds=random.random() < ALL_KINDS)
        till = await stack.enter_async_context(sandbox(front))
        environment = settings_of(terms, till.port, signs.secret)
        servers = [Server(house.nursery, environment, house.directory) for _ in range(SERVERS)]
        for server in servers:
            stack.callback(server.kill)
        history = History(seed, terms=terms, flags=[(ALWAYS_S, True)])
        town = _town(stack, history, signs, servers, till.port)
        front.wires = town.wires
        pool = await stack.enter_async_context(connected(dsn, connections_max=4, role=None))
        line = await stack.enter_async_context(line_to(dsn, seed=seed))
        monkey = Monkey(random, habits, house.database, servers, line, front, dsn, pool)
        people = await populate(pool, town, signs, mechanics, size)
        operator = Operator(town, signs.person(Role.OPERATOR), people[1], random.random() < 0.4)
        witness = Witness(pool, moment(town.began_s))
        return cls(size, town, monkey, front, servers, *people, operator, witness, till.ledger)

    async def play(self) -> Report:
        """Faults, healing, rest, and what everybody has to say."""
        town, report = self.town, Report(self.town.history)
        for server in self.servers:
            await server.begin(self.monkey.a_life())
        for mechanic in self.mechanics:
            mechanic.live()
        operating = town.start(self.operator.live())
        await self._switch()
        self.monkey.begin()
        town.spawn(town.watch_the_clock())
        began_s = town.now_s()
        await self._book()
        await self.monkey.content.wait()
        operating.cancel()
        await self.monkey.heal()
        await self._switch(calm=True)
        report.faulty_s = town.now_s() - began_s
        await self.operator.tidy_up()
        report.calm_s = await self._calm_down()
        town.history.healed_s = town.now_s()
        report.liveness_s = await self._come_to_rest()
        await self._end()
        await self._testify(report)
        return report

    async def _book(self) -> None:
        """At a steady pace, but never more at once than can be waited for."""
        places, lives = asyncio.Semaphore(IN_FLIGHT_MAX), []
        loop = asyncio.get_running_loop()
        next_s = loop.time()

        async def live(customer: Customer) -> None:
            try:
                await customer.live()
            finally:
                places.release()

        for customer in self.customers:
            await places.acquire()
            next_s = max(next_s + self.town.random.expovariate(self.size.per_s), loop.time())
            await asyncio.sleep(next_s - loop.time())
            lives.append(self.town.start(live(customer)))
        await asyncio.gather(*lives, return_exceptions=True)

    async def _switch(self, *, calm: bool = False) -> None:
        """How the payment service behaves."""
        random = self.town.random
        habit = "" if calm else random.choice(("", "", "duplicates", "twins"))
        wishes = {
            "concurrent": True,
            "duplicate": 2 if habit == "duplicates" else 1,
            "twin_event": habit == "twins",
            "shuffle": not calm,
            "delay": 0.0 if calm else random.choice((0.0, 0.0, 0.5)),
        }
        body = json.dumps(wishes).encode()
        answer = await self.town.till.ask("POST", "/_sandbox/switches", "", body, patience_s=5.0)
        assert answer.status == 200, answer

    async def _calm_down(self) -> float:
        """Until what the faults have dammed up has flowed off: every payment is known, and every
        server answers at once. From then on lateness has no excuse. Answers with how long."""
        began_s, calm = self.town.now_s(), 0
        while calm < CALM_LOOKS and self.town.now_s() < began_s + LIVENESS_S_MAX:
            looked_s = self.town.now_s()
            await asyncio.gather(*(server.until_ready() for server in self.servers))
            prompt = self.town.now_s() - looked_s < CALM_S
            calm = calm + 1 if prompt and self._all_is_acknowledged() else 0
            await asyncio.sleep(WATCH_S)
        return self.town.now_s() - began_s

    def _all_is_acknowledged(self) -> bool:
        paid = {payment["checkout"] for payment in self.town.history.payments}
        return paid <= self.front.acknowledged.keys()

    async def _come_to_rest(self) -> float:
        """Until everybody has what they paid for, or far too long; answers with how long."""
        began_s = self.town.now_s()
        while self.town.now_s() < began_s + LIVENESS_S_MAX:
            if self._all_is_acknowledged() and not await self.witness.unfinished():
                break
            await asyncio.sleep(WATCH_S)
        took_s = self.town.now_s() - began_s
        await asyncio.sleep(QUIET_S)
        return took_s

    async def _end(self) -> None:
        self.town.history.ended_s = self.town.now_s()
        tasks = list(self.town.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(server.stop() for server in self.servers))

    async def _testify(self, report: Report) -> None:
        history = self.town.history
        for name, times in LATE_TIMES.items():
            history.terms[name] += times * self.town.late_s
        history.operations = [one for one in history.operations if "answered_s" in one]
        for operation in history.operations:
            operation["called_s"] -= history.terms["slack_s"]  # what it met may be that old
        for payment in history.payments:
            payment["acknowledged"] = payment["checkout"] in self.front.acknowledged
        history.errors += list(_said_wrong(self.servers))
        await self.witness.testify(history, self.ledger)
        history.against_the_wall = list(await self.witness.judge(self.town.sights, history))
        report.counts = self.town.counts + self.monkey.done
        report.counts["sights judged"] = len(self.town.sights)
        report.counts["lost commit answers"] = self.monkey.line.lost
        report.late_s = self.town.late_s
        for paid in history.money:
            report.counts.update(one["act"] for one in paid["acts"] if one["outcome"] == "done")
        report.counts["webhooks"] = self.front.deliveries
        report.counts["webhooks refused"] = self.front.refused
        report.counts["webhook answers lost"] = self.front.answers_lost


def _said_wrong(servers: Sequence[Server]) -> Iterator[str]:
    """What the servers themselves report as an error, or say in a way that nobody thought of."""
    for server in servers:
        text = server.log.read_text(errors="replace")
        server.log.unlink()
        for is_report, lines in groupby(text.splitlines(), lambda line: line.startswith("{")):
            if is_report:
                yield from filter(_is_error, lines)
            elif "Traceback" in (said := "\n".join(lines)):
                yield said[-ERROR_CHARACTERS_MAX:]


def _is_error(line: str) -> bool:
    said = json.loads(line)
    grave = said["level"] in ("error", "critical") and said["event"] not in ALARMS
    return grave and not any(words in line for words in HARMLESS)
