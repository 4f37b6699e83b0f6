"""The socket as clients meet it: joins, answers, news, and how channels end."""

import asyncio
import json
from uuid import uuid4

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from headstart.app.ports import Login
from headstart.app.views import PAYLOAD_VERSION
from headstart.core.access import Role
from headstart.identity.tokens import ISSUER
from headstart.web import asyncapi
from tests.realtime.conftest import FEED, GUARD_S, Json, Town

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_favourite_hears_the_offer_and_others_the_broadcast(town: Town) -> None:
    cast = town.world.cast
    own = f"realtime:mechanic:{cast.favorite}"
    async with town.talker() as favorite, town.talker() as other:
        for topic in (FEED, own):
            assert (await favorite.join(topic, town.mechanic(cast.favorite)))["status"] == "ok"
        assert (await other.join(FEED, town.mechanic(cast.others[0])))["status"] == "ok"
        request = await town.world.book(preferred_mechanic_id=str(cast.favorite))
        twice = [await favorite.until("priority_session_request") for _ in range(2)]
        assert {frame["payload"]["session_id"] for frame in twice} == {request}
        assert twice[0]["meta"] == twice[1]["meta"]
        await town.world.order(request, "broadcast", town.world.customer)
        told = await other.until("new_request")
        assert told["payload"]["session_id"] == request
        assert [frame["event"] for frame in other.broadcasts()] == ["new_request"]


async def test_the_customer_follows_their_request_and_so_does_whoever_serves_it(town: Town) -> None:
    winner = town.world.cast.others[0]
    request = await town.world.book()
    topic = f"realtime:session_request:{request}"
    async with town.talker() as customer, town.talker() as mechanic:
        assert (await customer.join(topic, town.customer))["status"] == "ok"
        refused = await mechanic.join(topic, town.mechanic(winner))
        assert refused["response"]["reason"].startswith("Unauthorized")
        await town.world.order(request, "acceptance", town.world.mechanic(winner))
        await customer.until("request_accepted")
        assert (await mechanic.join(topic, town.mechanic(winner)))["status"] == "ok"
        await town.world.order(request, "release", town.world.mechanic(winner))
        await mechanic.until("request_released")
        assert (await mechanic.until("phx_error"))["code"] == 4403


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("topic", ["feed", "mechanic", "request", "unknown request", "online"])
async def test_who_may_join_what(town: Town, role: Role, topic: str) -> None:
    cast = town.world.cast
    person = {Role.CUSTOMER: cast.customer, Role.MECHANIC: cast.favorite}.get(role, uuid4())
    name = {
        "feed": "session_requests_feed",
        "mechanic": f"mechanic:{cast.favorite}",
        "request": f"session_request:{await town.world.book()}",
        "unknown request": f"session_request:{uuid4()}",
        "online": "online_mechanics",
    }[topic]
    allowed = {
        Role.CUSTOMER: {"request", "online"},
        Role.MECHANIC: {"feed", "mechanic", "online"},
        Role.OPERATOR: {"request", "online"},
    }[role]
    async with town.talker() as talker:
        answer = await talker.join(f"realtime:{name}", town.token(role, person))
    assert (answer["status"] == "ok") == (topic in allowed)


async def test_the_document_of_all_this_names_the_service_and_a_payload_its_version(
    town: Town,
) -> None:
    document = (await town.world.client.get(asyncapi.PATH)).json()
    assert document["servers"]["socket"]["host"] in town.address
    async with town.talker() as talker:
        request = await town.world.book()
        await talker.join(f"realtime:session_request:{request}", town.customer)
        await town.world.order(request, "cancellation", town.world.customer)
        told = await talker.until("request_cancelled")
    assert told["payload"]["payload_version"] == PAYLOAD_VERSION


