"""Who is silent, slow, loud or lost is dealt with, by name; and nobody else notices."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, Frame, Opcode
from websockets.uri import parse_uri

from headstart.realtime.connection import Connection
from headstart.realtime.socket import Socket
from tests.payments.stand import until
from tests.realtime.conftest import FEED, GUARD_S, Talker, Town
from tests.realtime.test_resuming import booked, told

pytestmark = pytest.mark.asyncio(loop_scope="module")


def limits(town: Town, monkeypatch: pytest.MonkeyPatch, **changed: Any) -> None:
    """For connections from now on."""
    hub = town.world.service.hub
    monkeypatch.setattr(hub, "limits", replace(hub.limits, **changed))


async def end_of(talker: Talker) -> tuple[int | None, str | None]:
    """How the server ended a connection."""
    with suppress(ConnectionClosed):
        while True:
            await talker.hear()
    return talker.socket.close_code, talker.socket.close_reason


def newest(town: Town) -> tuple[Connection, Socket]:
    """The server's end of the connection that holds a channel."""
    [connection] = [one for one in town.world.service.hub.connections() if one.channels()]
    wire = connection._wire
    assert isinstance(wire, Socket)
    return connection, wire


async def test_one_who_answers_no_ping_is_let_go(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that is gone without a word: its heartbeats would be the application's."""
    limits(town, monkeypatch, ping_every_s=0.1, closing_s=0.1)
    port = town.world.client.base_url.port
    protocol = ClientProtocol(parse_uri(town.address))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    protocol.send_request(protocol.connect())
    writer.writelines(protocol.data_to_send())
    frames: list[Frame] = []
    async with asyncio.timeout(GUARD_S):
        while data := await reader.read(65536):
            protocol.receive_data(data)
            frames += [one for one in protocol.events_received() if isinstance(one, Frame)]
    writer.close()  # what the protocol would have answered was never sent
    assert [one.opcode for one in frames] == [Opcode.PING, Opcode.CLOSE]
    assert Close.parse(bytes(frames[-1].data)) == Close(1012, "silent")


async def test_one_who_reads_too_slowly_is_cut_loses_nothing_and_delays_nobody(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits(town, monkeypatch, waiting_frames=4)
    slow, quick = town.world.cast.others
    async with town.talker() as reader, town.talker() as neighbour:
        await reader.join(FEED, town.mechanic(slow))
        await reader.until("presence_state")
        _, wire = newest(town)
        await neighbour.join(FEED, town.mechanic(quick))
        wire.pause_writing()  # as the loop does it when nothing more goes out
        missed = await booked(town, 6)
        assert await told(neighbour, missed[-1]) == missed
        assert await end_of(reader) == (1013, "too_slow")
        assert reader.broadcasts() == []
    async with town.talker() as reader:
        await reader.join(FEED, town.mechanic(slow))
        assert await told(reader, missed[-1]) == missed


async def test_one_who_floods_is_read_more_slowly_and_answered_all_the_same(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits(town, monkeypatch, messages_at_once=5, messages_per_s=200)
    pauses: list[float] = []
    pause = Socket.pause_reading

    def counted(self: Socket, for_s: float) -> None:
        pauses.append(for_s)
        pause(self, for_s)

    monkeypatch.setattr(Socket, "pause_reading", counted)
    async with town.talker() as loud:
        refs = [await loud.say("phoenix", "heartbeat", {}) for _ in range(40)]
        await loud.answer(refs[-1])
        assert [frame[1] for frame in loud.frames] == refs
    assert max(pauses) > 1 / 200


async def test_one_whose_channel_ended_and_who_does_not_join_again_is_let_go(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Very old clients do not know what an error of a channel is; they come back after 1012."""
    limits(town, monkeypatch, rejoin_s=0.2)
    async with town.talker() as old:
        await old.join(FEED, town.mechanic(town.world.cast.favorite))
        token = town.mechanic(town.world.cast.others[0])
        await old.say(FEED, "access_token", {"access_token": token})
        await old.until("phx_error")
        assert await end_of(old) == (1012, "channel_not_rejoined")


async def test_one_who_joins_nothing_is_let_go(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    limits(town, monkeypatch, channelless_s=0.2)
    async with town.talker() as idle:
        assert await end_of(idle) == (1013, "no_channel")


async def test_a_restart_lets_go_of_one_after_the_other_and_so_they_come_back(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits(town, monkeypatch, drain_s=60, drained_per_s=20)
    hub, ended = town.world.service.hub, []
    await until(lambda: not hub.connections())
    monkeypatch.setattr(hub, "_turns", 0)

    async def watch(number: int, talker: Talker) -> None:
        ended.append((number, await end_of(talker)))

    async with asyncio.TaskGroup() as watching:
        for number in range(4):
            talker = Talker(await connect(town.address, proxy=None))
            watching.create_task(watch(number, talker))
        open_now = sorted(hub.connections(), key=lambda one: one._ping_at_s)
        for connection in open_now:
            hub.close_in_turn(connection)
        closing = [one.is_closing for one in open_now]
        assert closing == [False] * 4  # nobody at once, and the last one not with the first
        await until(lambda: open_now[0].is_closing)
        assert not open_now[-1].is_closing
    assert ended == [(number, (1012, "restart")) for number in range(4)]
