"""What breaks, decided by a seed: servers, the database, the way between them, and clocks."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from headstart.lab.chaos.front import Front
from headstart.lab.chaos.house import Database, Life, Server
from headstart.lab.line import Line

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

DOWN_S_MAX = 1.0  # of a server between two lives
OUTAGE_S_MAX = 2.0  # of the database
PAUSE_S = (0.2, 5.0)
PAUSED_EVERY_S = (2.0, 10.0)
BACKEND_PAUSE_S = (0.2, 2.0)
BACKEND_PAUSED_EVERY_S = (2.0, 10.0)
LINES_SHARE = 0.5  # of all lives: the others are on the database directly
STEPS_SHARE = 0.25
STEPS_S = (3600.0, -3600.0)
STEP_AFTER_S_MAX = 3.0
LOST_COMMITS = 0.03
LOST_WEBHOOK_ANSWERS = 0.05
WATCH_S = 0.05

BACKENDS = """
select pid from pg_stat_activity
where backend_type = 'client backend' and application_name like 'headstart%' and pid <> $1
"""


@dataclass(frozen=True, slots=True)
class Habits:
    """What this monkey does, and how often. ``outages_every_s`` is from one to the next."""

    kills: int
    kill_every_s: float
    outages_min: int
    outages_max: int
    outages_every_s: tuple[float, float]
    pauses_backends: bool
    sabotage: Sequence[str] = ()


@dataclass(slots=True)
class Monkey:
    """Breaks things until it is told to heal them."""

    random: Random
    habits: Habits
    database: Database
    servers: Sequence[Server]
    line: Line
    front: Front
    dsn: str
    pool: "Pool"
    done: Counter[str] = field(default_factory=Counter)
    content: asyncio.Event = field(default_factory=asyncio.Event)  # it has broken enough
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    _paused_backends: set[int] = field(default_factory=set)

    def begin(self) -> None:
        """The servers live already."""
        self.line.chance, self.front.lost = LOST_COMMITS, LOST_WEBHOOK_ANSWERS
        lives = [self._keep_alive(server) for server in self.servers]
        pauses = [self._pause_backends()] if self.habits.pauses_backends else []
        others = [self._kill(), self._break_the_database(), self._pause()]
        self._tasks = [asyncio.create_task(one) for one in [*lives, *others, *pauses]]
        for task in self._tasks:
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """A monkey that has hurt itself ends the round: its error is raised by the healing."""
        if not task.cancelled() and task.exception():
            self.content.set()

    async def heal(self) -> None:
        """From here on nothing breaks any more, and every server is a good one."""
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        self.line.chance, self.front.lost = 0.0, 0.0
        self._resume_backends()
        for server in self.servers:
            if server.paused:
                server.resume()
            if server.is_alive and server.life and server.life.clock_step_s:
                await server.stop()
            if not server.is_alive:
                await server.begin(self._good_life())
        await asyncio.gather(*(server.until_ready() for server in self.servers))
        for error in ended:
            if isinstance(error, Exception):
                raise error

    def _good_life(self) -> Life:
        return Life(self.dsn, sabotage=self.habits.sabotage, hasty=True)

    def a_life(self) -> Life:
        """Whatever comes."""
        over_the_line = self.random.random() < LINES_SHARE
        steps = self.random.random() < STEPS_SHARE
        return Life(
            dsn=self.line.dsn if over_the_line else self.dsn,
            clock_step_s=self.random.choice(STEPS_S) if steps else 0.0,
            steps_after_s=self.random.uniform(0.0, STEP_AFTER_S_MAX),
            sabotage=self.habits.sabotage,
            hasty=True,
        )

    async def _sleep(self, between_s: tuple[float, float]) -> None:
        await asyncio.sleep(self.random.uniform(*between_s))

    async def _keep_alive(self, server: Server) -> None:
        """One life after another; some end by themselves, when there is no database for long."""
        while True:
            if not server.is_alive:
                await self._sleep((0.0, DOWN_S_MAX))
                await server.begin(self.a_life())
                self.done["clock steps"] += bool(server.life and server.life.clock_step_s)
                self.done["lives"] += 1
            await asyncio.sleep(WATCH_S)

    async def _kill(self) -> None:
        while self.done["kills"] < self.habits.kills:
            await asyncio.sleep(self.random.expovariate(1 / self.habits.kill_every_s))
            self.done["kills"] += self.random.choice(self.servers).kill()
            self._look_whether_that_is_enough()

    def _look_whether_that_is_enough(self) -> None:
        enough = self.done["database restarts"] >= self.habits.outages_min
        if enough and self.done["kills"] >= self.habits.kills:
            self.content.set()

    async def _break_the_database(self) -> None:
        while self.done["database restarts"] < self.habits.outages_max:
            await self._sleep(self.habits.outages_every_s)
            async with self.database.standing:
                work = asyncio.create_task(self._an_outage())
                try:
                    await asyncio.shield(work)
                except asyncio.CancelledError:
                    await work  # a database that is half up would be nobody's
                    raise

    async def _an_outage(self) -> None:
        self._resume_backends()
        self.done["database restarts"] += 1
        await self.database.crash()
        await self._sleep((0.0, OUTAGE_S_MAX))
        await self.database.start()
        self._look_whether_that_is_enough()

    async def _pause(self) -> None:
        """A server stands still: for those who wait it is as good as dead, until it goes on."""
        while True:
            await self._sleep(PAUSED_EVERY_S)
            server = self.random.choice(self.servers)
            server.pause()
            self.done["pauses"] += server.paused
            pid = server.pid
            try:
                await self._sleep(PAUSE_S if self.random.random() < 0.3 else (0.2, 1.0))
            finally:
                if server.pid == pid:
                    server.resume()

    async def _pause_backends(self) -> None:
        """A connection's process within the database stands still, maybe with locks in hand."""
        while True:
            await self._sleep(BACKEND_PAUSED_EVERY_S)
            async with self.database.standing:
                with suppress(Exception):  # our own connection may not have survived an outage
                    await self._pause_a_backend()

    async def _pause_a_backend(self) -> None:
        async with self.pool.acquire() as connection:
            found = await connection.fetch(BACKENDS, connection.get_server_pid())
        if not found:
            return
        pid = self.random.choice(found)["pid"]
        os.kill(pid, signal.SIGSTOP)
        self._paused_backends.add(pid)
        self.done["database pauses"] += 1
        try:
            await self._sleep(BACKEND_PAUSE_S)
        finally:
            self._resume_backends()

    def _resume_backends(self) -> None:
        while self._paused_backends:
            with suppress(ProcessLookupError):
                os.kill(self._paused_backends.pop(), signal.SIGCONT)
