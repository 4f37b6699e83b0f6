"""A screen is always its person, on this machine only, in a frame of the stage only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from headstart.core.access import Role
from headstart.demonstration import stage
from headstart.demonstration.framing import Opened, showing, shown_by
from headstart.demonstration.people import Part
from headstart.demonstration.screens import Screen, service_at
from headstart.web.app import ROUTERS, create_app, routes
from headstart.web.doors import doors_of
from tests.web.conftest import World, world_on

PORT = 9001
HERE = f"http://127.0.0.1:{PORT}"
STAGE = "http://127.0.0.1:8000"
ELSEWHERE = ("203.0.113.9", 50_000)
ON_THIS_MACHINE = ("127.0.0.1", 50_000)


@asynccontextmanager
async def at(
    app: Any, client: tuple[str, int] = ON_THIS_MACHINE
) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who asks an application, from some address."""
    transport = httpx.ASGITransport(app=app, client=client)
    async with httpx.AsyncClient(transport=transport, base_url=HERE) as asking:
        yield asking


def screen_of(world: World) -> Screen:
    """The favourite's screen."""
    part = Part("favourite", "Her favourite", Role.MECHANIC, world.cast.favorite, "Fay")
    own = service_at(world.service, PORT)
    return Screen(create_app(own), own, part)


@pytest.fixture
async def screen(database: str) -> AsyncIterator[tuple[World, Screen]]:
    """The screen, and the world it shows."""
    async with world_on(database, looping=False) as world:
        yield world, screen_of(world)


async def test_whoever_the_browser_is_signed_in_as_the_screen_is_its_person(
    screen: tuple[World, Screen],
) -> None:
    world, app = screen
    carla = await world.browser(Role.CUSTOMER, world.cast.customer)
    async with at(app) as asking:
        for headers in ({}, {"Cookie": carla["Cookie"]}, {"Cookie": "x=1; headstart_session=0"}):
            answer = await asking.get("/mechanic", headers=headers)
            assert answer.status_code == 200
            assert "Fay" in answer.text
            assert "set-cookie" not in answer.headers
        assert (await asking.get("/dashboard")).status_code == 403
        signed_out = await asking.post("/sign-out", headers={"Origin": HERE})
        assert signed_out.status_code == 303
        assert "set-cookie" not in signed_out.headers
        assert (await asking.get("/mechanic")).status_code == 200
        assert (await asking.get("/")).headers["Location"] == "/mechanic"
        booking_key = await asking.get("/static/style.css", headers={"Cookie": "a=b"})
        assert booking_key.status_code == 200


async def test_nobody_else_gets_in(screen: tuple[World, Screen]) -> None:
    _, app = screen
    async with at(app, ELSEWHERE) as stranger:
        assert (await stranger.get("/mechanic")).status_code == 403
        assert (await stranger.get("/static/style.css")).status_code == 403
    async with at(app) as asking:
        rebound = await asking.get("/mechanic", headers={"Host": "evil.example"})
        assert rebound.status_code == 421
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": STAGE},
            {"Origin": HERE, "Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site"},
            {},  # a program that says nothing: the screen's own session is a cookie, too
        ):
            done = await asking.post("/mechanic/duty", data={"on_duty": "true"}, headers=headers)
            assert done.status_code == 403, headers
        assert (await asking.post("/demo/sign-in")).status_code == 404
        assert (await asking.get(stage.PAGE)).status_code == 404
        own = {"Origin": HERE, "Sec-Fetch-Site": "same-origin"}
        done = await asking.post("/mechanic/duty", data={"on_duty": "true"}, headers=own)
        assert done.status_code == 303


async def test_a_frame_is_opened_for_the_stage_and_for_nobody_else(
    screen: tuple[World, Screen],
) -> None:
    world, app = screen
    async with at(Opened(app, shown_by([STAGE]))) as asking:
        opened = (await asking.get("/mechanic")).headers
    closed = (await world.client.get("/mechanic")).headers
    policy = closed["Content-Security-Policy"]
    here = policy.replace("frame-ancestors 'none'", f"frame-ancestors {STAGE}")
    assert opened["Content-Security-Policy"] == here != policy
    assert "X-Frame-Options" not in opened
    async with at(Opened(app, showing([HERE]), "/mechanic")) as asking:
        shows = (await asking.get("/mechanic")).headers
        other = (await asking.get("/dashboard")).headers
    assert shows["Content-Security-Policy"] == f"{policy}; frame-src {HERE}"
    assert other["Content-Security-Policy"] == policy
    assert shows["X-Frame-Options"] == "DENY"


async def test_only_a_demo_has_a_stage(screen: tuple[World, Screen]) -> None:
    world, _ = screen
    ways = [(method, path) for method, path, _ in doors_of(routes(stage.router))]
    own = {(method, path) for method, path in ways if path.startswith(stage.PAGE)}
    assert len(own) == 5
    elsewhere = {path for _, path, _ in doors_of(routes())}
    assert not elsewhere & {path for _, path in own}
    assert not any(path.startswith(stage.PAGE) for one in ROUTERS for path in _paths(one))
    async with at(create_app(world.service, routes(stage.router)), ELSEWHERE) as stranger:
        for method, path in own:
            refused = await stranger.request(method, path, headers={"Origin": HERE})
            assert refused.status_code in (403, 404), (method, path)  # 404: there is no such scene


def _paths(router: Any) -> list[str]:
    return [str(getattr(one, "path", "")) for one in router.routes]
