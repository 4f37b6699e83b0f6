"""Signing in on the pages at an identity provider, and out again; and those who try otherwise."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from structlog.testing import capture_logs

from headstart.app.ports import Login
from headstart.core.access import Principal, Role
from headstart.identity.signing_in import AWAY_S_MAX
from tests.identity.forge import issuers
from tests.identity.provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    IdentityProvider,
    identity_provider,
    query_of,
)
from tests.web.conftest import World, world_on
from tests.web.test_stream import listening as stream_of
from tests.web.test_stream import until

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Site:
    """The application, the provider it trusts, and a browser."""

    world: World
    provider: IdentityProvider
    browser: httpx.AsyncClient

    async def know(self, who: Principal, subject: str = "auth0|7") -> None:
        """An operator says for whom a login speaks."""
        body = {
            "issuer": self.provider.address,
            "subject": subject,
            "role": who.role.value,
            "person_id": str(who.id),
            "reason": "a test",
        }
        put = await self.world.client.put("/api/v1/logins", json=body, headers=self.world.operator)
        assert put.status_code == 200, put.text

    async def leave(self, then: str = "") -> str:
        """To the provider; answers with where it sends the browser back to."""
        left = await self.browser.get("/sign-in", params={"then": then} if then else {})
        assert left.status_code == 303, left.text
        back = await self.browser.get(left.headers["location"])
        assert back.status_code == 307
        return str(back.headers["location"])

    async def sign_in(self, then: str = "") -> httpx.Response:
        """All the way."""
        return await self.browser.get(await self.leave(then))


@asynccontextmanager
async def site_on(database: str, **changes: Any) -> AsyncIterator[Site]:
    """Everything, running, with ``person_claim`` left out: the table says who somebody is."""
    async with identity_provider() as provider:
        described = issuers(f"{provider.address}/keys", provider.address)
        del described[0]["person_claim"], described[0]["audience"]
        usual: Json = {
            "HEADSTART_ISSUERS": described,
            "HEADSTART_OIDC_ISSUER": provider.address,
            "HEADSTART_OIDC_CLIENT_ID": CLIENT_ID,
            "HEADSTART_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        }
        async with world_on(database, **(usual | changes)) as world:
            base = str(world.client.base_url).rstrip("/")
            provider.callback = f"{base}/sign-in/callback"
            own = {"Origin": base}
            async with httpx.AsyncClient(base_url=base, headers=own, trust_env=False) as browser:
                yield Site(world, provider, browser)


@pytest.fixture
async def site(database: str) -> AsyncIterator[Site]:
    async with site_on(database) as made:
        yield made


def customer(site: Site) -> Principal:
    return Principal(Role.CUSTOMER, site.world.cast.customer)


async def test_somebody_signs_in_looks_at_their_pages_and_signs_out(site: Site) -> None:
    await site.know(customer(site))
    refused = await site.browser.get("/dashboard", headers={"Accept": "text/html"})
    assert refused.status_code == 401
    assert 'href="/sign-in?then=%2Fdashboard"' in refused.text
    with capture_logs() as logged:
        arrived = await site.sign_in("/dashboard")
    [told] = [one for one in logged if one["event"] == "signed_in"]
    assert told["person"] == str(site.world.cast.customer)
    assert told["subject"] == "auth0|7"
    assert told["client"] == "127.0.0.1"
    assert (arrived.status_code, arrived.headers["location"]) == (303, "/dashboard")
    assert (await site.browser.get("/dashboard")).status_code == 200
    cookie = site.browser.cookies["headstart_session"]
    async with stream_of(site.world, {"Cookie": f"headstart_session={cookie}"}) as stream:
        await until(stream, "ready")
        left = await site.browser.post("/sign-out")
        assert [one async for one in stream][-1].data["reason"] == "signed_out"
    assert left.status_code == 200
    farewell = re.search(r'http-equiv="refresh" content="2;url=([^"]+)"', left.text)
    assert farewell
    address = farewell[1].replace("&amp;", "&")
    assert address.startswith(f"{site.provider.address}/logout?")
    home = f"{str(site.world.client.base_url).rstrip('/')}/"
    assert query_of(address) == {"client_id": CLIENT_ID, "post_logout_redirect_uri": home}
    assert "headstart_session" not in site.browser.cookies
    again = {"Cookie": f"headstart_session={cookie}"}
    assert (await site.world.client.get("/dashboard", headers=again)).status_code == 401


async def test_the_cookie_is_for_this_host_over_https_and_for_no_script(database: str) -> None:
    async with site_on(database) as site:
        await site.know(customer(site))
        plain = (await site.sign_in()).headers.get_list("set-cookie")
        assert any(
            re.fullmatch(r"headstart_session=[0-9a-f]{64}; HttpOnly; Path=/; SameSite=lax", one)
            for one in plain
        ), plain


async def test_over_https_the_cookies_name_ties_it_to_the_host(database: str) -> None:
    async with site_on(database, HEADSTART_PUBLIC_URL="https://shop.example") as site:
        left = await site.browser.get("/sign-in")
        [note] = left.headers.get_list("set-cookie")
        assert note.startswith("__Host-headstart-note=")
        for mark in ("; HttpOnly", "; Secure", "; Path=/", "; SameSite=lax", "; Max-Age=600"):
            assert mark in note
        assert "Domain" not in note
        asked = query_of(left.headers["location"])
        assert asked["redirect_uri"] == "https://shop.example/sign-in/callback"
        assert {"state", "nonce", "code_challenge"} <= asked.keys()


TWISTS: list[Json] = [
    {"answer": {"state": "another"}},
    {"answer": {"state": None}},
    {"answer": {"state": "é"}},
    {"answer": {"iss": "https://evil.example"}},
    {"answer": {"code": None, "error": "access_denied"}},
    {"answer": {"code": "invented"}},
    {"tokens": {"id_token": None}},
    {"tokens": {"id_token": "a.b.c"}},
    {"tokens": {"access_token": "another"}},
    {"id_token": {"nonce": "another"}},
    {"id_token": {"nonce": None}},
    {"id_token": {"aud": "another-client"}},
    {"id_token": {"aud": [CLIENT_ID, "other"]}},
    {"id_token": {"aud": [CLIENT_ID, "other"], "azp": "other"}},
    {"id_token": {"azp": "other"}},
    {"id_token": {"iss": "https://evil.example"}},
    {"id_token": {"exp": 1}},
    {"id_token": {"exp": None}},
    {"id_token": {"sub": ""}},
    {"key": "stranger"},
]


async def test_what_is_not_exactly_right_signs_nobody_in(site: Site) -> None:
    await site.know(customer(site))
    with capture_logs() as logged:
        for twist in TWISTS:
            site.provider.twist = twist
            failed = await site.sign_in()
            assert (failed.status_code, failed.json()["code"]) == (400, "sign_in_failed"), twist
            assert "headstart_session" not in site.browser.cookies
    assert [one["event"] for one in logged].count("sign_in_failed") == len(TWISTS)
    site.provider.twist = {}
    assert (await site.sign_in()).status_code == 303


async def test_nobody_is_signed_in_by_another_browsers_answer(site: Site) -> None:
    """A link to the callback, made by somebody who signs in themselves, signs nobody in."""
    await site.know(customer(site))
    back = await site.leave()
    without = await site.world.client.get(back)
    assert (without.status_code, without.json()["code"]) == (400, "sign_in_failed")
    async with httpx.AsyncClient(base_url=site.browser.base_url, trust_env=False) as other:
        await other.get("/sign-in")
        assert (await other.get(back)).status_code == 400
    forged = {"Cookie": "headstart_note=gAAAAABoforged"}
    assert (await site.world.client.get(back, headers=forged)).status_code == 400
    assert (await site.browser.get(back)).status_code == 303
    assert (await site.browser.get(back)).status_code == 400, "once"
    back, provider = await site.leave(), site.world.service.provider
    assert provider is not None
    now = provider.now
    provider.now = lambda: now() + timedelta(seconds=AWAY_S_MAX + 2)
    assert (await site.browser.get(back)).status_code == 400, "in time"


async def test_signing_in_gives_a_new_secret_and_ends_the_session_before(site: Site) -> None:
    await site.know(customer(site))
    site.browser.cookies.set("headstart_session", "f" * 64, domain="127.0.0.1", path="/")
    await site.sign_in()
    first = site.browser.cookies["headstart_session"]
    assert first != "f" * 64
    await site.sign_in()
    second = site.browser.cookies["headstart_session"]
    assert second != first
    old = {"Cookie": f"headstart_session={first}"}
    assert (await site.world.client.get("/dashboard", headers=old)).status_code == 401


async def test_nobody_is_signed_in_who_pressed_nothing(site: Site) -> None:
    """Another site's page that leads a browser here finds the front page and its button."""
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    for pressed, leads_to in (({}, "/"), ({"Sec-Fetch-User": "?1"}, site.provider.address)):
        led = await site.browser.get("/sign-in", headers=foreign | pressed)
        assert led.headers["location"].startswith(leads_to)
        assert ("set-cookie" in led.headers) is bool(pressed)


