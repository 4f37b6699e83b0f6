"""Hostile text stays text, hostile paths lead nowhere, and errors tell nothing."""

from uuid import UUID, uuid4

import pytest
from structlog.processors import JSONRenderer
from structlog.testing import capture_logs

from headstart.core.access import Role
from headstart.store.people import PeopleStore
from tests.web.conftest import World

HOSTILE = (
    "\"><script>alert(1)</script>'><img src=x onerror=alert(1)>"
    "{{ 7 * 191 }}${7 * 191}'; drop table headstart.customers; --\r\nSet-Cookie: a=b"
)
PAGE = {"Accept": "text/html"}


async def test_hostile_text_stays_text_on_every_page(world: World) -> None:
    submitted = await world.submit(plan="free", concern=HOSTILE, vehicle=HOSTILE[:190])
    request_id = submitted.json()["session_id"]
    mechanic = world.mechanic(world.cast.others[0])
    seen = 0
    for headers, path in (
        (world.customer, f"/requests/{request_id}"),
        (world.customer, "/dashboard"),
        (world.customer, f"/intake?plan=free&concern={'%3Cscript%3Ealert(1)%3C/script%3E'}"),
        (mechanic, "/mechanic"),
        (world.operator, f"/admin/requests/{request_id}"),
    ):
        page = await world.client.get(path, headers=headers | PAGE)
        assert page.status_code == 200, path
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert "1337" not in page.text
        assert "a=b" not in page.headers.get("set-cookie", "")
        seen += "&lt;script&gt;alert" in page.text
    assert seen >= 3
    told = await world.client.get("/api/v1/offers", headers=mechanic)
    assert HOSTILE.strip() in [one["concern"] for one in told.json()["offers"]]


@pytest.mark.parametrize(
    "path",
    [
        *("/static/", "/static", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/.git/config"),
        *("/static/..%5c..%5capp.py", "/static/%2e%2e%2f%2e%2e%2fsettings.py", "/.env"),
        *("/static/%00style.css", "/static//etc/passwd", "/static/%252e%252e/app.py"),
    ],
)
async def test_no_path_leads_out_of_the_static_files(path: str, world: World) -> None:
    answer = await world.client.get(path)
    assert answer.status_code in (404, 405), (path, answer.status_code)
    assert "import" not in answer.text


async def test_methods_that_nobody_needs_are_refused(world: World) -> None:
    for method in ("TRACE", "TRACK", "PATCH", "PROPFIND"):
        for path in ("/", "/api/v1/offers", "/static/style.css", "/webhooks/stripe"):
            answer = await world.client.request(method, path, headers=world.operator)
            assert answer.status_code in (400, 405), (method, path)


async def test_a_token_in_an_address_is_nobodys(world: World) -> None:
    token = world.operator["Authorization"].removeprefix("Bearer ")
    for name in ("token", "access_token", "authorization", "apikey", "jwt"):
        answer = await world.client.get(f"/api/v1/offers?{name}={token}")
        assert answer.status_code == 401


async def test_what_is_encoded_twice_is_decoded_once(world: World) -> None:
    """And shown as what is left: what is judged is what is used."""
    path = "/intake?plan=free&concern=%253Cb%253E%2526lt%253B"
    page = await world.client.get(path, headers=world.customer | PAGE)
    assert "%3Cb%3E%26lt%3B" in page.text
    assert "<b>" not in page.text


async def test_a_parameter_given_twice_counts_once(world: World) -> None:
    page = await world.client.get(
        "/intake?plan=standard&plan=free&urgent=true&urgent=false", headers=world.customer | PAGE
    )
    assert 'name="plan" value="standard"' in page.text
    assert 'name="plan" value="free"' not in page.text


async def test_what_was_tried_in_vain_is_logged_without_its_secret(world: World) -> None:
    with capture_logs() as logged:
        for headers in ({"Authorization": "Bearer canary.of.a-token"}, world.customer):
            await world.client.get("/api/v1/offers%0aforged=line", headers=headers)
            await world.client.get("/api/v1/money-troubles", headers=headers)
        await world.client.post("/", headers={"Origin": "https://evil.example"})
    refused = [one for one in logged if one["event"] == "access_refused"]
    assert {one["code"] for one in refused} == {"unauthenticated", "forbidden"}
    assert {one["client"] for one in refused} == {"127.0.0.1"}
    assert {one["who"] for one in refused} == {"", f"customer:{world.cast.customer}"}
    assert ("GET", "/api/v1/money-troubles") in [(one["method"], one["path"]) for one in refused]
    assert "refused_at_the_gate" in [one["event"] for one in logged]
    for one in logged:
        line = str(JSONRenderer()(None, "", dict(one)))
        assert "canary" not in line
        assert world.customer["Authorization"][20:] not in line
        assert "\n" not in line


async def test_bad_input_and_broken_rules_are_logged_without_what_was_sent(world: World) -> None:
    intakes, unknown = "/api/v1/intakes", f"/api/v1/session-requests/{uuid4()}/acceptance"
    mechanic = world.mechanic(world.cast.favorite)
    sent = ({"plan": ["canary"]}, {"plan": "canary"}, {"plan": "standard", "concern": "canary\0"})
    with capture_logs() as logged:
        typed = world.customer | {"Content-Type": "application/json"}
        await world.client.post(intakes, content=b"{canary", headers=typed)
        for body in sent:
            answer = await world.client.post(intakes, json=body, headers=world.customer)
            assert answer.status_code == 422
        await world.client.post(unknown, headers=mechanic)
        for path in ("/canary@shop.example", "/" + "canary" * 500, "/api/v1/flags/a%20canary%0Ax"):
            await world.client.put(path, headers=mechanic)
    assert [one["path"] for one in logged[-3:]] == ["(not like ours)"] * 3
    logged[-3:] = []
    refused = [one for one in logged if one["event"] == "request_refused"]
    assert [one["code"] for one in refused] == [
        *("malformed_json", *["invalid"] * len(sent)),
        "unknown_request",
    ]
    assert refused[-1]["who"] == f"mechanic:{world.cast.favorite}"
    assert (refused[-1]["method"], refused[-1]["path"]) == ("POST", unknown)
    assert "canary" not in str(logged)


async def test_an_error_of_ours_tells_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_store: PeopleStore, _id: UUID) -> None:
        raise RuntimeError("canary: select * from headstart.customers, postgresql://a:b@c/d")

    monkeypatch.setattr(PeopleStore, "customer", broken)
    monkeypatch.setattr(PeopleStore, "mechanic", broken)
    with capture_logs() as logged:
        path = f"/api/v1/mechanics/{world.cast.favorite}/status"
        told = await world.client.get(path, headers=world.customer)
        page = await world.client.get(
            "/dashboard", headers=await world.browser(Role.CUSTOMER, world.cast.customer) | PAGE
        )
    assert (told.status_code, told.json()["code"]) == (500, "internal")
    assert page.status_code == 500
    for answer in (told, page):
        for inside in ("canary", "RuntimeError", "Traceback", "postgresql", ".py"):
            assert inside not in answer.text
    assert [one["event"] for one in logged].count("request_failed") == 2
