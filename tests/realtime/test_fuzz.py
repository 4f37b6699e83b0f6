"""A client that talks nonsense: it is answered, or let go with a reason, and harms nobody."""

import asyncio
import json
import random
from contextlib import suppress
from dataclasses import replace
from itertools import cycle

import pytest
from websockets.exceptions import ConnectionClosed

from tests.payments.stand import until
from tests.realtime.conftest import FEED, Talker, Town
from tests.realtime.fuzzing import FRAMES_FUZZED, mutilated

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLOSED_WITH = {1002, 1007, 1008, 1009}


async def test_whatever_a_client_sends_the_others_notice_nothing(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, chance = town.world.service.hub, random.Random(20_251_103)
    plenty = replace(hub.limits, messages_per_s=1e9, messages_at_once=1e9, malformed=10**9)
    monkeypatch.setattr(hub, "limits", plenty)
    token = town.mechanic(town.world.cast.others[0])
    seeds = [json.dumps(one).encode() for one in messages(token)]
    sent, codes = 0, set()
    async with town.talker() as other:
        await other.join(FEED, town.mechanic(town.world.cast.others[1]))
        while sent < FRAMES_FUZZED:
            async with town.talker(vsn=chance.choice(["1.0.0", "2.0.0"])) as talker:
                reading = asyncio.create_task(drained(talker))
                with suppress(ConnectionClosed):
                    for seed in seeds * 20:
                        message = mutilated(chance, seed)
                        as_text = chance.random() < 0.8
                        await talker.socket.send(message, text=as_text)
                        sent += 1
                        if as_text and not is_text(message):
                            break  # the connection ends with this one
                await talker.socket.close()
                codes.add(await reading)
        request = await town.world.book()
        told = await other.until("new_request")
        assert told["payload"]["session_id"] == request
    assert codes <= CLOSED_WITH | {1000, None}
    await until(lambda: not hub.connections())


def is_text(message: bytes) -> bool:
    """Is it UTF-8?"""
    with suppress(UnicodeDecodeError):
        message.decode()
        return True
    return False


async def drained(talker: Talker) -> int | None:
    """Read everything; answers with the code of the end."""
    try:
        for _ in cycle([0]):
            await talker.socket.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None
    return None


def messages(token: str) -> list[object]:
    """Some of everything, in both versions."""
    config = {"broadcast": {"ack": True, "replay": {"since": 1, "limit": 3}}, "private": True}
    pushes: list[tuple[str, object]] = [
        ("phx_join", {"config": config, "access_token": token}),
        ("broadcast", {"event": "offer_seen", "payload": {"session_id": "x"}}),
        ("presence", {"event": "track", "payload": {"status": "a"}}),
        ("access_token", {"access_token": token}),
        ("phx_leave", {}),
    ]
    arrays: list[object] = [["1", "2", FEED, event, payload] for event, payload in pushes]
    objects: list[object] = [
        {"topic": FEED, "event": event, "payload": payload, "ref": "2", "join_ref": "1"}
        for event, payload in pushes
    ]
    return [*arrays, *objects, [None, "3", "phoenix", "heartbeat", {}]]
