"""The stream: the snapshot first, then everything once, also across a reconnect."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from headstart.app.feed import Subscription, TooSlow
from headstart.app.ports import Unavailable
from tests.documented import require_documented_event
from tests.web.conftest import World


@dataclass(frozen=True, slots=True)
class Message:
    """One server-sent event."""

    id: str | None
    event: str
    data: dict[str, Any]


async def messages(lines: AsyncIterator[str]) -> AsyncIterator[Message]:
    """Server-sent events as the HTML standard reads them."""
    fields: dict[str, str] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        elif "data" in fields:
            heard = Message(fields.get("id"), fields["event"], json.loads(fields["data"]))
            require_documented_event(heard.event, heard.data)
            yield heard
            fields = {}
        else:
            fields = {}


@asynccontextmanager
async def listening(
    world: World, headers: dict[str, str], last_event_id: str | None = None
) -> AsyncIterator[AsyncIterator[Message]]:
    """A stream of somebody's."""
    resume = {"Last-Event-ID": last_event_id} if last_event_id else {}
    async with (
        asyncio.timeout(20),
        world.client.stream("GET", "/api/v1/stream", headers=headers | resume) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield messages(answer.aiter_lines())


async def until(stream: AsyncIterator[Message], event: str) -> list[Message]:
    """Everything up to and with the first of this kind."""
    heard = []
    async for message in stream:
        heard.append(message)
        if message.event == event:
            return heard
    raise AssertionError(f"the stream ended before {event}: {heard}")


async def test_a_reconnect_brings_what_was_missed_and_nothing_twice(world: World) -> None:
    other = world.mechanic(world.cast.others[0])
    async with listening(world, other) as stream:
        opening = await until(stream, "ready")
        assert [message.event for message in opening] == ["snapshot", "ready"]
        first = await world.book()
        [offer] = await until(stream, "new_request")
        assert offer.data["session_id"] == first
    missed = [await world.book(by=await world.newcomer()) for _ in range(3)]
    async with listening(world, other, offer.id) as stream:
        heard = await until(stream, "ready")
        assert heard[0].event == "snapshot"
        assert {one["session_id"] for one in heard[0].data["offers"]} == {first, *missed}
        offers = [one for one in heard if one.event == "new_request"]
        while len(offers) < len(missed):  # somebody else's transaction may hold up the newest
            offers += await until(stream, "new_request")
        assert [one.data["session_id"] for one in offers] == missed
        last = await world.book(by=await world.newcomer())
        [live] = await until(stream, "new_request")
        assert live.data["session_id"] == last


async def test_the_snapshot_of_a_favourite_holds_the_offer(world: World) -> None:
    reserved = await world.book(preferred_mechanic_id=str(world.cast.favorite))
    async with listening(world, world.mechanic(world.cast.favorite)) as stream:
        [snapshot, _] = await until(stream, "ready")
    assert [one["session_id"] for one in snapshot.data["offers"]] == [reserved]
    async with listening(world, world.mechanic(world.cast.others[0])) as stream:
        [snapshot, _] = await until(stream, "ready")
    assert snapshot.data["offers"] == []


@pytest.mark.parametrize("cursor", ["x", "1", "1.2.3", "9" * 50 + ".1"])
async def test_a_bad_cursor_is_named(cursor: str, world: World) -> None:
    headers = world.customer | {"Last-Event-ID": cursor}
    answer = await world.client.get("/api/v1/stream", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


async def test_the_stream_ends_when_the_server_is_asked_to_stop(world: World) -> None:
    async with listening(world, world.customer) as stream:
        await until(stream, "ready")
        world.service.feed.end_streams()
        assert [message async for message in stream] == []


async def test_a_stream_that_must_begin_anew_without_a_database_just_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def overflowed(_: Subscription) -> None:
        async def away() -> None:
            raise Unavailable("nobody is there")

        monkeypatch.setattr(world.service.feed, "place", away)
        raise TooSlow

    monkeypatch.setattr(Subscription, "next", overflowed)
    async with listening(world, world.customer) as stream:
        await until(stream, "ready")
        assert [message async for message in stream] == []
