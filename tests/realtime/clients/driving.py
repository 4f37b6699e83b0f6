"""Drives an official client: commands in, what it says out, and a line to it that can be cut."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.realtime.clients import environment

GUARD_S = 30.0
"""Ends a test that would hang. Nothing is measured with it."""

Json = dict[str, Any]
HERE = Path(__file__).parent
PYTHONS = {"python 2.34.1": "clients", "python 2.4.3": "clients-old"}
SCRIPTS = {
    "js 2.109.0": "realtime-js-2.109",
    "js 2.119.1": "realtime-js-new",
    "supabase-js 2.119.1": "supabase-js",
}
CLIENTS = (*PYTHONS, *SCRIPTS)


def command_line(client: str) -> list[str]:
    """How a client is started; environment.Missing where it cannot be."""
    if client in PYTHONS:
        return [str(environment.python(PYTHONS[client])), str(HERE / "listen.py")]
    executable, place = environment.node()
    return [executable, str(place / "listen.mjs"), SCRIPTS[client]]


@dataclass
class Official:
    """One running client; everything it said is kept."""

    name: str
    process: asyncio.subprocess.Process
    said: list[Json] = field(default_factory=list)
    read: int = 0

    def do(self, name: str, **what: Any) -> None:
        """Give a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": name, **what}).encode() + b"\n")

    async def says(self, fits: Callable[[Json], object]) -> Json:
        """The next thing it says that fits, after what was waited for before."""
        async with asyncio.timeout(GUARD_S):
            while True:
                while self.read < len(self.said):
                    self.read += 1
                    if fits(self.said[self.read - 1]):
                        return self.said[self.read - 1]
                await self._line()

    async def _line(self) -> None:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        assert line, f"{self.name} has ended; it said {self.said[-3:]}"
        with suppress(json.JSONDecodeError):  # the clients also print warnings
            self.said.append(json.loads(line))

    async def joins(self, topic: str, **how: Any) -> None:
        """Join, successfully."""
        self.do("join", topic=topic, **how)
        await self.says(lambda one: one.get("status") == "SUBSCRIBED" and one["topic"] == topic)

    def told(self, event: str) -> list[Json]:
        """Every broadcast of this kind so far."""
        return [one for one in self.said if one.get("event") == event]


@asynccontextmanager
async def running(client: str, url: str, token: str) -> AsyncIterator[Official]:
    """A client, connected or about to be."""
    process = await asyncio.create_subprocess_exec(
        *command_line(client),
        url,
        token,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=2**20,
    )
    official = Official(client, process)
    try:
        await official.says(lambda one: "ready" in one)
        yield official
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


class Tunnel:
    """A line to the server that can be cut, as a train's is by a mountain."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lines: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.is_open = True

    @property
    def port(self) -> int:
        """Where the near end is."""
        assert self._server is not None
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    async def __aenter__(self) -> "Tunnel":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Everything that is under way is lost, in both directions."""
        for line in self._lines:
            line.transport.abort()
        self._lines.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.is_open:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._lines |= {writer, far_writer}
        async with asyncio.TaskGroup() as both:
            both.create_task(_carry(reader, far_writer))
            both.create_task(_carry(far_reader, writer))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
