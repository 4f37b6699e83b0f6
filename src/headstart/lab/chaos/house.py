"""What stands and can be broken: PostgreSQL, the servers on it, and the way between them."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from headstart.lab.backstage import HOST, free_port
from headstart.lab.chaos.wire import NoAnswer, NotSent, Wire
from headstart.store.embedded import running
from headstart.store.postgres import connected

if TYPE_CHECKING:
    from headstart.store.postgres import Pool

# What survives here is the end of processes, not of the machine, and for that this is enough:
# - synchronous_commit on: the commit record is written to the file before anybody is answered.
#   A file that was written outlives its writer, so no fsync is needed while the machine runs.
# - full_page_writes on: a writer that is killed in the middle of a page leaves half of it.
# - wal_writer_delay long: nobody else writes a record that its commit did not wait for, so that a
#   service which acknowledges too early is sure to lose something.
# Commit timestamps are how the judge knows when each transaction became true.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_writer_delay": "10s",
    "track_commit_timestamp": "on",
    "max_connections": "150",
}
PATIENCE_S = 90.0  # of a start: no promise, and a busy machine is slow
POLL_S = 0.02
ASK_PATIENCE_S = 2.0


class Database:
    """One PostgreSQL, which may be ended at once and started again, on the same files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "postgres"
        self._life = ExitStack()
        self.standing = asyncio.Lock()  # held by whoever does something to it
        self.dsn = ""

    async def start(self) -> None:
        """Ready when this returns; recovery from a crash is part of it."""
        await asyncio.to_thread(self._start)

    async def stop(self) -> None:
        """Politely."""
        await asyncio.to_thread(self._life.close)

    async def crash(self) -> None:
        """Immediate mode: every process of it ends where it stands, nothing is tidied up."""
        pid = int((self._directory / "cluster" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGQUIT)
        await self.stop()

    def _start(self) -> None:
        self._life = ExitStack()
        self.dsn = self._life.enter_context(running(self._directory, settings=SETTINGS))

    def address_of(self, name: str) -> str:
        """Of another database on it."""
        return urlunsplit(urlsplit(self.dsn)._replace(path=f"/{name}"))

    def _administration(self) -> "AbstractAsyncContextManager[Pool]":
        return connected(self.address_of("postgres"), connections_max=1, role=None)

    async def copy(self, template: str, name: str) -> str:
        """A new database like another that nobody is connected to; answers with its address."""
        async with self._administration() as pool:
            await pool.execute(f"create database {name} template {template}")
        return self.address_of(name)

    async def drop(self, name: str) -> None:
        """And everybody who is still connected to it."""
        async with self._administration() as pool:
            await pool.execute(f"drop database {name} with (force)")


@dataclass(frozen=True, slots=True)
class Fate:
    """Which work this life ends in, and after how many steps of it."""

    work: str
    steps: int
    from_birth: bool = False  # or from the moment it is armed


@dataclass(frozen=True, slots=True)
class Life:
    """How a server lives this time."""

    dsn: str
    clock_step_s: float = 0.0
    steps_after_s: float = 0.0
    sabotage: Sequence[str] = ()
    fate: Fate | None = None
    hasty: bool = False  # with money: leases and waits as short as everything here


class Nursery:
    """The warm process that servers are forked from."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._speaking = asyncio.Lock()

    async def fork(self, environment: Mapping[str, str], log: Path, life: Life) -> int:
        """A new server; answers with its process id."""
        assert self._process.stdin, "it takes orders"
        assert self._process.stdout, "and answers them"
        order = {
            "environment": dict(environment),
            "log": str(log),
            "clock_step_s": life.clock_step_s,
            "steps_after_s": life.steps_after_s,
            "sabotage": list(life.sabotage),
            "hasty": life.hasty,
            "fate": asdict(life.fate) if life.fate else None,
        }
        async with self._speaking:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            return int(await self._process.stdout.readline())


@asynccontextmanager
async def nursery(environment: Mapping[str, str]) -> AsyncIterator[Nursery]:
    """It and all servers of it end with this block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "headstart.lab.chaos.nursery"),
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Nursery(process)
    finally:
        assert process.stdin, "it takes orders"
        process.stdin.close()
        await process.wait()


@dataclass(slots=True)
class Server:
    """A place where one server after another lives, on the same port."""

    nursery: Nursery
    environment: Mapping[str, str]
    directory: Path
    port: int = field(default_factory=free_port)
    pid: int = 0
    life: Life | None = None
    steps: set[float] = field(default_factory=set)  # of the clock, in any life so far
    paused: bool = False

    @property
    def log(self) -> Path:
        """What all of them said."""
        return self.directory / f"server-{self.port}.log"

    @property
    def is_alive(self) -> bool:
        """Whether one lives there now."""
        return self.pid > 0 and self._signal(0)

    async def begin(self, life: Life) -> None:
        """A new life. It is ready a moment later."""
        own = {
            "DATABASE_URL": life.dsn,
            "HEADSTART_HOST": HOST,
            "HEADSTART_PORT": str(self.port),
        }
        self.life, self.paused = life, False
        self.steps.add(life.clock_step_s)
        self.pid = await self.nursery.fork({**self.environment, **own}, self.log, life)

    def kill(self) -> bool:
        """``kill -9``; False when there was nobody to kill."""
        return self.pid > 0 and self._signal(signal.SIGKILL)

    def arm(self) -> None:
        """Its fate may come true from now on."""
        self._signal(signal.SIGUSR1)

    def disarm(self) -> None:
        """And no more."""
        self._signal(signal.SIGUSR2)

    def pause(self) -> None:
        """Stand still, in the middle of anything."""
        self.paused = self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on as if no time had passed."""
        self._signal(signal.SIGCONT)
        self.paused = False

    async def stop(self) -> None:
        """Ask it to, and insist."""
        self._signal(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S / 3):
                while self.is_alive:  # noqa: ASYNC110 - it is another process
                    await asyncio.sleep(POLL_S)
        self.kill()

    async def until_ready(self) -> None:
        """TimeoutError, with its last words, when it does not become so."""
        wire, heard = Wire(self.port), "nothing was asked"
        try:
            async with asyncio.timeout(PATIENCE_S):
                while heard := await self._why_not_ready(wire):  # noqa: ASYNC110 - likewise
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            said = self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""
            alive = "lives and" if self.is_alive else "is dead, it"
            message = f"a server {alive} does not become ready: {heard}\n{said}"
            raise TimeoutError(message) from error
        finally:
            wire.hang_up()

    async def _why_not_ready(self, wire: Wire) -> str:
        """Its own words; empty when it is ready."""
        try:
            answer = await wire.ask("GET", "/readyz", patience_s=ASK_PATIENCE_S)
        except (NotSent, NoAnswer) as error:
            return repr(error)
        return "" if answer.status == 200 else f"{answer.status} {answer.body!r}"

    def _signal(self, number: int) -> bool:
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True
