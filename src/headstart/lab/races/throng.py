"""Thousands of people at the door at once: raw sockets, connected beforehand, released together.

Every request is sent up to its last byte; then all last bytes go out in one sweep, dealt out over
the servers in turn. So nobody has a start over anybody, and the servers see as much of a crowd as
one machine can make.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

HTTP_PORT = 80
CONNECTING_AT_ONCE = 200
CONNECT_PATIENCE_S = 30.0
ANSWER_PATIENCE_S = 120.0  # of the whole crowd; who has no answer by then was forgotten


@dataclass(frozen=True, slots=True)
class Asked:
    """One POST without a body: where, what, and by whom."""

    base: str
    path: str
    token: str

    @property
    def request(self) -> bytes:
        """As it goes over the wire."""
        lines = [
            f"POST {self.path} HTTP/1.1",
            f"Host: {urlsplit(self.base).netloc}",
            f"Authorization: Bearer {self.token}",
            "Content-Length: 0",
            "Connection: close",
        ]
        return "\r\n".join([*lines, "", ""]).encode()


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer, and how long after the release it began. No status: there was none."""

    status: int | None
    body: bytes
    after_s: float

    @property
    def code(self) -> str:
        """Of the problem, where it is one; empty otherwise."""
        said: dict[str, Any] = json.loads(self.body) if self.body.startswith(b"{") else {}
        return str(said.get("code", ""))


class _Visitor(asyncio.Protocol):
    """One connection: the answer is everything until the server closes."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._began_s = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        if not self._pieces:
            self._began_s = time.perf_counter()
        self._pieces.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def heard(self, released_s: float) -> Heard:
        """What came, if it is an answer."""
        head, _, body = b"".join(self._pieces).partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/") else None
        return Heard(status, body, self._began_s - released_s)


async def release(crowd: Sequence[Asked]) -> Sequence[Heard]:
    """Everybody's answer, in the order of the crowd."""
    doorkeeper = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def come(asked: Asked) -> tuple[asyncio.Transport, _Visitor]:
        address = urlsplit(asked.base)
        async with doorkeeper, asyncio.timeout(CONNECT_PATIENCE_S):
            transport, visitor = await asyncio.get_running_loop().create_connection(
                _Visitor, str(address.hostname), int(address.port or HTTP_PORT)
            )
        transport.write(asked.request[:-1])
        return transport, visitor

    here = await asyncio.gather(*map(come, crowd))
    released_s = time.perf_counter()
    for (transport, _), asked in zip(here, crowd, strict=True):
        transport.write(asked.request[-1:])
    await asyncio.wait([visitor.done for _, visitor in here], timeout=ANSWER_PATIENCE_S)
    for transport, _ in here:
        transport.abort()
    return [visitor.heard(released_s) for _, visitor in here]
