"""The official clients, unmodified: what they are told, and how they come back."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest

from headstart.core.request import MechanicId
from headstart.store.people import PeopleStore
from tests.conftest import CLIENTS_DID_NOT_RUN
from tests.realtime.clients import environment
from tests.realtime.clients.driving import CLIENTS, Official, Tunnel, command_line, running
from tests.realtime.conftest import Json, Town

pytestmark = pytest.mark.asyncio(loop_scope="module")

FEED = "session_requests_feed"
EVENTS = ["priority_session_request", "new_request", "request_accepted", "offer_seen"]
REQUIRED = os.environ.get("CI") == "true"
OLD = "python 2.4.3"  # ignores phx_error
ACK = {"ack": True, "self": True}


@pytest.fixture(scope="module")
def clients() -> tuple[str, ...]:
    """All of them, installed."""
    try:
        for name in CLIENTS:
            command_line(name)
    except environment.Missing as missing:
        if REQUIRED:
            raise
        pytest.skip(f"{CLIENTS_DID_NOT_RUN}: {missing}")
    return CLIENTS


async def newcomer(town: Town) -> MechanicId:
    """An approved mechanic."""
    people, mechanic = town.world.service.people, MechanicId(uuid4())
    assert isinstance(people, PeopleStore)
    await people.add_mechanic(mechanic, "Mo")
    return mechanic


@asynccontextmanager
async def listening(
    client: str, town: Town, mechanic: MechanicId
) -> AsyncIterator[tuple[Official, Tunnel]]:
    """A client on a line that can be cut."""
    port = town.world.client.base_url.port
    assert port is not None
    async with Tunnel(port) as tunnel:
        url = f"ws://127.0.0.1:{tunnel.port}/realtime/v1"
        async with running(client, url, town.mechanic(mechanic)) as official:
            yield official, tunnel


@dataclass
class Life:
    """What one client goes through, in one go: starting it costs more than all the rest."""

    town: Town
    official: Official
    tunnel: Tunnel
    mechanic: MechanicId

    async def hears_its_offer_on_both_topics(self) -> None:
        own = f"mechanic:{self.mechanic}"
        await self.official.joins(FEED, events=EVENTS, config={"broadcast": ACK})
        await self.official.joins(own, events=EVENTS, config={"private": True})
        customer = await self.town.world.newcomer(self.mechanic)
        offer = await self.town.world.book(by=customer, preferred_mechanic_id=str(self.mechanic))
        for _ in range(2):
            await self.official.says(lambda one: one.get("event") == "priority_session_request")
        copies = self.official.told("priority_session_request")
        assert {one["topic"] for one in copies} == {FEED, own}
        assert {one["payload"]["session_id"] for one in copies} == {offer}
        assert len({one["meta"]["id"] for one in copies}) == 1

    async def can_say_what_it_has_seen_and_nothing_else(self) -> None:
        seen = {"session_id": str(uuid4()), "version": 3}
        self.official.do("send", topic=FEED, event="offer_seen", payload=seen)
        echo = await self.official.says(lambda one: one.get("event") == "offer_seen")
        assert echo["payload"] == seen
        if self.official.name.startswith("python"):
            return  # it does not say what became of a push
        self.official.do("send", topic=FEED, event="request_accepted", payload=seen)
        sent = [one["sent"] for one in self.official.said if "sent" in one]
        while len(sent) < 2:
            sent.append((await self.official.says(lambda one: "sent" in one))["sent"])
        assert sent == ["ok", "error"]

    async def is_refused_with_a_reason_and_tries_again(self) -> None:
        foreign = f"mechanic:{self.town.world.cast.favorite}"
        self.official.do("join", topic=foreign, events=EVENTS)
        for _ in range(1 if self.official.name == OLD else 2):
            refused = await self.official.says(
                lambda one: one.get("topic") == foreign and one.get("status") == "CHANNEL_ERROR"
            )
            assert "Unauthorized" in refused["error"]
        self.official.do("leave", topic=foreign)

    async def misses_nothing_while_the_line_is_cut(self) -> None:
        self.tunnel.is_open = False
        self.tunnel.cut()
        missed = [await self._booked() for _ in range(2)]
        await self.town.told(missed[-1])
        self.tunnel.is_open = True
        for request in missed:
            assert (await self._until_told(request))["meta"]["replayed"] is True
        assert not (await self._until_told(await self._booked()))["meta"].get("replayed")

    async def shows_presence_rightly(self) -> None:
        """Some releases corrupt their own state unless an update comes as two frames."""
        own, online = str(self.mechanic), "online_mechanics"
        await self.official.joins(online, presence=True)
        for status in ("available", "busy"):
            self.official.do("track", topic=online, meta={"status": status})
            shown = [{"status": status}]
            await self.official.says(lambda one: one.get("sync", {}).get(own) == shown)  # noqa: B023
        self.tunnel.cut()
        await self._until_back(online)
        await self.official.says(lambda one: one.get("sync", {}).get(own) == [{"status": "busy"}])
        self.official.do("untrack", topic=online)
        await self.official.says(lambda one: "sync" in one and own not in one["sync"])

    async def comes_back_after_a_restart(self) -> None:
        hub = self.town.world.service.hub
        for connection in hub.connections():
            if any(one.who.id == self.mechanic for one in connection.channels()):
                hub.close_in_turn(connection)
        await self._until_told(await self._booked())

    async def carries_on_with_its_next_token(self) -> None:
        if self.official.name == OLD:
            return  # this release tells nobody of a new token
        short = self.town.mechanic(self.mechanic, lifetime_s=-6)  # the leeway is ten seconds
        self.official.do("token", token=short)
        await self.official.says(
            lambda one: one.get("topic") == FEED and one.get("status") == "CHANNEL_ERROR"
        )
        missed = await self._booked()
        self.official.do("token", token=self.town.mechanic(self.mechanic))
        await self._until_told(missed)

    async def _booked(self) -> str:
        return await self.town.world.book(by=await self.town.world.newcomer())

    async def _until_told(self, request: str) -> Json:
        return await self.official.says(
            lambda one: (
                one.get("event") == "new_request" and one["payload"]["session_id"] == request
            )
        )

    async def _until_back(self, topic: str) -> None:
        await self.official.says(
            lambda one: one.get("topic") == topic and one.get("status") == "SUBSCRIBED"
        )

    async def lived(self) -> None:
        """All of it."""
        for step in (
            self.hears_its_offer_on_both_topics,
            self.can_say_what_it_has_seen_and_nothing_else,
            self.is_refused_with_a_reason_and_tries_again,
            self.misses_nothing_while_the_line_is_cut,
            self.shows_presence_rightly,
            self.comes_back_after_a_restart,
            self.carries_on_with_its_next_token,
        ):
            try:
                await step()
            except BaseException as error:
                error.add_note(f"{self.official.name} {step.__name__}: {self.official.said[-8:]}")
                raise


async def test_the_official_clients_work_unchanged(clients: tuple[str, ...], town: Town) -> None:
    """All at the same time, each with a mechanic of its own."""

    async def live(client: str) -> None:
        mechanic = await newcomer(town)
        async with listening(client, town, mechanic) as (official, tunnel):
            await Life(town, official, tunnel, mechanic).lived()

    async with asyncio.TaskGroup() as lives:
        for client in clients:
            lives.create_task(live(client), name=client)
