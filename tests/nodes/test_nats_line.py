"""Hints between processes by NATS: they arrive, and when they do not nothing is missed."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from nats.aio.client import Client

from headstart.app.wakeups import Wakeups
from headstart.nodes.nats_line import NatsLine
from tests.nodes.servers import GUARD_S, Server, servers
from tests.payments.stand import until
from tests.store.test_listener import within
from tests.web.conftest import World, settings, world_on
from tests.web.test_stream import listening as streaming
from tests.web.test_stream import until as until_event

CLUSTER = os.environ.get("HEADSTART_TEST_CLUSTER") == "1"


@asynccontextmanager
async def line_to(
    *known: Server,
) -> AsyncIterator[tuple[Wakeups, asyncio.Event, NatsLine]]:
    """One process's hints, and a sleeper in it."""
    wakeups = Wakeups()
    woken = wakeups.subscribe()
    line = NatsLine([one.url for one in known], wakeups, uuid4())
    running = asyncio.create_task(line.run())
    await within(woken)
    try:
        yield wakeups, woken, line
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_an_announcement_wakes_the_others_also_after_the_server_was_killed() -> None:
    async with (
        servers() as [server],
        line_to(server) as (here, woken_here, line),
        line_to(server) as (_, there, other),
    ):
        await until(lambda: line.is_connected and other.is_connected)
        woken_here.clear()
        here.announce()
        await within(there)
        woken_here.clear()
        assert not woken_here.is_set()
        await server.kill()
        await until(lambda: not line.is_connected and not other.is_connected)
        there.clear()
        here.announce()  # nobody hears it, and nobody fails
        assert woken_here.is_set(), "at once, without any server"
        await server.start()
        await within(there)  # whatever was said meanwhile
        await until(lambda: line.is_connected and other.is_connected)
        there.clear()
        here.announce()
        await within(there)


async def test_a_server_that_was_to_encrypt_and_does_not_is_told_nothing() -> None:
    heard = asyncio.Queue[bytes]()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"plain","auth_required":true,"max_payload":1024}\r\n')
        heard.put_nowait(await reader.read(1024))  # nothing, once the other has hung up
        writer.close()

    between = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = between.sockets[0].getsockname()[1]
    line = NatsLine([f"tls://headstart:hidden@127.0.0.1:{port}"], Wakeups(), uuid4())
    running = asyncio.create_task(line.run())
    try:
        async with asyncio.timeout(GUARD_S):
            assert await heard.get() == b""
        assert not line.is_connected
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        between.close()


async def test_it_ends_when_it_is_told_to_even_if_the_client_keeps_that_to_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As nats-py does when it is cancelled while it writes."""
    writing = asyncio.Event()

    async def flush(_: Client, _timeout: float = 0) -> None:
        with suppress(asyncio.CancelledError):
            writing.set()
            await asyncio.sleep(GUARD_S)

    async with servers() as [server]:
        wakeups = Wakeups()
        line = NatsLine([server.url], wakeups, uuid4())
        running = asyncio.create_task(line.run())
        await until(lambda: line.is_connected)
        monkeypatch.setattr(Client, "flush", flush)
        wakeups.announce()
        await within(writing)
        running.cancel()
        done, _ = await asyncio.wait([running], timeout=GUARD_S)
        assert running in done


async def test_without_any_server_a_service_works_and_its_polling_tells(database: str) -> None:
    """The promise: a second at the most. Here only that it is kept."""
    async with servers() as [server]:
        await server.kill()
        async with world_on(database, HEADSTART_NATS_URL=server.url) as world:
            await told(world, world)


@pytest.mark.skipif(not CLUSTER, reason="HEADSTART_TEST_CLUSTER=1 runs three nodes")
async def test_three_nodes_on_three_servers_and_any_of_them_may_go(database: str) -> None:
    async with servers(3) as cluster, AsyncExitStack() as stack:
        every = ",".join(one.url for one in cluster)
        nodes = [
            await stack.enter_async_context(world_on(database, HEADSTART_NATS_URL=every))
            for _ in cluster
        ]
        for gone in (None, *cluster):
            if gone is not None:
                await gone.kill()
            for booking, hearing in zip(nodes, [*nodes[1:], nodes[0]], strict=True):
                await told(booking, hearing)
        for back in cluster:
            await back.start()
        await told(nodes[0], nodes[2])


async def told(booking: World, hearing: World) -> None:
    """What is booked at one node is heard at another."""
    mechanic = hearing.mechanic(hearing.cast.others[0])
    async with asyncio.timeout(GUARD_S), streaming(hearing, mechanic) as stream:
        await until_event(stream, "ready")
        request = await booking.book(by=await booking.newcomer())
        while (await until_event(stream, "new_request"))[-1].data["session_id"] != request:
            pass


@pytest.mark.parametrize("url", ["http://nats.example", "nats://", "nats.example:4222"])
def test_what_is_no_address_of_nats_stops_the_start(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="HEADSTART_NATS_URL"):
        settings("https://own.example", "", HEADSTART_NATS_URL=url)