ELSEWHERE = (
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "javascript:alert(1)",
    "evil.example",
    "/x\r\nSet-Cookie: a=b",
    "/" + "x" * 600,
)


async def test_nobody_is_led_elsewhere_after_signing_in(site: Site) -> None:
    await site.know(customer(site))
    for then in ELSEWHERE:
        arrived = await site.sign_in(then)
        assert (arrived.status_code, arrived.headers["location"]) == (303, "/dashboard"), then


async def test_a_page_with_a_question_is_come_back_to(site: Site) -> None:
    await site.know(customer(site))
    page = "/intake?plan=standard&preferred_mechanic_id=x"
    refused = await site.browser.get(page, headers={"Accept": "text/html"})
    assert f'href="/sign-in?then={quote(page, safe="")}"' in refused.text
    assert (await site.sign_in(page)).headers["location"] == page


async def test_somebody_nobody_here_knows_is_told_so(site: Site) -> None:
    unknown = await site.sign_in()
    assert (unknown.status_code, unknown.json()["code"]) == (403, "unknown_login")
    assert "headstart_session" not in site.browser.cookies


async def test_a_disabled_login_cannot_sign_in_and_is_out_at_once(site: Site) -> None:
    await site.know(customer(site))
    await site.sign_in()
    assert (await site.browser.get("/dashboard")).status_code == 200
    who = {"role": "customer", "person_id": str(site.world.cast.customer)}
    login = {"issuer": site.provider.address, "subject": "auth0|7", "reason": "a test", **who}
    put = await site.world.client.put(
        "/api/v1/logins", json={**login, "disabled": True}, headers=site.world.operator
    )
    assert put.json()["disabled"] is True
    assert (await site.browser.get("/dashboard")).status_code == 401
    assert (await site.sign_in()).status_code == 400


