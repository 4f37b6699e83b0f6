"""A line between us and PostgreSQL that fails in the worst way: the commit happened, and its answer
never arrives.

The line reads along. It knows when the server has finished a transaction that wrote something, and
only then, with the commit done, swallows the answer and hangs up on both sides.
"""

import asyncio
import random
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

HOST = "127.0.0.1"
DEFAULT_PORT = 5432
CHUNK_BYTES = 65_536
HEADER_BYTES = 5  # a letter and a length that counts itself
PREAMBLE_BYTES = 8  # of the first packet: a length, and what the client speaks
ENCRYPTION_WISHES = (80_877_103, 80_877_104)  # TLS and GSS: answered with no, so that we can read
READY = b"Z"
ANSWERS = (b"2", b"C", b"E")  # how the answer to a statement begins: bound, complete, or an error
WRITES = re.compile(rb"\binsert\s+into\b|\bdelete\s+from\b|\bupdate\s+\S+\s+(?:\w+\s+)?set\b", re.I)

Witness = Callable[[], Awaitable[None]]


class Messages:
    """Whole messages of one direction out of whatever pieces arrive."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[tuple[bytes, bytes]]:
        """Every message that is complete now: its letter, and all of it as it goes on."""
        data, at, found = self._rest + piece, 0, []
        while len(data) - at >= HEADER_BYTES:
            end = at + 1 + int.from_bytes(data[at + 1 : at + HEADER_BYTES], "big")
            if end > len(data):
                break
            found.append((data[at : at + 1], data[at:end]))
            at = end
        self._rest = data[at:]
        return found


class Transaction:
    """What one connection is at: ``writes`` are the statements, since it was last idle, that
    change something."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self._failed = False
        self._statements: dict[bytes, bytes] = {}

    def asked(self, letter: bytes, message: bytes) -> None:
        """A message of the client: a statement prepared, bound, or sent as text."""
        body = message[HEADER_BYTES:]
        if letter == b"P":
            name, text, _ = body.split(b"\0", 2)
            self._statements[name] = text
        elif letter == b"B":
            _, name, _ = body.split(b"\0", 2)
            self._run(self._statements.get(name, b""))
        elif letter == b"Q":
            self._run(body)

    def _run(self, text: bytes) -> None:
        if WRITES.search(text):
            self.writes.append(text)

    def answered(self, letter: bytes, message: bytes) -> Sequence[bytes]:
        """A message of the server. When it says that a transaction is committed: its writes."""
        if letter in (b"C", b"E"):  # a statement is complete, or an error: the last one counts
            self._failed = letter == b"E" or message[HEADER_BYTES:].startswith(b"ROLLBACK")
        if letter != READY or message[HEADER_BYTES:] != b"I":
            return ()
        committed = () if self._failed else tuple(self.writes)
        self.writes, self._failed = [], False
        return committed


