"""A server is killed under its listeners: they come back to another one and have missed nothing."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from uuid import UUID

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from headstart.lab.backstage import Server, wait_until
from headstart.lab.stage import Stage, put_up
from headstart.lab.visitors import Person
from headstart.realtime.limits import SOCKET_PATH

LISTENERS = int(os.environ.get("HEADSTART_TEST_KILLED_LISTENERS", "8"))
FEED = "realtime:session_requests_feed"
BOOKINGS = 4  # before the kill, while nobody has come back yet, and afterwards
RECONNECT_S = 1.0  # as the official client for JavaScript, which is the slower of the two
BACK_WITHIN_S = 10.0
PATIENCE_S = 60.0


@dataclass(eq=False)
class Ear:
    """One mechanic's connection. Cut off, it tries the servers in turn until one takes it."""

    who: Person
    servers: Sequence[Server]
    heard: list[tuple[str, str]] = field(default_factory=list)
    at: Server | None = None

    async def listen(self) -> None:
        """Until cancelled."""
        for server in cycle(self.servers):
            with suppress(OSError, WebSocketException):
                await self._listen_at(server)
            self.at = None
            await asyncio.sleep(RECONNECT_S)

    async def _listen_at(self, server: Server) -> None:
        address = server.url.replace("http", "ws", 1) + SOCKET_PATH
        async with connect(f"{address}?vsn=2.0.0", proxy=None) as socket:
            join = {"config": {}, "access_token": self.who.token}
            await socket.send(json.dumps(["1", "1", FEED, "phx_join", join]))
            async for text in socket:
                *_, event, payload = json.loads(text)
                if event == "phx_reply" and payload["status"] == "ok":
                    self.at = server
                elif payload.get("event") == "new_request":
                    heard = (payload["meta"]["id"], payload["payload"]["session_id"])
                    self.heard.append(heard)

    def effects(self) -> Counter[str]:
        """How often each request takes effect for somebody who drops the ids they know."""
        return Counter(session for _, session in set(self.heard))


@contextmanager
def listening(stage: Stage, servers: Sequence[Server]) -> Iterator[list[Ear]]:
    """All of them, at the first server."""
    ears = [Ear(stage.mechanic(f"Mo {number}"), servers) for number in range(LISTENERS)]
    tasks = [stage.portal.start_task_soon(ear.listen) for ear in ears]
    try:
        wait_until(lambda: all(ear.at for ear in ears), "not everybody is in", PATIENCE_S)
        yield ears
    finally:
        for task in tasks:
            task.cancel()


def booked(stage: Stage, server: Server) -> list[str]:
    """Some open requests, by way of this server."""
    made: list[UUID] = []
    for _ in range(BOOKINGS):
        customer = stage.customer("Carla").at(server.url)
        made.append(stage.request_of(stage.submit(customer, plan="free").intake_id))
    return [str(one) for one in made]


@pytest.mark.timeout(120 + LISTENERS)
def test_all_come_back_to_the_other_node_and_nothing_is_missing_or_doubled(postgres: str) -> None:
    with put_up(postgres) as stage, stage.another_server() as other:
        first = stage.server
        with listening(stage, (first, other)) as ears:
            assert {ear.at for ear in ears} == {first}
            requests = booked(stage, first)
            first.kill()
            requests += booked(stage, other)
            wait_until(lambda: all(ear.at is other for ear in ears), "all back", BACK_WITHIN_S)
            requests += booked(stage, other)
            last = requests[-1]
            wait_until(
                lambda: all(last in ear.effects() for ear in ears), "the last is told", PATIENCE_S
            )
        for ear in ears:
            assert ear.effects() == Counter(requests)
