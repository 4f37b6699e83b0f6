"""Who may do what, what a bad request hears, and that nobody ever sees a stack trace."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest

from headstart.app.ports import Unavailable
from headstart.core.access import Principal, Role
from headstart.core.refusals import Refusal
from headstart.store.people import PeopleStore
from headstart.store.presences import PresenceStore
from headstart.web.app import create_app
from headstart.web.problems import PROBLEM_TYPE, STATUS_OF_REFUSAL
from tests.web.conftest import World

CROWD_PATIENCE_S = 60.0
COMMANDS = (
    "acceptance",
    "declination",
    "broadcast",
    "extension",
    "cancellation",
    "release",
    "arrival",
    "completion",
)


def test_every_refusal_has_an_answer_and_a_sentence() -> None:
    assert set(STATUS_OF_REFUSAL) == set(Refusal)
    assert all(one.sentence for one in Refusal)


async def test_nobody_gets_in_without_a_token(world: World) -> None:
    document = (await world.client.get("/api/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    for path, methods in document["paths"].items():
        for method in methods:
            filled = path.replace("{request_id}", str(uuid4())).replace(
                "{mechanic_id}", str(uuid4())
            )
            answer = await world.client.request(method.upper(), filled.replace("{name}", "x"))
            expected = 400 if path == "/webhooks/stripe" else 401
            assert answer.status_code == expected, (method, path, answer.text)
            assert answer.headers["content-type"] == PROBLEM_TYPE


def bad_tokens(world: World) -> dict[str, str]:
    """Tokens that are almost right."""
    tokens = world.service.tokens
    who = Principal(Role.CUSTOMER, world.cast.customer)
    claims = jwt.decode(
        tokens.mint(who, lifetime=timedelta(hours=1)),
        options={"verify_signature": False},
    )

    def signed(**changes: Any) -> str:
        changed = {key: value for key, value in (claims | changes).items() if value is not None}
        return jwt.encode(changed, tokens.secret, algorithm="HS256")

    return {
        "none": jwt.encode(claims, "", algorithm="none"),
        "another secret": jwt.encode(claims, "x" * 40, algorithm="HS256"),
        "another algorithm": jwt.encode(claims, tokens.secret, algorithm="HS512"),
        "expired": tokens.mint(who, lifetime=timedelta(hours=-1)),
        "no expiry": signed(exp=None),
        "not yet": signed(nbf=claims["exp"]),
        "another audience": signed(aud="other"),
        "another issuer": signed(iss="headstart.example"),
        "no subject": signed(sub=None),
        "a subject that is no id": signed(sub="1 or 1=1"),
        "no role": signed(role=None),
        "an unknown role": signed(role="admin"),
        "too long": signed(more="x" * 10_000),
        "garbage": "a.b.c",
    }


async def test_an_almost_right_token_is_refused(world: World) -> None:
    for name, token in bad_tokens(world).items():
        headers = {"Authorization": f"Bearer {token}"}
        answer = await world.client.get("/api/v1/session-requests", headers=headers)
        assert answer.status_code == 401, name
    headers = {"Authorization": "Basic abc"}
    answer = await world.client.get("/api/v1/session-requests", headers=headers)
    assert answer.status_code == 401


async def test_the_wrong_role_is_refused_and_nothing_changes(world: World) -> None:
    request_id = await world.book()
    everybody = {
        "customer": world.customer,
        "mechanic": world.mechanic(world.cast.others[0]),
    }
    wrong = [
        ("customer", "acceptance"),
        ("customer", "declination"),
        ("customer", "release"),
        ("customer", "arrival"),
        ("customer", "completion"),
        ("mechanic", "broadcast"),
        ("mechanic", "extension"),
        ("mechanic", "assignment"),
        ("customer", "assignment"),
        ("mechanic", "cancellation"),
    ]
    for role, command in wrong:
        answer = await world.order(request_id, command, everybody[role])
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    [request] = await world.requests()
    assert (request["status"], request["version"]) == ("pending", 2)


async def test_another_customers_request_does_not_exist(world: World) -> None:
    request_id = await world.book()
    stranger = world.headers(Role.CUSTOMER, uuid4())
    read = await world.client.get(f"/api/v1/session-requests/{request_id}", headers=stranger)
    unknown = await world.client.get(f"/api/v1/session-requests/{uuid4()}", headers=stranger)
    assert (read.status_code, read.json()) == (unknown.status_code, unknown.json())
    for command in ("broadcast", "extension", "cancellation"):
        refused = await world.order(request_id, command, stranger)
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_request")


@pytest.mark.parametrize("command", COMMANDS)
async def test_an_unknown_or_malformed_request_is_named(command: str, world: World) -> None:
    headers = (
        world.customer
        if command in ("broadcast", "extension", "cancellation")
        else world.mechanic(world.cast.favorite)
    )
    unknown = await world.order(str(uuid4()), command, headers)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_request")
    malformed = await world.order("not-an-id", command, headers)
    assert (malformed.status_code, malformed.json()["code"]) == (422, "invalid")


async def test_bad_json_a_big_body_and_a_bad_key_are_named(world: World) -> None:
    headers = world.customer | {"Content-Type": "application/json"}
    bad = await world.client.post("/api/v1/intakes", content=b"{", headers=headers)
    assert (bad.status_code, bad.json()["code"]) == (400, "malformed_json")
    big = await world.client.post("/api/v1/intakes", content=b"x" * 70_000, headers=headers)
    assert (big.status_code, big.json()["code"]) == (413, "too_large")

    async def chunks() -> Any:
        for _ in range(70):
            yield b"x" * 1_000

    undeclared = await world.client.post("/api/v1/intakes", content=chunks(), headers=headers)
    assert undeclared.status_code == 413
    key = await world.submit(key="k" * 256)
    assert key.status_code == 422


@pytest.mark.parametrize("path", ["/webhooks/stripe", "/intake"])
async def test_who_hangs_up_in_the_middle_is_no_error_of_ours(path: str, world: World) -> None:
    told = [
        {"type": "http.request", "body": b"plan=", "more_body": True},
        {"type": "http.disconnect"},
    ]
    answered: list[Any] = []

    async def receive() -> Any:
        return told.pop(0)

    async def send(message: Any) -> None:
        answered.append(message)

    form = (b"content-type", b"application/x-www-form-urlencoded")
    headers = [(b"host", b"127.0.0.1"), form]
    headers += [(name.lower().encode(), value.encode()) for name, value in world.customer.items()]
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": headers,
        "query_string": b"",
    }
    scope |= {"http_version": "1.1", "scheme": "http", "asgi": {"version": "3.0"}}
    await create_app(world.service)(scope, receive, send)
    assert answered[0]["status"] == 400


async def test_hundreds_accept_at_once_and_one_wins(world: World) -> None:
    people = world.service.people
    assert isinstance(people, PeopleStore)
    crowd = [uuid4() for _ in range(300)]
    for mechanic in crowd:
        await people.add_mechanic(mechanic, "Somebody")  # type: ignore[arg-type]
    request_id = await world.book()
    limits = asyncio.Semaphore(100)
    world.client.timeout = CROWD_PATIENCE_S

    async def accept(mechanic: UUID) -> int:
        async with limits:
            answer = await world.order(request_id, "acceptance", world.mechanic(mechanic))
            if answer.status_code == 409:
                assert answer.json()["code"] == "already_matched"
            return answer.status_code

    statuses = await asyncio.gather(*(accept(mechanic) for mechanic in crowd))
    assert sorted(set(statuses)) == [200, 409]
    assert statuses.count(200) == 1


async def test_the_database_going_away_is_a_503_and_coming_back_is_enough(
    world: World, owner: Any
) -> None:
    """All connections are cut, again and again, while people work."""
    request_id = await world.book()
    cut = (
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    async with owner.acquire() as killer:
        statuses = set()
        for _ in range(10):
            await killer.execute(cut)
            answer = await world.client.get("/api/v1/session-requests", headers=world.customer)
            statuses.add(answer.status_code)
            if answer.status_code == 503:
                assert answer.json()["code"] == "unavailable"
                assert "retry-after" in answer.headers
    assert statuses <= {200, 503}
    accepted = None
    for _ in range(20):
        accepted = await world.order(request_id, "acceptance", world.mechanic(world.cast.favorite))
        if accepted.status_code == 200:
            break
        assert accepted.status_code == 503
    assert accepted is not None
    assert accepted.status_code == 200


async def test_somebody_unknown_with_a_good_token_is_told_so(world: World) -> None:
    stranger, nobody = world.headers(Role.CUSTOMER, uuid4()), world.mechanic(uuid4())
    answers = [
        await world.client.post("/api/v1/intakes", json={"plan": "standard"}, headers=stranger),
        await world.client.put("/api/v1/presence", json={"on_duty": True}, headers=nobody),
        await world.client.put(f"/api/v1/favorites/{world.cast.favorite}", headers=stranger),
    ]
    assert [(one.status_code, one.json()["code"]) for one in answers] == [
        (422, "does_not_exist")
    ] * 3


async def test_a_suspended_mechanic_sees_no_offer(world: World) -> None:
    request_id = await world.book()
    people = world.service.people
    assert isinstance(people, PeopleStore)
    await people.set_mechanic_status(world.cast.others[0], "suspended")
    for mechanic in (world.cast.others[0], uuid4()):
        path = f"/api/v1/session-requests/{request_id}"
        seen = await world.client.get(path, headers=world.mechanic(mechanic))
        assert (seen.status_code, seen.json()["code"]) == (404, "unknown_request")


async def test_an_operator_undoes_a_match(world: World) -> None:
    request_id = await world.book()
    await world.order(request_id, "acceptance", world.mechanic(world.cast.others[0]))
    released = await world.order(request_id, "release", world.operator)
    assert (released.status_code, released.json()["status"]) == (200, "pending")
    assert (await world.order(request_id, "cancellation", world.operator)).status_code == 200


async def unavailable(*_: object) -> None:
    """What a store does whose database is away."""
    raise Unavailable


async def test_a_mechanic_is_online_while_the_lease_lasts_and_offline_when_that_is_certain(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mechanic = world.cast.favorite
    path = f"/api/v1/mechanics/{mechanic}/status"

    async def online() -> dict[str, Any]:
        answer: dict[str, Any] = (await world.client.get(path, headers=world.customer)).json()
        return answer

    assert await online() == {"is_online": None, "last_seen": None}
    for on_duty in (False, True):
        body, headers = {"on_duty": on_duty}, world.mechanic(mechanic)
        put = await world.client.put("/api/v1/presence", json=body, headers=headers)
        assert put.status_code == 200
        assert (await online())["is_online"] is on_duty
    advanced = await world.client.post("/demo/clock", json={"seconds": 61, "reason": "a test"})
    assert advanced.status_code == 200
    assert (await online())["is_online"] is None  # nobody has listened for so long
    people = world.service.people
    assert isinstance(people, PeopleStore)
    watch = "update headstart.presence_watch set since = clock_timestamp() - interval '61 s'"
    await people._executor.execute(watch)
    assert (await online())["is_online"] is False
    await people._executor.execute(f"{watch}, until = clock_timestamp() - interval '1 s'")
    assert (await online())["is_online"] is None  # nobody is there to hear a heartbeat
    await PresenceStore(people._executor).watch(30)
    assert (await online())["is_online"] is None  # and only since now there is
    await people._executor.execute(watch)
    assert (await online())["is_online"] is False
    monkeypatch.setattr(people, "presence", unavailable)
    assert await online() == {"is_online": None, "last_seen": None}
    monkeypatch.undo()
    unknown = await world.client.get(f"/api/v1/mechanics/{uuid4()}/status", headers=world.customer)
    assert unknown.status_code == 404


async def test_favourites_are_kept_read_and_forgotten(world: World) -> None:
    path = f"/api/v1/favorites/{world.cast.others[0]}"
    assert (await world.client.get(path, headers=world.customer)).status_code == 404
    assert (await world.client.put(path, headers=world.customer)).json()["name"] == "Otto"
    assert (await world.client.get(path, headers=world.customer)).status_code == 200
    assert (await world.client.delete(path, headers=world.customer)).status_code == 204
    assert (await world.client.get(path, headers=world.customer)).status_code == 404
    nobody = await world.client.put(f"/api/v1/favorites/{uuid4()}", headers=world.customer)
    assert nobody.status_code == 404


async def test_an_operator_suspends_a_favourite_and_the_window_ends_at_once(world: World) -> None:
    request_id = await world.book(preferred_mechanic_id=str(world.cast.favorite))
    path = f"/api/v1/mechanics/{world.cast.favorite}"
    body = {"name": "Fay", "status": "suspended", "reason": "a complaint"}
    refused = await world.client.put(path, json=body, headers=world.customer)
    assert refused.status_code == 403
    assert (await world.client.put(path, json=body, headers=world.operator)).status_code == 200
    async with asyncio.timeout(10):
        while (await world.requests())[0]["stage"] != "open":  # noqa: ASYNC110 - a row
            await asyncio.sleep(0.01)
    [request] = await world.requests()
    assert (request["session_id"], request["fallback_reason"]) == (
        request_id,
        "mechanic_unavailable",
    )


async def test_an_operator_makes_people_known(world: World) -> None:
    customer, mechanic = uuid4(), uuid4()
    known = {"first_name": "Nia", "last_name": "N", "email": "", "phone": "", "reason": "new"}
    put = await world.client.put(
        f"/api/v1/customers/{customer}", json=known, headers=world.operator
    )
    assert put.status_code == 200
    body = {"name": "Noor", "status": "approved", "reason": "new"}
    put = await world.client.put(f"/api/v1/mechanics/{mechanic}", json=body, headers=world.operator)
    assert put.status_code == 200
    headers = world.headers(Role.CUSTOMER, customer)
    liked = await world.client.put(f"/api/v1/favorites/{mechanic}", headers=headers)
    assert liked.json()["name"] == "Noor"
    wrong = await world.client.put(
        f"/api/v1/mechanics/{mechanic}", json=body | {"status": "king"}, headers=world.operator
    )
    assert wrong.status_code == 422


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
async def test_a_character_that_cannot_be_kept_is_named(text: str, world: World) -> None:
    body = json.dumps({"plan": "standard", "contact_phone": text, "concern": "It squeals"})
    headers = world.customer | {"Content-Type": "application/json"}
    intake = await world.client.post("/api/v1/intakes", content=body, headers=headers)
    assert intake.status_code in (400, 422), intake.text
    known = json.dumps({"name": text, "status": "approved", "reason": "new"})
    headers = world.operator | {"Content-Type": "application/json"}
    path = f"/api/v1/mechanics/{uuid4()}"
    mechanic = await world.client.put(path, content=known, headers=headers)
    assert mechanic.status_code in (400, 422), mechanic.text
