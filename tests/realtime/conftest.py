"""A service with its socket, and a plain client that shows every frame."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any, Self
from uuid import UUID, uuid4

import asyncpg
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect

from headstart.app.ports import Cursor
from headstart.core.access import Principal, Role
from headstart.realtime.limits import SOCKET_PATH
from headstart.store.people import PeopleStore
from headstart.store.receipts import ReceiptStore
from tests.conftest import store_cast, with_database
from tests.documented import require_documented
from tests.payments.stand import until
from tests.web.conftest import World, world_on

GUARD_S = 10.0
"""Ends a test that would hang. Nothing is measured with it."""

Json = dict[str, Any]
FEED = "realtime:session_requests_feed"


@dataclass
class Talker:
    """One raw connection in version 2.0.0; every frame that came is kept."""

    socket: ClientConnection
    frames: list[list[Any]] = field(default_factory=list)
    refs: "count[int]" = field(default_factory=lambda: count(1))

    async def say(self, topic: str, event: str, payload: Json, join_ref: str | None = None) -> str:
        """Send a push; answers with its ref."""
        ref = str(next(self.refs))
        join = join_ref or (ref if event == "phx_join" else None)
        await self.socket.send(json.dumps([join, ref, topic, event, payload]))
        return ref

    async def hear(self) -> list[Any]:
        """The next frame."""
        async with asyncio.timeout(GUARD_S):
            frame: list[Any] = json.loads(await self.socket.recv())
        require_documented(frame)
        self.frames.append(frame)
        return frame

    async def until(self, event: str) -> Json:
        """The payload of the next frame of this kind; a broadcast goes by its own name."""
        while True:
            *_, kind, payload = await self.hear()
            if event in (kind, payload.get("event")):
                found: Json = payload
                return found

    async def answer(self, ref: str) -> Json:
        """The reply to a push."""
        while True:
            _, told, _, event, payload = await self.hear()
            if event == "phx_reply" and told == ref:
                found: Json = payload
                return found

    async def join(self, topic: str, token: str | None, **config: Any) -> Json:
        """Join; answers with the reply."""
        payload: Json = {"config": config}
        if token is not None:
            payload["access_token"] = token
        return await self.answer(await self.say(topic, "phx_join", payload))

    def broadcasts(self) -> list[Json]:
        """All that came."""
        return [frame[4] for frame in self.frames if frame[3] == "broadcast"]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()


@dataclass(frozen=True, slots=True)
class Town:
    """The world, and its socket."""

    world: World

    @property
    def address(self) -> str:
        """Where the socket is."""
        return str(self.world.client.base_url).replace("http", "ws", 1).rstrip("/") + SOCKET_PATH

    def token(self, role: Role, person: UUID, *, lifetime_s: float = 3600) -> str:
        """A token of somebody's."""
        who, lifetime = Principal(role, person), timedelta(seconds=lifetime_s)
        return self.world.service.tokens.mint(who, lifetime=lifetime)

    def mechanic(self, mechanic: UUID, **more: Any) -> str:
        """A mechanic's token."""
        return self.token(Role.MECHANIC, mechanic, **more)

    @property
    def customer(self) -> str:
        """The customer's token."""
        return self.token(Role.CUSTOMER, self.world.cast.customer)

    @property
    def operator(self) -> str:
        """An operator's token."""
        return self.token(Role.OPERATOR, UUID(int=7))

    async def told(self, request: str) -> None:
        """The feed has told everybody who listens of all that has happened to this request."""
        hub = self.world.service.hub
        assert isinstance(hub.stored, ReceiptStore)
        row = await hub.stored._executor.fetchrow(
            "select xid, id from headstart.session_events where request_id = $1"
            " order by version desc limit 1",
            UUID(request),
        )
        assert row is not None
        place = Cursor(row["xid"], row["id"])
        await until(lambda: hub.feed.told >= place)

    @asynccontextmanager
    async def talker(self, vsn: str = "2.0.0", **options: Any) -> AsyncIterator[Talker]:
        """Connected."""
        async with connect(f"{self.address}?vsn={vsn}", proxy=None, **options) as socket:
            yield Talker(socket)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_world(postgres: str) -> AsyncIterator[World]:
    """Everything, running, for all tests of a module: each brings people of its own."""
    name = f"realtime_{uuid4().hex}"
    admin = await asyncpg.connect(with_database(postgres, "postgres"))
    try:
        await admin.execute(f"create database {name} template headstart")
        async with world_on(
            with_database(postgres, name), HEADSTART_RATE_ADDRESS_PER_MINUTE=1_000_000
        ) as world:
            world.service.hub.limits = replace(world.service.hub.limits, tick_s=0.1)
            yield world
        await admin.execute(f"drop database {name} with (force)")
    finally:
        await admin.close()


@pytest_asyncio.fixture(loop_scope="module")
async def town(shared_world: World) -> Town:
    """The shared world with a cast that no other test knows."""
    people = shared_world.service.people
    assert isinstance(people, PeopleStore)
    return Town(replace(shared_world, cast=await store_cast(people)))
