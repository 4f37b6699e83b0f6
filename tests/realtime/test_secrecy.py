"""Before the fallback commits, no byte about a reserved request reaches anybody else."""

import asyncio
import os
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from headstart.core.access import Principal, Role
from headstart.core.commands import Actor, AskEveryone
from headstart.core.request import CustomerId, MechanicId, RequestId
from headstart.store.intakes import IntakeStore
from headstart.store.people import PeopleStore
from tests.realtime.conftest import FEED, Talker, Town
from tests.store.booking import book

pytestmark = pytest.mark.asyncio(loop_scope="module")

WINDOWS = int(os.environ.get("HEADSTART_TEST_WINDOWS", "3"))
LISTENERS = int(os.environ.get("HEADSTART_TEST_LISTENERS", "6"))


class Eavesdropper(Talker):
    """Keeps every byte."""

    heard: bytes = b""

    async def silence(self) -> None:
        """Everything that was sent so far has come."""
        await self.answer(await self.say("phoenix", "heartbeat", {}))

    async def hear(self) -> list[object]:
        """The next frame, kept raw as well."""
        frame = await super().hear()
        self.heard += repr(frame).encode()
        return frame


async def mechanics(town: Town, number: int) -> list[MechanicId]:
    """Approved ones."""
    people, made = town.world.service.people, [MechanicId(uuid4()) for _ in range(number)]
    assert isinstance(people, PeopleStore)
    for one in made:
        await people.add_mechanic(one, "Mo")
    return made


async def listeners(
    town: Town, stack: AsyncExitStack, crowd: list[MechanicId]
) -> list[Eavesdropper]:
    """Each on every topic that would have them."""
    made = []
    for mechanic in crowd:
        raw = await stack.enter_async_context(town.talker())
        one = Eavesdropper(raw.socket)
        for topic in (FEED, f"realtime:mechanic:{mechanic}", "realtime:online_mechanics"):
            assert (await one.join(topic, town.mechanic(mechanic)))["status"] == "ok"
        made.append(one)
    return made


@pytest.mark.timeout(120 + WINDOWS)
async def test_no_byte_before_the_fallback_commits(town: Town) -> None:
    [favorite, *others] = await mechanics(town, LISTENERS + 1)
    people, intakes = town.world.service.people, town.world.service.switchboard
    assert isinstance(people, PeopleStore)
    assert isinstance(intakes, IntakeStore)
    customer = CustomerId(uuid4())
    await people.add_customer(customer, "Carla")
    await people.add_favorite(customer, favorite)
    async with AsyncExitStack() as stack:
        [asked, *crowd] = await listeners(town, stack, [favorite, *others])
        for _ in range(WINDOWS):
            request = await book(town.world.service.dispatcher, intakes, customer, favorite)
            town.world.service.dispatcher.announce()
            while (await asked.until("priority_session_request"))["payload"]["session_id"] != str(
                request.id
            ):
                pass
            await curious(town, crowd[0], request.id, favorite, others[0])
            await asyncio.gather(*(one.silence() for one in crowd))
            secret = str(request.id).encode()
            assert [one for one in crowd if secret in one.heard] == []
            await everyone(town, request.id, customer)
            for one in crowd:
                assert (await one.until("new_request"))["payload"]["session_id"] == str(request.id)


async def curious(
    town: Town, one: Eavesdropper, request: RequestId, favorite: MechanicId, own: MechanicId
) -> None:
    """Asks for what is not theirs, and comes back with a replay; the answers tell nothing."""
    since = {"broadcast": {"replay": {"since": 1}}}
    before = one.heard
    unknown, foreign = [
        await one.join(f"realtime:session_request:{which}", town.mechanic(own), **since)
        for which in (uuid4(), request)
    ]
    assert unknown == foreign
    assert (await one.join(f"realtime:mechanic:{favorite}", town.mechanic(own)))[
        "status"
    ] == "error"
    one.heard = before  # the answers named the topic that was asked for, and nothing else
    async with town.talker() as raw:
        again = Eavesdropper(raw.socket)
        assert (await again.join(FEED, town.mechanic(own), **since))["status"] == "ok"
        await again.until("presence_state")  # after everything that is replayed
        assert str(request).encode() not in again.heard


async def everyone(town: Town, request: RequestId, customer: CustomerId) -> None:
    """The customer loses patience."""
    actor = Actor(Principal(Role.CUSTOMER, customer).role.value, str(customer))
    await town.world.service.dispatcher.execute(AskEveryone(request, actor))