@dataclass(slots=True)
class _Connection:
    """One client, and the server at the other end of its line."""

    from_client: asyncio.StreamReader
    to_client: asyncio.StreamWriter
    from_server: asyncio.StreamReader
    to_server: asyncio.StreamWriter

    def hang_up(self) -> None:
        """On both sides."""
        self.to_server.close()
        self.to_client.close()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which answer is to get lost."""

    writing: bytes
    witness: Witness | None


class Line:
    """What can be done to it, and ``dsn``, the address that leads through it.

    ``chance`` is the share of commits whose answer gets lost, and may be changed at any time.
    ``commits`` counts the answers to transactions that wrote, ``lost`` those that were swallowed.
    """

    def __init__(self, dsn: str, server: "Address", *, chance: float, seed: int) -> None:
        self.dsn = dsn
        self.chance = chance
        self.commits = 0
        self.lost = 0
        self._server = server
        self._wanted: _Wanted | None = None
        self._random = random.Random(seed)
        self._connections: list[_Connection] = []
        self._loop = asyncio.get_running_loop()

    def lose_next(self, writing: str = "", witness: Witness | None = None) -> None:
        """The next commit, whoever makes it, happens and is not answered.

        ``writing`` is a part of a statement that it must contain. ``witness`` is awaited between
        the commit and the end of the connection: what it finds, nobody can have repaired.
        """
        self._wanted = _Wanted(writing.encode(), witness)

    def cut(self) -> None:
        """Hang up on everybody, wherever they are; from any thread."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for connection in self._connections:
            connection.hang_up()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its first packet to its end."""
        try:
            first = await _first_packet(reader, writer)
            from_server, to_server = await self._server.call()
        except (OSError, EOFError):
            writer.close()
            return
        connection = _Connection(reader, writer, from_server, to_server)
        self._connections.append(connection)
        to_server.write(first)
        transaction = Transaction()
        try:
            await asyncio.gather(
                self._forward(connection, transaction), self._answer(connection, transaction)
            )
        finally:
            connection.hang_up()
            self._connections.remove(connection)

    async def _forward(self, connection: _Connection, transaction: Transaction) -> None:
        messages = Messages()
        while piece := await _read(connection.from_client):
            for letter, message in messages.feed(piece):
                transaction.asked(letter, message)
            await _write(connection.to_server, piece)
        connection.to_server.close()

    async def _answer(self, connection: _Connection, transaction: Transaction) -> None:
        """An answer goes on when all of it is here; what a client learns of a statement that it
        only prepares goes on at once."""
        messages, held = Messages(), b""
        while piece := await _read(connection.from_server):
            for letter, message in messages.feed(piece):
                writes = transaction.answered(letter, message)
                if writes and await self._loses(writes):
                    connection.hang_up()
                    return
                held += message
                if letter == READY or not held.startswith(ANSWERS):
                    await _write(connection.to_client, held)
                    held = b""
        connection.to_client.close()

    async def _loses(self, writes: Sequence[bytes]) -> bool:
        self.commits += 1
        wanted = self._wanted
        if wanted and any(wanted.writing in text for text in writes):
            self._wanted = None
            if wanted.witness:
                await wanted.witness()
        elif self._random.random() >= self.chance:
            return False
        self.lost += 1
        return True


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is: a socket's path, or a host and a port."""

    path: Path | None
    host: str
    port: int

    @classmethod
    def of(cls, dsn: str) -> "Address":
        """As the client would read it."""
        parts = urlsplit(dsn)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        port = int(asked.get("port") or parts.port or DEFAULT_PORT)
        host = asked.get("host") or parts.hostname or HOST
        path = Path(host) / f".s.PGSQL.{port}" if host.startswith("/") else None
        return cls(path, host, port)

    async def call(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to it."""
        if self.path:
            return await asyncio.open_unix_connection(self.path)
        return await asyncio.open_connection(self.host, self.port)


@asynccontextmanager
async def line_to(dsn: str, *, chance: float = 0.0, seed: int = 0) -> AsyncIterator[Line]:
    """A line to the PostgreSQL of this address, for as long as the block lasts.

    ``line.dsn`` serves any client, of this process or of another. Where there is no running loop,
    a blocking portal gives one: ``portal.wrap_async_context_manager(line_to(dsn))``.
    """
    address = Address.of(dsn)
    with tempfile.TemporaryDirectory(prefix="hs-line-") as made:
        near = Address(Path(made) / f".s.PGSQL.{DEFAULT_PORT}", made, DEFAULT_PORT)
        line = Line(_leading_to(dsn, near), address, chance=chance, seed=seed)
        listening = await asyncio.start_unix_server(line.serve, near.path)
        try:
            yield line
        finally:
            listening.close()
            line.cut()
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await listening.wait_closed()


def _leading_to(dsn: str, near: Address) -> str:
    """The same database and person, over the line."""
    parts = urlsplit(dsn)
    person = parts.netloc.rpartition("@")[0]
    query = f"host={quote(near.host)}&port={near.port}"
    return urlunsplit(parts._replace(netloc=f"{person}@" if person else "", query=query))


async def _first_packet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The one without a letter, after every wish to speak in private was refused."""
    while True:
        preamble = await reader.readexactly(PREAMBLE_BYTES)
        if int.from_bytes(preamble[4:], "big") not in ENCRYPTION_WISHES:
            length = int.from_bytes(preamble[:4], "big")
            return preamble + await reader.readexactly(length - PREAMBLE_BYTES)
        writer.write(b"N")


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(CHUNK_BYTES)
    except ConnectionError:
        return b""


async def _write(writer: asyncio.StreamWriter, piece: bytes) -> None:
    with suppress(ConnectionError):
        writer.write(piece)
        await writer.drain()
