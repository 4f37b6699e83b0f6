"""Cookies are tied to this host and this browser, and end when they are told to."""

from collections.abc import AsyncIterator

import pytest

from headstart.core.access import Role
from headstart.web.people import session_cookie
from tests.web.conftest import World, world_on


@pytest.fixture
async def over_https(database: str) -> AsyncIterator[World]:
    """As people meet it behind a proxy that speaks TLS."""
    async with world_on(database, looping=False, HEADSTART_PUBLIC_URL="https://127.0.0.1") as made:
        yield made


def persona(world: World) -> dict[str, str]:
    return {"role": Role.CUSTOMER.value, "id": str(world.cast.customer)}


async def test_over_https_every_cookie_is_tied_to_this_host(over_https: World) -> None:
    client = over_https.client
    signed_in = await client.post("/demo/sign-in", data=persona(over_https))
    form = await client.get("/intake?plan=standard", headers=over_https.customer)
    cookies = [
        *signed_in.headers.get_list("set-cookie"),
        *form.headers.get_list("set-cookie"),
    ]
    assert len(cookies) == 2
    for cookie in cookies:
        name, _, rest = cookie.partition("=")
        parts = {one.strip().lower() for one in rest.split(";")[1:]}
        assert name.startswith("__Host-"), cookie
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= parts, cookie
        assert not any(one.startswith("domain") for one in parts), cookie


async def test_each_sign_in_is_a_new_session_and_ends_the_old_one(world: World) -> None:
    name = session_cookie(world.service.settings)
    own = {"Origin": str(world.client.base_url).rstrip("/")}
    first = await world.browser(Role.CUSTOMER, world.cast.customer)
    again = await world.client.post("/demo/sign-in", data=persona(world), headers=first | own)
    [given] = again.headers.get_list("set-cookie")[-1:]
    second = {"Cookie": given.partition(";")[0]}
    assert second["Cookie"].startswith(f"{name}=")
    assert second != first
    world.client.cookies.clear()
    assert (await world.client.get("/dashboard", headers=second)).status_code == 200
    assert (await world.client.get("/dashboard", headers=first)).status_code == 401


async def test_one_may_sign_out_on_every_page(world: World) -> None:
    request_id = await world.book()
    for who, pages in (
        (world.customer, ("/", "/dashboard", "/intake?plan=free", f"/requests/{request_id}")),
        (world.customer, ("/messages", "/plans", f"/favourites/{world.cast.favorite}")),
        (world.mechanic(world.cast.favorite), ("/mechanic", "/mechanic/history")),
        (world.operator, ("/admin", f"/admin/requests/{request_id}", "/admin/flags")),
        (world.operator, ("/admin/analytics",)),
    ):
        for path in pages:
            page = await world.client.get(path, headers=who | {"Accept": "text/html"})
            assert page.status_code == 200, path
            assert page.text.count('method="post" action="/sign-out"') == 1, path


async def test_signing_out_clears_what_the_browser_keeps(world: World) -> None:
    own = {"Origin": str(world.client.base_url).rstrip("/")}
    signed_in = await world.browser(Role.CUSTOMER, world.cast.customer)
    gone = await world.client.post("/sign-out", headers=signed_in | own)
    assert gone.headers["clear-site-data"] == '"cache", "storage"'
    assert "Max-Age=0" in gone.headers["set-cookie"]
    assert (await world.client.get("/dashboard", headers=signed_in)).status_code == 401
