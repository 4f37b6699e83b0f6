"""HTTP/1.1 with as little as it takes, so that the clients cost less than the servers."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

HOST = "127.0.0.1"
SILENCE_S_MAX = 15.0  # a stream has a heartbeat every 10 s; without it the connection is dead
IDLE_MAX = 64  # connections kept for each server

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
BROKEN = (OSError, EOFError, ValueError, asyncio.LimitOverrunError, TimeoutError)


class NotSent(Exception):
    """Nobody listens there: nothing has happened, and nothing will."""


class NoAnswer(Exception):
    """It was sent, and whatever may have come of it, nobody said so."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``port`` says whose answer it is."""

    port: int
    status: int
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """As an object; an empty one for anything else."""
        try:
            said = json.loads(self.body)
        except ValueError:
            return {}
        return said if isinstance(said, dict) else {}


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a stream."""

    event: str
    id: str
    data: dict[str, Any]


class Wire:
    """Connections to one address, used again and again."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._idle: list[Connection] = []

    async def ask(
        self, method: str, path: str, headers: str = "", body: bytes = b"", *, patience_s: float
    ) -> Answer:
        """NotSent, or NoAnswer when it does not come in time."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {HOST}:{self.port}\r\n{headers}"
        sent = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        reader, writer = await self._connection(patience_s)
        whole = False
        try:
            async with asyncio.timeout(patience_s):
                writer.write(sent)
                status, size = _head(await reader.readuntil(b"\r\n\r\n"))
                answer = Answer(self.port, status, await reader.readexactly(size))
                whole = True
                return answer
        except BROKEN as error:
            raise NoAnswer(repr(error)) from error
        finally:
            if whole and len(self._idle) < IDLE_MAX:
                self._idle.append((reader, writer))
            else:
                writer.close()

    async def _connection(self, patience_s: float) -> Connection:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await _connect(self.port, patience_s)

    def hang_up(self) -> None:
        """Forget the connections."""
        while self._idle:
            self._idle.pop()[1].close()


async def _connect(port: int, patience_s: float) -> Connection:
    try:
        async with asyncio.timeout(patience_s):
            return await asyncio.open_connection(HOST, port)
    except (OSError, TimeoutError) as error:
        raise NotSent(repr(error)) from error


def _head(head: bytes) -> tuple[int, int]:
    """The status, and how long the body is."""
    lowered = head.lower()
    at = lowered.find(b"content-length:")
    size = int(lowered[at + 15 : lowered.index(b"\r\n", at)]) if at >= 0 else 0
    return int(head[9:12]), size


async def listen(
    port: int, headers: str, cursor: str, *, patience_s: float
) -> AsyncGenerator[Message, None]:
    """A stream of server-sent events, until it ends or breaks in whatever way."""
    reader, writer = await _connect(port, patience_s)
    resume = f"Last-Event-ID: {cursor}\r\n" if cursor else ""
    writer.write(
        f"GET /api/v1/stream HTTP/1.1\r\nHost: {HOST}:{port}\r\n{headers}{resume}\r\n".encode()
    )
    rest = b""
    try:
        async with asyncio.timeout(patience_s):
            status, _ = _head(await reader.readuntil(b"\r\n\r\n"))
        while status == 200:
            async with asyncio.timeout(SILENCE_S_MAX):
                size = int(await reader.readline(), 16)
                piece = await reader.readexactly(size + 2)
            if size == 0:
                return
            *whole, rest = (rest + piece[:-2]).split(b"\n\n")
            for text in whole:
                yield _message(text.decode())
    except BROKEN as error:
        raise NoAnswer(repr(error)) from error
    finally:
        writer.close()


def _message(text: str) -> Message:
    fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    data = json.loads(fields.get("data") or "{}")
    return Message(fields.get("event", ""), fields.get("id", ""), data)