async def test_without_the_provider_people_are_told_to_try_again(site: Site) -> None:
    site.provider.down = True
    away = await site.browser.get("/sign-in")
    assert (away.status_code, away.json()["code"]) == (503, "sign_in_unavailable")
    site.provider.down = False
    site.provider.metadata = {"issuer": "https://evil.example"}
    assert (await site.browser.get("/sign-in")).status_code == 503
    site.provider.metadata = {"authorization_endpoint": "http://evil.example/authorize"}
    assert (await site.browser.get("/sign-in")).status_code == 503


async def test_a_provider_that_offers_no_log_out_is_left_alone(site: Site) -> None:
    await site.know(customer(site))
    site.provider.metadata = {"end_session_endpoint": None}
    await site.sign_in()
    left = await site.browser.post("/sign-out")
    assert (left.status_code, left.headers["location"]) == (303, "/")


async def test_another_sites_page_cannot_sign_somebody_out(site: Site) -> None:
    await site.know(customer(site))
    await site.sign_in()
    foreign = {"Origin": "https://evil.example"}
    assert (await site.browser.post("/sign-out", headers=foreign)).status_code == 403
    assert (await site.browser.get("/dashboard")).status_code == 200


async def test_operators_say_for_whom_a_login_speaks_and_sign_it_out(site: Site) -> None:
    world, mechanic = site.world, site.world.cast.others[0]
    await site.know(Principal(Role.MECHANIC, mechanic), "auth0|8")
    await site.know(customer(site), "auth0|7")
    listed = await world.client.get("/api/v1/logins", headers=world.operator)
    found = listed.json()["logins"]
    assert [one["subject"] for one in found] == ["auth0|7", "auth0|8"]
    assert found[1] == {
        "issuer": site.provider.address,
        "subject": "auth0|8",
        "role": "mechanic",
        "person_id": str(mechanic),
        "disabled": False,
        "signed_out_at": None,
    }
    more = {"after_issuer": site.provider.address, "after_subject": "auth0|7"}
    rest = await world.client.get("/api/v1/logins", params=more, headers=world.operator)
    assert [one["subject"] for one in rest.json()["logins"]] == ["auth0|8"]
    assert (await world.client.get("/api/v1/logins", headers=world.customer)).status_code == 403
    why = {"issuer": "x", "subject": "y", "reason": "a test"}
    nobody = {**why, "role": "customer", "person_id": str(mechanic)}
    put = await world.client.put("/api/v1/logins", json=nobody, headers=world.operator)
    assert (put.status_code, put.json()["code"]) == (422, "does_not_exist")
    await site.sign_in()
    out = {**why, "issuer": site.provider.address, "subject": "auth0|7", "sign_out": True}
    out |= {"role": "customer", "person_id": str(world.cast.customer)}
    put = await world.client.put("/api/v1/logins", json=out, headers=world.operator)
    assert put.json()["signed_out_at"] is not None
    assert (await site.browser.get("/dashboard")).status_code == 401
    half = {**why, "role": "customer"}
    put = await world.client.put("/api/v1/logins", json=half, headers=world.operator)
    assert put.status_code == 422


async def test_signing_out_everywhere_ends_tokens_and_pages_and_nobody_elses(site: Site) -> None:
    world = site.world
    await site.know(customer(site))
    await site.sign_in()
    session = {"Cookie": f"headstart_session={site.browser.cookies['headstart_session']}"}
    async with stream_of(world, session) as stream:
        await until(stream, "ready")
        session |= {"Origin": world.service.settings.address}
        everywhere = await world.client.post("/api/v1/sign-out", headers=session)
        assert everywhere.status_code == 204
        assert [one async for one in stream][-1].data["reason"] == "signed_out"
    token = world.customer
    assert (await world.client.get("/api/v1/session-requests", headers=token)).status_code == 200
    assert (await world.client.post("/api/v1/sign-out", headers=token)).status_code == 204
    assert (await world.client.get("/api/v1/session-requests", headers=token)).status_code == 401
    other = world.mechanic(world.cast.favorite)
    assert (await world.client.get("/api/v1/offers", headers=other)).status_code == 200
    known = await world.service.sessions.sign_ins.known_login(
        Login("headstart", str(world.cast.customer))
    )
    assert known is not None
    assert known.signed_out_at is not None
