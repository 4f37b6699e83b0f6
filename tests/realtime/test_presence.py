"""Who is there: a lease that the socket keeps alive, the same for all who watch."""

import asyncio
from datetime import timedelta

import pytest

from headstart.core.access import Role
from headstart.store.people import PeopleStore
from tests.realtime.conftest import FEED, GUARD_S, Json, Talker, Town

pytestmark = pytest.mark.asyncio(loop_scope="module")

ONLINE = "realtime:online_mechanics"
LEASE = timedelta(minutes=1)
TRACK = {"type": "presence", "event": "track", "payload": {"status": "available", "phone": "1"}}
UNTRACK = {"type": "presence", "event": "untrack"}


def stored_people(town: Town) -> PeopleStore:
    """With the test clock."""
    people = town.world.service.people
    assert isinstance(people, PeopleStore)
    return people


async def there(talker: Talker, key: str) -> Json:
    """The metas with which this mechanic is there, by the state or by a change."""
    while True:
        *_, event, payload = await talker.hear()
        state = {"presence_state": payload, "presence_diff": payload.get("joins")}.get(event)
        if state and key in state:
            found: Json = state[key]
            return found


async def change(talker: Talker, key: str, kind: str) -> Json:
    """The metas with which this mechanic comes (``joins``) or goes (``leaves``)."""
    while True:
        found: Json = (await talker.until("presence_diff"))[kind].get(key)
        if found:
            return found


async def test_going_on_duty_is_seen_and_going_off_too(town: Town) -> None:
    mechanic, customer = town.world.cast.others[0], town.customer
    async with town.talker() as watcher, town.talker() as worker:
        await watcher.join(ONLINE, customer)
        await worker.join(ONLINE, town.mechanic(mechanic))
        tracked = await worker.answer(await worker.say(ONLINE, "presence", TRACK))
        assert tracked == {"status": "ok", "response": {}}
        [meta] = (await there(watcher, str(mechanic)))["metas"]
        assert meta.pop("phx_ref")
        assert meta == {"status": "available"}
        status = await town.world.client.get(
            f"/api/v1/mechanics/{mechanic}/status", headers=town.world.customer
        )
        assert status.json()["is_online"] is True
        await worker.say(ONLINE, "presence", UNTRACK)
        await change(watcher, str(mechanic), "leaves")


async def test_an_update_goes_and_comes(town: Town) -> None:
    mechanic = town.world.cast.others[0]
    async with town.talker() as worker:
        await worker.join(ONLINE, town.mechanic(mechanic))
        await worker.say(ONLINE, "presence", TRACK)
        [first] = (await there(worker, str(mechanic)))["metas"]
        busy = TRACK | {"payload": {"status": "busy"}}
        await worker.say(ONLINE, "presence", busy)
        assert (await change(worker, str(mechanic), "leaves"))["metas"] == [first]
        [second] = (await there(worker, str(mechanic)))["metas"]
        assert second["status"] == "busy"
        assert second["phx_ref"] != first["phx_ref"]


async def test_one_who_joins_later_gets_the_state_empty_and_then_full(town: Town) -> None:
    mechanic = town.world.cast.others[0]
    async with town.talker() as worker, town.talker() as late:
        await worker.join(ONLINE, town.mechanic(mechanic))
        await worker.say(ONLINE, "presence", TRACK)
        await there(worker, str(mechanic))
        await late.join(ONLINE, town.customer)
        assert await late.until("presence_state") == {}
        assert str(mechanic) in await late.until("presence_state")


async def test_presence_survives_a_cut_and_ends_with_the_lease(town: Town) -> None:
    mechanic = town.world.cast.others[0]
    people = stored_people(town)
    async with town.talker() as watcher:
        await watcher.join(ONLINE, town.customer)
        async with town.talker() as worker:
            await worker.join(ONLINE, town.mechanic(mechanic))
            await worker.answer(await worker.say(ONLINE, "presence", TRACK))
            await there(watcher, str(mechanic))
        await people.advance_clock(timedelta(seconds=30))
        assert (await people.presence(mechanic) or {})["is_online"] is True
        await people.advance_clock(timedelta(seconds=31))
        await change(watcher, str(mechanic), "leaves")


async def test_a_socket_keeps_the_lease_but_puts_nobody_on_duty(town: Town) -> None:
    on, off = town.world.cast.others
    people, presences = stored_people(town), town.world.service.hub.presences
    for mechanic, on_duty in ((on, True), (off, False)):
        await people.set_presence(mechanic, on_duty=on_duty, lease=timedelta(seconds=60))
    async with town.talker() as first, town.talker() as second:
        await first.join(FEED, town.mechanic(on))
        await second.join(FEED, town.mechanic(off))
        await people.advance_clock(timedelta(seconds=50))
        await presences.beat()
        await people.advance_clock(timedelta(seconds=50))
        assert (await people.presence(on) or {})["is_online"] is True
        assert (await people.presence(off) or {})["is_online"] is False


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.OPERATOR])
async def test_only_mechanics_are_tracked_each_under_their_own_key(town: Town, role: Role) -> None:
    async with town.talker() as talker:
        key = {"presence": {"key": str(town.world.cast.favorite)}}
        await talker.join(ONLINE, town.token(role, town.world.cast.customer), **key)
        answer = await talker.answer(await talker.say(ONLINE, "presence", TRACK))
        assert answer["status"] == "error"
    async with town.talker() as forger:
        other = town.world.cast.others[0]
        await forger.join(ONLINE, town.mechanic(other), **key)
        await forger.say(ONLINE, "presence", TRACK)
        assert await there(forger, str(other))


async def test_who_joins_while_others_are_looked_up_learns_what_has_changed(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or they would be shown what was before, and for good."""
    mechanic, hub = town.world.cast.others[0], town.world.service.hub
    people = stored_people(town)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> object:
        monkeypatch.undo()
        await people.set_presence(mechanic, on_duty=True, lease=LEASE)
        found = await hub.presences._stored.everybody()
        asked.set()
        await go_on.wait()
        return found

    async with town.talker() as watcher, town.talker() as late:
        await watcher.join(ONLINE, town.customer)
        monkeypatch.setattr(hub.presences._stored, "everybody", slow)
        async with asyncio.timeout(GUARD_S):
            await asked.wait()
        await late.join(ONLINE, town.customer, presence={"enabled": True})
        await late.until("presence_state")
        go_on.set()
        for one in (watcher, late):
            await there(one, str(mechanic))
        await people.set_presence(mechanic, on_duty=False, lease=LEASE)
