"""Nothing is missed: what was not proved to have arrived comes again."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from headstart.app import feed
from headstart.app.ports import Cursor
from headstart.core.access import Principal, Role
from headstart.core.request import MechanicId
from headstart.store.receipts import ReceiptStore
from tests.payments.stand import until
from tests.realtime.conftest import FEED, Talker, Town

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def booked(town: Town, number: int) -> list[str]:
    """So many open requests."""
    return [await town.world.book(by=await town.world.newcomer()) for _ in range(number)]


async def told(talker: Talker, last: str) -> list[str]:
    """The requests a client was told of, up to and with this one."""
    while True:
        frame = await talker.until("new_request")
        if frame["payload"]["session_id"] == last:
            return [
                one["payload"]["session_id"]
                for one in talker.broadcasts()
                if one["event"] == "new_request"
            ]


async def test_what_came_while_away_comes_again_marked_and_in_order(town: Town) -> None:
    token = town.mechanic(town.world.cast.others[0])
    async with town.talker() as talker:
        await talker.join(FEED, token)
        [seen] = await booked(town, 1)
        await told(talker, seen)
        await (await talker.socket.ping())  # our pong to the server's question has been sent
    missed = await booked(town, 3)
    await town.told(missed[-1])
    async with town.talker() as talker:
        await talker.join(FEED, token)
        assert (await told(talker, missed[-1]))[-3:] == missed
        again = [one for one in talker.broadcasts() if one["payload"]["session_id"] in missed]
        assert all(one["meta"]["replayed"] for one in again)
        assert len({one["meta"]["id"] for one in again}) == 3
        [live] = await booked(town, 1)
        await told(talker, live)
        assert "replayed" not in talker.broadcasts()[-1]["meta"]


async def test_what_was_written_but_never_read_comes_again(town: Town) -> None:
    """The client is gone without a word, with frames in its buffers: no pong, no receipt."""
    token = town.mechanic(town.world.cast.others[0])
    async with town.talker() as talker:
        await talker.join(FEED, token)
        talker.socket.transport.pause_reading()
        unread = await booked(town, 2)
        talker.socket.transport.abort()
    async with town.talker() as talker:
        await talker.join(FEED, token)
        assert await told(talker, unread[-1]) == unread


async def test_what_was_proved_to_have_arrived_does_not_come_again(town: Town) -> None:
    who = Principal(Role.MECHANIC, town.world.cast.others[0])
    token, hub = town.mechanic(who.id), town.world.service.hub
    async with town.talker() as talker:
        await talker.join(FEED, token)
        [seen] = await booked(town, 1)
        await told(talker, seen)
        [channel] = [one for each in hub.connections() for one in each.channels() if one.who == who]
        await until(lambda: channel.noted > Cursor())
        place = channel.noted
        await until(lambda: channel.noted >= place)
    await until(lambda: hub.channels_of(who) == 0)
    async with town.talker() as talker:
        await talker.join(FEED, token)
        [live] = await booked(town, 1)
        assert await told(talker, live) == [live]


async def test_leaving_for_good_is_not_being_away(town: Town) -> None:
    token = town.mechanic(town.world.cast.others[0])
    async with town.talker() as talker:
        await talker.join(FEED, token)
        await talker.answer(await talker.say(FEED, "phx_leave", {}))
        await booked(town, 1)
        await talker.join(FEED, token)
        [live] = await booked(town, 1)
        assert await told(talker, live) == [live]


async def test_each_device_goes_on_where_it_was(town: Town) -> None:
    token = town.mechanic(town.world.cast.others[0])
    async with town.talker() as phone:
        await phone.join(FEED, token)
        async with town.talker() as laptop:
            await laptop.join(FEED, token)
        [missed] = await booked(town, 1)  # the laptop sleeps; the phone hears it
        await told(phone, missed)
        async with town.talker() as laptop:
            await laptop.join(FEED, token)
            assert await told(laptop, missed) == [missed]


async def test_a_new_device_begins_now_unless_another_was_there_before(town: Town) -> None:
    await booked(town, 1)
    token = town.mechanic(town.world.cast.others[0])
    async with town.talker() as talker:
        await talker.join(FEED, token)
        [live] = await booked(town, 1)
        assert await told(talker, live) == [live]


async def test_a_replay_that_a_client_asks_for_reaches_beyond_25(town: Town) -> None:
    before = town.world.service.hub.now().timestamp() * 1000
    old = await booked(town, 26)
    token = town.mechanic(town.world.cast.others[0])
    replay = {"replay": {"since": int(before) - 1000}}
    async with town.talker() as talker:
        await talker.join(FEED, token, broadcast=replay)
        assert (await told(talker, old[-1]))[-26:] == old
    async with town.talker() as talker:  # the same wish again is a reconnect: nothing is doubled
        await talker.join(FEED, token, broadcast=replay)
        [live] = await booked(town, 1)
        assert (await told(talker, live))[-2:] != [old[-1], live]
    async with town.talker() as talker:
        replay = {"replay": {"since": int(before) - 2000, "limit": 5}}
        await talker.join(FEED, token, broadcast=replay)
        last = await told(talker, live)
        assert last[-5:] == [*old[-4:], live]
        assert len(last) == 5


async def test_an_offer_that_stands_is_told_on_every_join(town: Town) -> None:
    favorite = town.world.cast.favorite
    offer = await town.world.book(preferred_mechanic_id=str(favorite))
    own, token = f"realtime:mechanic:{favorite}", town.mechanic(favorite)
    ids = set()
    for _ in range(2):
        async with town.talker() as talker:
            await talker.join(own, token)
            frame = await talker.until("priority_session_request")
            assert frame["payload"]["session_id"] == offer
            assert frame["payload"].keys() >= {"mechanic_id", "due_at", "server_now", "version"}
            ids.add(frame["meta"]["id"])
            await talker.answer(await talker.say(own, "phx_leave", {}))
    assert len(ids) == 1


@pytest.mark.parametrize("why", ["too long ago", "too much"])
async def test_one_who_was_away_too_long_is_told_to_start_from_the_snapshot(
    town: Town, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, mechanic = town.world.service.hub, town.world.cast.others[0]
    token = town.mechanic(mechanic)
    async with town.talker() as talker:
        await talker.join(FEED, token)
    missed = await booked(town, 2)
    await town.told(missed[-1])
    if why == "too much":
        monkeypatch.setattr(feed, "PAGE_EVENTS_MAX", 2)
        monkeypatch.setattr(hub, "limits", replace(hub.limits, replayed_events=2))
        hub.feed.forget_recent()
    else:
        await until(lambda: hub.channels_of(Principal(Role.MECHANIC, mechanic)) == 0)
        await aged(town, mechanic)
    async with town.talker() as talker:
        await talker.join(FEED, token)
        await talker.until("resync_required")
        [live] = await booked(town, 1)
        assert missed[-1] not in await told(talker, live)


async def aged(town: Town, mechanic: MechanicId) -> None:
    """Its bookmarks were moved four days ago."""
    receipts = town.world.service.hub.stored
    assert isinstance(receipts, ReceiptStore)
    await receipts._executor.execute(
        "update headstart.realtime_bookmarks set moved_at = moved_at - interval '4 days'"
        " where person = $1",
        mechanic,
    )


async def test_bookmarks_of_a_process_that_is_gone_are_free(town: Town) -> None:
    receipts = town.world.service.hub.stored
    assert isinstance(receipts, ReceiptStore)
    who, gone, here = Principal(Role.MECHANIC, uuid4()), uuid4(), uuid4()
    await receipts.alive(gone)
    held = await receipts.hold(who, "t", gone, since_ms=None)
    assert held.new
    beside = await receipts.hold(who, "t", here, since_ms=None)
    assert (beside.id != held.id, beside.cursor, beside.new) == (True, held.cursor, False)
    await receipts.forget([beside.id], here)
    await receipts._executor.execute("delete from headstart.realtime_processes")
    assert (await receipts.hold(who, "t", here, since_ms=None)).id == held.id


async def test_a_bookmark_never_moves_backwards_and_only_its_holder_lets_it_go(town: Town) -> None:
    receipts = town.world.service.hub.stored
    assert isinstance(receipts, ReceiptStore)
    who, here = Principal(Role.MECHANIC, uuid4()), uuid4()
    await receipts.alive(here)
    held = await receipts.hold(who, "t", here, since_ms=7)
    far = Cursor(held.cursor.xid + 2, 1)
    for place in (far, Cursor(far.xid - 1, 9)):
        await receipts.move([(held.id, place)])
    await receipts.let_go([held.id], uuid4())
    other = await receipts.hold(who, "t", here, since_ms=8)
    assert (other.id != held.id, other.cursor, other.same_wish) == (True, far, False)
    await receipts.let_go([held.id], here)  # somebody went on from there: it is superfluous
    await receipts.let_go([other.id], here)
    again = await receipts.hold(who, "t", here, since_ms=8)
    assert (again.id, again.same_wish) == (other.id, True)


async def test_many_who_join_at_once_hold_a_bookmark_each(town: Town) -> None:
    receipts = town.world.service.hub.stored
    who, here = Principal(Role.MECHANIC, uuid4()), uuid4()
    await receipts.alive(here)
    held = await asyncio.gather(*(receipts.hold(who, "t", here, since_ms=None) for _ in range(10)))
    assert len({one.id for one in held}) == 10
