"""Log-out, suspension, disabling and expiry act at once, also on what is open, in all processes."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from headstart.core.access import Principal, Role
from headstart.identity.bearers import LEEWAY
from headstart.identity.tokens import ISSUER
from headstart.store.people import PeopleStore
from headstart.wiring import loops, service
from tests.web.conftest import World, settings
from tests.web.test_stream import Message, listening, until

Headers = dict[str, str]


async def last_words(world: World, headers: Headers, act: str, *values: object) -> Message:
    """The last message of a stream that is open while this is done to the database: a process
    elsewhere did it, and its wake-up was lost."""
    async with listening(world, headers) as stream:
        await until(stream, "ready")
        people = world.service.people
        assert isinstance(people, PeopleStore)
        await people._executor.execute(act, *values)
        heard = [message async for message in stream]
    return heard[-1]


async def refused(world: World, headers: Headers) -> tuple[int, str]:
    """What somebody hears who tries to open a stream."""
    answer = await world.client.get("/api/v1/stream", headers=headers)
    return answer.status_code, answer.json()["code"]


async def test_logging_out_ends_the_streams_of_this_session_and_of_no_other(world: World) -> None:
    mine = await world.browser(Role.CUSTOMER, world.cast.customer)
    other = await world.browser(Role.CUSTOMER, world.cast.customer)
    async with listening(world, mine) as stream, listening(world, other) as elsewhere:
        await until(stream, "ready")
        await until(elsewhere, "ready")
        left = await world.client.post("/sign-out", headers=mine)
        assert left.status_code == 303
        assert "Max-Age=0" in left.headers["set-cookie"]
        assert [message async for message in stream][-1].data == {
            "code": 4401,
            "reason": "signed_out",
        }
        await world.book()
        await until(elsewhere, "new_request")
    assert await refused(world, mine) == (401, "unauthenticated")


async def test_suspending_a_mechanic_ends_their_streams(world: World) -> None:
    mechanic = world.cast.others[0]
    for headers in (world.mechanic(mechanic), await world.browser(Role.MECHANIC, mechanic)):
        async with listening(world, headers) as stream:
            await until(stream, "ready")
            body = {"name": "Otto", "status": "suspended", "reason": "a test"}
            path = f"/api/v1/mechanics/{mechanic}"
            put = await world.client.put(path, json=body, headers=world.operator)
            assert put.status_code == 200
            assert [one async for one in stream][-1].data["reason"] == "suspended"
        assert await refused(world, headers) == (403, "forbidden")
        body = {"name": "Otto", "status": "approved", "reason": "a test"}
        await world.client.put(path, json=body, headers=world.operator)


async def test_a_suspended_mechanic_still_sees_the_job_they_have(world: World) -> None:
    request_id, mechanic = await world.book(), world.cast.others[0]
    won = await world.order(request_id, "acceptance", world.mechanic(mechanic))
    assert won.status_code == 200
    people = world.service.people
    await people.set_mechanic_status(mechanic, "suspended")
    path = f"/api/v1/session-requests/{request_id}"
    assert (await world.client.get(path, headers=world.mechanic(mechanic))).status_code == 200


async def test_a_lost_wake_up_keeps_nobody_signed_in(world: World) -> None:
    mechanic = world.cast.others[0]
    suspend = "update headstart.mechanics set status = 'suspended' where id = $1"
    told = await last_words(world, world.mechanic(mechanic), suspend, mechanic)
    assert told.data["reason"] == "suspended"
    session = await world.browser(Role.CUSTOMER, world.cast.customer)
    end = "update headstart.sign_ins set ended_at = clock_timestamp()"
    assert (await last_words(world, session, end)).data["reason"] == "signed_out"
    session = await world.browser(Role.CUSTOMER, world.cast.customer)
    lapse = "update headstart.sign_ins set lapses_at = clock_timestamp()"
    assert (await last_words(world, session, lapse)).data["reason"] == "expired"
    disable = "insert into headstart.logins (issuer, subject, disabled) values ($1, $2, true)"
    told = await last_words(world, world.operator, disable, ISSUER, str(UUID(int=7)))
    assert told.data["reason"] == "disabled"
    assert await refused(world, world.operator) == (401, "unauthenticated")


async def test_a_stream_ends_with_its_token(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    who = Principal(Role.CUSTOMER, world.cast.customer)
    token = world.service.tokens.mint(who, lifetime=timedelta(hours=1))
    headers = {"Authorization": f"Bearer {token}"}
    over = datetime.now(UTC) + timedelta(hours=1, seconds=1) + LEEWAY
    async with listening(world, headers) as stream:
        await until(stream, "ready")
        monkeypatch.setattr(world.service.standing, "_now", lambda: over)
        assert [one async for one in stream][-1].data["reason"] == "expired"
    monkeypatch.setattr(world.service.bearers, "_now", lambda: over)
    assert await refused(world, headers) == (401, "unauthenticated")


async def test_another_process_ends_it_as_well(world: World, database: str) -> None:
    session = await world.browser(Role.CUSTOMER, world.cast.customer)
    elsewhere = settings(str(world.client.base_url), str(world.sandbox.base_url))
    async with (
        listening(world, session) as stream,
        service(elsewhere, database) as other,
        loops(other, database, feed=True),
    ):
        await until(stream, "ready")
        await other.sessions.end(session["Cookie"].partition("=")[2])
        other.wakeups.announce()
        assert [one async for one in stream][-1].event == "ended"
