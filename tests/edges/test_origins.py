"""Another site's page acts for nobody, and reads nothing that was not allowed to it."""

from collections.abc import AsyncIterator
from itertools import product

import pytest

from headstart.core.access import Role
from headstart.web.edges.origins import SAFE_METHODS, Origins, origin_of
from tests.web.conftest import World, world_on

OWN, PARTNER, FOREIGN = "https://app.example", "https://partner.example", "https://evil.example"
ORIGINS = Origins(frozenset({OWN}), frozenset({PARTNER}))
ALMOST = (
    *("null", "", "*", "https://app.example.evil.example", "https://evilapp.example"),
    *("http://app.example", "https://app.example:8443", "https://APP.example", "app.example"),
    *("https://app.example/", "https://app.example ", "https://sub.app.example", "http://["),
    *(f"{OWN},{OWN}", f"{OWN} {FOREIGN}", "https://app.exampl", "https://app.example\x00"),
)


@pytest.mark.parametrize("origin", [*ALMOST, FOREIGN])
def test_an_origin_is_compared_whole(origin: str) -> None:
    assert not ORIGINS.admits(origin)
    assert not ORIGINS.admits_cookie(origin)
    for method, path in product(("POST", "PUT", "DELETE"), ("/api/v1/intakes", "/demo/sign-in")):
        for credentials in ({}, {"cookie": "a=b"}, {"authorization": "Bearer x"}):
            assert ORIGINS.refuse(method, path, {"origin": origin} | credentials), path


def test_a_thousand_hostile_handshakes_are_refused() -> None:
    made = [f"{one}{number}" for number in range(60) for one in (*ALMOST[3:], FOREIGN)]
    assert len(made) >= 840
    hostile = [*made, *(f"https://{number}.app.example" for number in range(1000 - len(made)))]
    assert [one for one in hostile if ORIGINS.admits(one) or ORIGINS.admits_cookie(one)] == []


def test_a_handshake_with_a_cookie_says_where_it_is_from() -> None:
    assert ORIGINS.admits_cookie(OWN)
    assert not ORIGINS.admits_cookie(None)
    assert not ORIGINS.admits_cookie(PARTNER)
    assert ORIGINS.admits(None)
    assert ORIGINS.admits(PARTNER)


# What a browser says, with a cookie and without any token: method, origin, site, and is it refused?
BY_COOKIE = [
    ("POST", OWN, "same-origin", False),
    ("POST", OWN, None, False),
    ("POST", OWN, "cross-site", True),
    ("POST", None, "same-origin", False),
    ("POST", None, "none", False),
    ("POST", None, "same-site", True),
    ("POST", None, "cross-site", True),
    ("POST", None, None, True),
    ("POST", PARTNER, "cross-site", True),
    ("PUT", FOREIGN, "cross-site", True),
    ("DELETE", None, None, True),
    ("PATCH", FOREIGN, None, True),
    ("GET", None, None, False),
    ("GET", None, "same-origin", False),
    ("GET", None, "cross-site", True),
    ("GET", FOREIGN, "cross-site", True),
    ("GET", PARTNER, "cross-site", False),
]


@pytest.mark.parametrize(("method", "origin", "site", "refused"), BY_COOKIE)
def test_a_cookie_acts_for_our_own_pages_only(
    method: str, origin: str | None, site: str | None, refused: bool
) -> None:
    said = {"origin": origin, "sec-fetch-site": site, "cookie": "headstart_session=x"}
    headers = {name: value for name, value in said.items() if value is not None}
    for more in ({}, {"authorization": ""}):  # which is no token: the cookie would count
        assert bool(ORIGINS.refuse(method, "/api/v1/offers", headers | more)) is refused


def test_a_link_from_elsewhere_still_leads_to_our_pages() -> None:
    visit = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "cookie": "a=b"}
    for method in SAFE_METHODS:
        assert ORIGINS.refuse(method, "/dashboard", visit) is None
    assert ORIGINS.refuse("POST", "/webhooks/stripe", {"origin": FOREIGN}) is None


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://app.example", "https://app.example"),
        ("https://app.example:443/", "https://app.example"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_an_address_has_an_origin(address: str, origin: str) -> None:
    assert origin_of(address) == origin


# --- through the socket ----------------------------------------------------------------------


async def cookie_of(world: World) -> dict[str, str]:
    """The customer's browser, which does not say yet where it is."""
    signed_in = await world.browser(Role.CUSTOMER, world.cast.customer)
    return {"Cookie": signed_in["Cookie"]}


async def test_a_page_of_another_site_cannot_act_for_somebody(world: World) -> None:
    request_id = await world.book()
    cookie = await cookie_of(world)
    path = f"/api/v1/session-requests/{request_id}/cancellation"
    form = f"/requests/{request_id}/cancellation"
    for foreign in (
        {},
        {"Origin": FOREIGN},
        {"Origin": "http://["},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        for where in (path, form):
            refused = await world.client.post(where, headers=cookie | foreign)
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), foreign
    assert (await world.requests())[0]["status"] == "pending"
    own = {"Origin": str(world.client.base_url).rstrip("/")}
    assert (await world.client.post(form, headers=cookie | own)).status_code == 303
    assert (await world.requests())[0]["status"] == "cancelled"


async def test_nobody_is_signed_in_from_another_sites_page(world: World) -> None:
    form = {"role": "operator", "id": "0e000000-0000-4000-8000-000000000001"}
    foreign = {"Origin": FOREIGN, "Sec-Fetch-Site": "cross-site"}
    refused = await world.client.post("/demo/sign-in", data=form, headers=foreign)
    assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)


@pytest.fixture
async def shared(database: str) -> AsyncIterator[World]:
    """A service whose API a partner's pages may use."""
    async with world_on(database, HEADSTART_ALLOWED_ORIGINS=PARTNER) as made:
        yield made


async def test_an_allowed_page_reads_with_its_own_token_and_never_with_a_cookie(
    shared: World,
) -> None:
    path = "/api/v1/session-requests"
    partner = {"Origin": PARTNER, "Sec-Fetch-Site": "cross-site"}
    answer = await shared.client.get(path, headers=shared.customer | partner)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PARTNER
    assert "access-control-allow-credentials" not in answer.headers
    asked = partner | {"Access-Control-Request-Method": "POST"}
    preflight = await shared.client.options(path, headers=asked)
    assert preflight.status_code == 204
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    for origin in (FOREIGN, f"{PARTNER}.evil.example"):
        refused = await shared.client.get(path, headers=shared.customer | {"Origin": origin})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert "access-control-allow-origin" not in refused.headers
        preflight = await shared.client.options(path, headers=asked | {"Origin": origin})
        assert preflight.status_code == 403
    for outside in ("/", "/dashboard"):
        page = await shared.client.get(outside, headers=partner)
        assert "access-control-allow-origin" not in page.headers


async def test_the_stream_is_not_for_foreign_pages(shared: World) -> None:
    cookie = await cookie_of(shared)
    for headers in (
        shared.customer | {"Origin": FOREIGN},
        cookie | {"Origin": FOREIGN},
        cookie | {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ):
        refused = await shared.client.get("/api/v1/stream", headers=headers)
        assert refused.status_code == 403
