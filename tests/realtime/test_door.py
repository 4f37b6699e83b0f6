"""Whose handshakes are answered: the gate of HTTP, in front of the socket."""

import asyncio
from collections.abc import Iterator
from http import HTTPStatus
from itertools import product
from types import SimpleNamespace
from typing import Any, cast

from headstart.realtime.hub import Hub
from headstart.realtime.limits import SOCKET_PATH, Limits
from headstart.realtime.socket import Head, Refusal, Socket
from headstart.web.door import SocketGate
from tests.edges.test_origins import ALMOST
from tests.web.conftest import settings

OWN, PARTNER = "https://app.example", "https://partner.example"
HEADERS = (
    *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
PROXY = "10.0.0.1"


def gate(**more: Any) -> SocketGate:
    """Of a service in production, with a partner and a proxy; its clock stands still."""
    known = {
        "HEADSTART_MODE": "production",
        "HEADSTART_JWT_SECRET": "kS0v9bq2Lx8TzR4mWc7YpE1uHn6DfGaJ3",
        "HEADSTART_ALLOWED_ORIGINS": PARTNER,
        "HEADSTART_TRUSTED_PROXIES": PROXY,
        "STRIPE_WEBHOOK_SECRET": "whsec_of_production",
    }
    return SocketGate(settings(OWN, "", **(known | more)), now=lambda: 0.0)


class Line(asyncio.Transport):
    """What a server writes to somebody who is nobody in particular."""

    def __init__(self, peer: str) -> None:
        super().__init__({"peername": (peer, 1)})
        self.written = b""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no end to it."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """All of it."""
        self.written += bytes(data)

    def is_closing(self) -> bool:
        """Not by itself."""
        return False

    def can_write_eof(self) -> bool:
        """It can not."""
        return False

    def abort(self) -> None:
        """It is over."""


class House:
    """Where there is room, and nobody joins anything."""

    limits, is_full, has_joined = Limits(), False, False

    def connect(self, *_: object) -> "House":
        """Somebody has come."""
        return self

    def lost(self) -> None:
        """And gone."""


def status(gatekeeper: SocketGate, *headers: str, peer: str = "192.0.2.1") -> int:
    """The answer to a handshake with these headers, given by the socket itself."""
    head = [f"GET {SOCKET_PATH}?vsn=2.0.0 HTTP/1.1", *HEADERS, *headers, "", ""]
    state = SimpleNamespace(connections=set())
    line, socket = Line(peer), Socket(cast(Hub, House()), gatekeeper, None, state)
    socket.connection_made(line)
    socket.data_received("\r\n".join(head).encode("utf-8"))
    socket.connection_lost(None)
    return int(line.written.split(b" ", 2)[1])


def hostile() -> Iterator[tuple[str, ...]]:
    """A thousand heads: foreign pages, names that are not ours, and both said twice."""
    origins = [*(one for one in ALMOST if "\x00" not in one), "https://evil.example"]
    hosts = ["app.example", "evil.example", "app.example.evil.example", "127.0.0.1", ""]
    yield from (
        (f"Host: {host}", f"Origin: {origin}{number}")
        for number, origin, host in product(("", ".x", ":1"), origins, hosts)
        if (origin + number).strip() not in (OWN, PARTNER)
    )
    for number in range(400):
        yield f"Host: {number}.app.example", f"Origin: {OWN}"
        yield "Host: app.example", f"Origin: https://{number}.app.example"
    yield "Host: app.example", f"Origin: {OWN}", f"Origin: {OWN}"
    yield "Host: app.example", "Host: app.example", f"Origin: {OWN}"
    yield (f"Origin: {OWN}",)
    yield "Host: app.example", *(f"X-{number}: 1" for number in range(99))
    yield "Host: app.example", f"X: {'x' * 8000}", f"Y: {'y' * 8000}", f"Z: {'z' * 8000}"


async def test_of_a_thousand_hostile_handshakes_none_is_accepted() -> None:
    gatekeeper = gate(HEADSTART_RATE_ADDRESS_PER_MINUTE=100_000)
    heads = list(hostile())
    assert len(heads) > 1000
    assert [head for head in heads if status(gatekeeper, *head) == 101] == []
    for friendly in ([], [f"Origin: {OWN}"], [f"Origin: {PARTNER}"]):
        assert status(gatekeeper, "Host: app.example", *friendly) == 101


async def test_an_address_that_comes_in_vain_too_often_must_wait_and_its_neighbour_need_not() -> (
    None
):
    gatekeeper = gate(HEADSTART_RATE_ADDRESS_PER_MINUTE=60)
    host = "Host: app.example"
    forwarded = "X-Forwarded-For: 198.51.100.{}".format
    answers = [status(gatekeeper, host, forwarded(1), peer=PROXY) for _ in range(61)]
    assert answers == [101] * 60 + [429]  # each of them left again without having joined anything
    assert status(gatekeeper, host, forwarded(2), peer=PROXY) == 101
    assert status(gatekeeper, host, forwarded(1), peer="198.51.100.1") == 429
    refused = gatekeeper.judge(Head("198.51.100.1", SOCKET_PATH, [("Host", "app.example")]))
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.headers) == (HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": "1"})