async def test_a_stranger_cannot_tell_a_foreign_request_from_none(town: Town) -> None:
    token = town.token(Role.CUSTOMER, uuid4())
    async with town.talker() as talker:
        answers = [
            await talker.join(f"realtime:session_request:{one}", token)
            for one in (await town.world.book(), uuid4())
        ]
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("topic", "token", "config", "reason"),
    [
        (FEED, "nobody", {}, "Unauthorized"),
        (FEED, "forged", {}, "InvalidJWTToken"),
        (FEED, "expired", {}, "InvalidJWTToken"),
        ("realtime:", "good", {}, "TopicNameRequired"),
        ("session_requests_feed", "good", {}, "TopicNameRequired"),
        ("realtime:mechanic:42", "good", {}, "TopicNameRequired"),
        (FEED, "good", {"broadcast": {"replay": {"since": "x"}}}, "UnableToReplayMessages"),
        (FEED, "suspended", {}, "Unauthorized"),
    ],
)
async def test_a_join_is_refused_with_a_reason(
    town: Town, topic: str, token: str, config: dict[str, object], reason: str
) -> None:
    mechanic = town.world.cast.favorite
    if token == "suspended":
        await town.world.service.people.set_mechanic_status(mechanic, "suspended")
    tokens = {
        "nobody": None,
        "forged": "a.b.c",
        "expired": town.mechanic(mechanic, lifetime_s=-60),
    }
    async with town.talker() as talker:
        answer = await talker.join(topic, tokens.get(token, town.mechanic(mechanic)), **config)
    assert answer["status"] == "error"
    assert answer["response"]["reason"].startswith(reason)


async def test_a_suspended_mechanic_is_told_and_hears_nothing_more(town: Town) -> None:
    mechanic = town.world.cast.others[0]
    async with town.talker() as talker:
        await talker.join(FEED, town.mechanic(mechanic))
        await town.world.service.people.set_mechanic_status(mechanic, "suspended")
        ended = await talker.until("phx_error")
        assert ended["code"] == 4403
        assert ended["reason"] in ("suspended", "not_approved")
        await town.world.book()
        await talker.answer(await talker.say("phoenix", "heartbeat", {}))
        assert talker.broadcasts() == []


async def test_who_signs_out_hears_nothing_more(town: Town) -> None:
    mechanic = town.world.cast.others[0]
    async with town.talker() as talker:
        await talker.join(FEED, town.mechanic(mechanic))
        login = Login(ISSUER, str(mechanic))
        await town.world.service.sessions.sign_ins.sign_out(login)
        ended = await talker.until("phx_error")
        assert (ended["code"], ended["reason"]) == (4401, "signed_out")


async def test_a_token_that_expires_ends_the_channel_so_that_it_can_come_back(town: Town) -> None:
    mechanic = town.world.cast.others[0]
    async with town.talker() as talker:
        await talker.join(FEED, town.mechanic(mechanic, lifetime_s=-8))
        ended = await talker.until("phx_error")
        assert (ended["code"], ended["reason"]) == (4401, "token_expired")
        missed = await town.world.book()
        await town.told(missed)
        assert (await talker.join(FEED, town.mechanic(mechanic)))["status"] == "ok"
        told = await talker.until("new_request")
        assert told["payload"]["session_id"] == missed
        assert told["meta"]["replayed"] is True


async def test_a_renewed_token_carries_on_and_stands_for_the_stale_one(town: Town) -> None:
    """Some clients join again with the token they began with."""
    mechanic = town.world.cast.others[0]
    stale = town.mechanic(mechanic, lifetime_s=-8)  # the leeway is ten seconds
    async with town.talker() as talker:
        await talker.join(FEED, stale)
        await talker.say(FEED, "access_token", {"access_token": town.mechanic(mechanic)})
        while await town.world.service.hub.door.read(stale):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await town.world.book()
        await talker.until("new_request")
        assert "phx_error" not in [frame[3] for frame in talker.frames]
        assert (await talker.join(FEED, stale))["status"] == "ok"


async def test_anothers_token_ends_the_channel(town: Town) -> None:
    async with town.talker() as talker:
        await talker.join(FEED, town.mechanic(town.world.cast.favorite))
        token = town.mechanic(town.world.cast.others[0])
        await talker.say(FEED, "access_token", {"access_token": token})
        assert (await talker.until("phx_error"))["code"] == 4403


async def test_joining_twice_leaves_one_join_and_no_word_about_the_first(town: Town) -> None:
    token = town.mechanic(town.world.cast.others[0])
    async with town.talker() as talker:
        first = await talker.say(FEED, "phx_join", {"config": {}, "access_token": token})
        await talker.answer(first)
        await talker.join(FEED, token)
        await talker.say(FEED, "phx_leave", {}, join_ref=first)  # of the first join: it is over
        await town.world.book()
        await talker.until("new_request")
        kinds = [frame[3] for frame in talker.frames]
        assert kinds.count("broadcast") == 1
        assert not {"phx_close", "phx_error"} & set(kinds)


