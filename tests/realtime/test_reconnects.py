"""The line is cut at random moments under load: nothing is missing, nothing takes effect twice."""

import asyncio
import os
import random
from collections import Counter

import pytest

from headstart.store.intakes import IntakeStore
from tests.conftest import CLIENTS_DID_NOT_RUN
from tests.realtime.clients import environment
from tests.realtime.clients.driving import Official, Tunnel, command_line
from tests.realtime.conftest import Town
from tests.realtime.test_official_clients import EVENTS, FEED, REQUIRED, listening, newcomer
from tests.store.booking import book

pytestmark = pytest.mark.asyncio(loop_scope="module")

CUTS = int(os.environ.get("HEADSTART_TEST_RECONNECTS", "3"))
LINES = 1 + CUTS // 100  # many cuts are shared: the JavaScript client takes a second to come back
CLIENTS = ("python 2.34.1", "js 2.119.1")
REQUESTS_PER_CUT = 4


@pytest.mark.timeout(120 + 8 * CUTS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_nothing_is_missing_and_nothing_takes_effect_twice(client: str, town: Town) -> None:
    try:
        command_line(client)
    except environment.Missing as missing:
        if REQUIRED:
            raise
        pytest.skip(f"{CLIENTS_DID_NOT_RUN}: {missing}")
    async with asyncio.TaskGroup() as lines:
        for line in range(LINES):
            lines.create_task(hears_all_once(client, town, line))


async def hears_all_once(client: str, town: Town, line: int) -> None:
    """One client, and its share of the cuts."""
    chance = random.Random(f"{client} {line} {CUTS}")
    mechanic = await newcomer(town)
    async with listening(client, town, mechanic) as (official, tunnel):
        await official.joins(FEED, events=EVENTS)
        booked: list[str] = []
        for _ in range(-(-CUTS // LINES)):
            booked += await under_load(town, tunnel, chance)
            await back(official)
        booked += await some(town, 1)
        await official.says(lambda one: session(one) == booked[-1])
    effects = Counter(
        {one["meta"]["id"]: session(one) for one in official.told("new_request")}.values()
    )
    assert set(booked) - effects.keys() == set(), "missing"
    assert {one: times for one, times in effects.items() if times != 1} == {}, "doubled"


async def under_load(town: Town, tunnel: Tunnel, chance: random.Random) -> list[str]:
    """Some requests, and a cut in the middle of them, wherever that is for the client."""
    booking = asyncio.create_task(some(town, REQUESTS_PER_CUT))
    await asyncio.sleep(chance.random() * 0.1)
    tunnel.cut()
    return await booking


async def some(town: Town, number: int) -> list[str]:
    """Open requests, as fast as they come."""
    service, intakes = town.world.service, town.world.service.switchboard
    assert isinstance(intakes, IntakeStore)
    made = []
    for _ in range(number):
        request = await book(service.dispatcher, intakes, town.world.cast.customer)
        service.dispatcher.announce()
        made.append(str(request.id))
    return made


async def back(official: Official) -> None:
    """It has noticed the cut, and joined again."""
    await official.says(lambda one: one.get("status") == "SUBSCRIBED")


def session(one: dict[str, object]) -> str | None:
    """Which request a message is about."""
    payload = one.get("payload")
    return payload.get("session_id") if isinstance(payload, dict) else None
