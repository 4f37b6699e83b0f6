"""Nobody fills the memory or holds a connection with what never becomes a request."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from headstart.web.edges import bodies, wire
from tests.web.conftest import World

GUARD_S = 20.0
"""Ends a test that would hang. Nothing is measured with it."""


class Line:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> bytes:
        """Everything until the other end hangs up; nothing, when it does so in the middle."""
        async with asyncio.timeout(GUARD_S):
            try:
                return await self._reader.read()
            except ConnectionResetError:
                return b""


@pytest.fixture
async def line(world: World) -> AsyncIterator[Line]:
    """To the service."""
    url = httpx.URL(str(world.client.base_url))
    made = Line(*await asyncio.open_connection(url.host, url.port))
    yield made
    made.writer.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bounds, sooner."""
    monkeypatch.setattr(wire, "HEAD_PATIENCE_S", 0.2)
    monkeypatch.setattr(bodies, "BODY_PATIENCE_S", 0.2)


@pytest.mark.usefixtures("impatient")
async def test_a_connection_that_says_nothing_is_ended(line: Line) -> None:
    assert await line.answer() == b""


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("drips", [True, False])
async def test_a_head_that_comes_in_drops_is_cut_off(drips: bool, line: Line) -> None:
    await line.send(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
    dripping = asyncio.create_task(drip(line) if drips else asyncio.sleep(0))
    answer = await line.answer()
    dripping.cancel()
    assert answer.startswith(b"HTTP/1.1 408 ") or (drips and not answer)


@pytest.mark.usefixtures("impatient")
async def test_the_second_head_of_a_connection_is_no_more_patient(line: Line) -> None:
    await line.send(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /he")
    answer = await line.answer()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("drips", [True, False])
async def test_a_body_that_comes_in_drops_is_cut_off(drips: bool, line: Line, world: World) -> None:
    bearer = world.customer["Authorization"]
    await line.send(
        b"POST /api/v1/intakes HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        + f"Authorization: {bearer}\r\nContent-Length: 5000\r\n\r\n".encode()
    )
    dripping = asyncio.create_task(drip(line) if drips else asyncio.sleep(0))
    answer = await line.answer()
    dripping.cancel()
    if not drips:  # who goes on talking may not hear the answer
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"too_slow" in answer
        assert b"connection: close" in answer.lower()


async def drip(line: Line) -> None:
    while True:
        await line.send(b"x")
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "endless",
    [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ",
        b"GET /",
        b"POST /api/v1/intakes HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;e=",
        b"POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: ",
    ],
    ids=["a header", "a path", "a chunk's extension", "a trailer"],
)
async def test_what_never_ends_is_cut_off(endless: bytes, line: Line) -> None:
    async def flood() -> None:
        await line.send(endless)
        while True:
            await line.send(b"x" * 16_384)

    flooding = asyncio.create_task(flood())
    await line.answer()
    async with asyncio.timeout(GUARD_S):
        with pytest.raises(ConnectionError):
            await flooding


async def test_a_long_head_is_named(world: World) -> None:
    many = {f"X-{number}": "y" for number in range(200)}
    for path, headers, status, code in (
        ("/", {"X-Long": "y" * 17_000}, 431, "headers_too_large"),
        ("/", many, 431, "headers_too_large"),
        (f"/?{'q' * 9000}", {}, 414, "address_too_long"),
        (f"/{'p' * 9000}", {}, 414, "address_too_long"),
    ):
        answer = await world.client.get(path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_two_names_at_once_are_refused(line: Line) -> None:
    await line.send(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n")
    await line.send(b"Connection: close\r\n\r\n")
    assert (await line.answer()).startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize(
    "smuggled",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 1_0\r\n\r\n",
        b"X: a\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_a_request_whose_length_is_doubtful_is_refused(smuggled: bytes, line: Line) -> None:
    head = b"POST /webhooks/stripe HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    await line.send(head + smuggled)
    line.writer.write_eof()
    answer = await line.answer()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