async def test_nobody_answers_a_leave_of_what_is_not_held(town: Town) -> None:
    """Some clients leave before they join again, and would take the answer for the end."""
    async with town.talker() as talker:
        await talker.say(FEED, "phx_leave", {})
        await talker.answer(await talker.say("phoenix", "heartbeat", {}))
        assert len(talker.frames) == 1


async def test_every_good_join_is_followed_by_a_presence_state(town: Town) -> None:
    token = town.mechanic(town.world.cast.others[0])
    async with town.talker() as talker:
        await talker.join(FEED, token)
        assert await talker.until("presence_state") == {}
        await talker.join(FEED, token, presence={"enabled": False})
        await talker.answer(await talker.say("phoenix", "heartbeat", {}))
        assert [frame[3] for frame in talker.frames].count("presence_state") == 1


async def test_what_a_client_may_not_send_is_refused(town: Town) -> None:
    own = f"realtime:mechanic:{town.world.cast.favorite}"
    seen = {"event": "offer_seen", "payload": {"session_id": str(uuid4())}}
    async with town.talker() as talker:
        await talker.join(own, town.mechanic(town.world.cast.favorite), broadcast={"ack": True})
        pushes: list[tuple[str, str, Json, str]] = [
            (own, "broadcast", seen, "ok"),
            (own, "broadcast", {"event": "request_accepted", "payload": {}}, "error"),
            (own, "broadcast", {"event": "offer_seen", "payload": "x"}, "error"),
            (own, "broadcast", {"event": "offer_seen", "payload": {}}, "error"),
            (own, "presence", {"event": "track", "payload": {}}, "error"),
            (own, "system", {}, "error"),
            (FEED, "broadcast", seen, "error"),
        ]
        for topic, event, payload, status in pushes:
            answer = await talker.answer(await talker.say(topic, event, payload))
            assert answer["status"] == status, (topic, event, payload)
            assert isinstance(answer["response"], dict)


async def test_the_old_version_is_spoken_too(town: Town) -> None:
    token = town.mechanic(town.world.cast.others[0])
    async with town.talker(vsn="") as talker, asyncio.timeout(GUARD_S):
        join = {"topic": FEED, "event": "phx_join", "ref": "1", "join_ref": None}
        payload = {"config": {"broadcast": None}, "access_token": token}
        await talker.socket.send(json.dumps(join | {"payload": payload}))
        reply = json.loads(await talker.socket.recv())
        assert (reply["ref"], reply["payload"]["status"]) == ("1", "ok")
        await town.world.book()
        frame = {"event": ""}
        while frame["event"] != "broadcast":
            frame = json.loads(await talker.socket.recv())
        assert frame["ref"] is None
        assert frame["payload"]["event"] == "new_request"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/elsewhere", {}, 404),
        ("?vsn=9", {}, 400),
        ("", {"Origin": "https://evil.example"}, 403),
        ("", {"Origin": "null"}, 403),
        ("", {"Host": "evil.example"}, 421),
    ],
)
async def test_a_handshake_may_be_refused(
    town: Town, path: str, headers: dict[str, str], status: int
) -> None:

    with pytest.raises(InvalidStatus) as refused:
        async with connect(town.address + path, additional_headers=headers, proxy=None):
            pass
    assert refused.value.response.status_code == status


async def test_our_own_pages_may_connect(town: Town) -> None:
    async with town.talker(origin=str(town.world.client.base_url).rstrip("/")) as talker:
        await talker.answer(await talker.say("phoenix", "heartbeat", {}))


async def test_a_message_that_is_too_long_ends_the_connection(town: Town) -> None:
    async with town.talker() as talker, asyncio.timeout(GUARD_S):
        await talker.socket.send("x" * 70_000)
        with pytest.raises(ConnectionClosed) as closed:
            await talker.socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_malformed_messages_are_forgiven_for_a_while(town: Town) -> None:
    async with town.talker() as talker:
        for _ in range(20):
            await talker.socket.send("{")
        await talker.answer(await talker.say("phoenix", "heartbeat", {}))
        await talker.socket.send(b"\x09")
        with pytest.raises(ConnectionClosed) as closed:
            await talker.hear()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
