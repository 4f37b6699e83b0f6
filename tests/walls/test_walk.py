"""Every route that is not about one request, walked by everybody who may knock."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx
import pytest

from headstart.core.access import Role
from headstart.core.request import CustomerId
from headstart.lab.walls import ANSWERS, PAGES, WALK, WALK_IN_PRODUCTION, cells
from headstart.settings import Mode
from headstart.store.people import PeopleStore
from headstart.web import app as web_app
from headstart.web import demo
from headstart.web.doors import doors_of
from tests.web.conftest import PARTICULARS, World

PARAMETER = re.compile(r"{\w+}")
Headers = dict[str, str]


@dataclass(frozen=True, slots=True)
class Walkers:
    """Who knocks, and the first customer's payment, which is over."""

    headers: Mapping[str, Headers]
    checkout: str

    def body_of(self, route: str, world: World) -> dict[str, Any]:
        """What a route wants to be sent, so that only who asks decides."""
        cast = world.cast
        why = {"reason": "a test"}
        known = {"first_name": "Carla", "last_name": "Canary", **why}
        mechanic = {"name": "Fay", "status": "approved", **why}
        bodies: dict[str, dict[str, Any]] = {
            "POST /api/v1/intakes": {"json": {"plan": "standard"}},
            "PUT /api/v1/presence": {"json": {"on_duty": True}},
            "PUT /api/v1/customers/{id}": {"json": known},
            "PUT /api/v1/mechanics/{id}": {"json": mechanic},
            "PUT /api/v1/logins": {"json": {"issuer": "x", "subject": "y", **why}},
            "PUT /api/v1/flags/{id}": {"json": {"enabled": True, **why}},
            "POST /api/v1/operations/{id}/attempt": {"json": why},
            "POST /admin/operations/{id}/attempt": {"data": why},
            "POST /api/v1/money-troubles/{id}/dismissal": {"json": why},
            "POST /admin/troubles/{id}/dismissal": {"data": why},
            "GET /intake": {"params": {"plan": "standard"}},
            "POST /intake": {"data": {"plan": "standard", **PARTICULARS}},
            "GET /intake/success": {"params": {"session_id": self.checkout}},
            "POST /mechanic/duty": {"data": {"on_duty": "true"}},
            "POST /mechanic/offers/{id}/why-not": {"data": {"why": "busy"}},
            "POST /admin/flag": {"data": {"enabled": "true", "confirmed": "yes", **why}},
            "POST /demo/sign-in": {"data": {"role": "customer", "id": str(cast.customer)}},
            "POST /demo/clock": {"json": {"seconds": 0.001, **why}},
        }
        return bodies.get(route, {})


def path_of(route: str, world: World) -> str:
    """With ids in it: the favourite's wherever a mechanic is meant."""
    path = route.split()[1]
    if "/flags/" in path:
        return path.replace("{id}", "ENABLE_FAVORITES_PRIORITY")
    if "/analytics/" in path:
        return path.replace("{id}", "endings")
    if "/operations/" in path:
        return path.replace("{id}", "0")
    meant = world.cast.customer if "/customers/" in path else world.cast.favorite
    return path.replace("{id}", str(meant)).replace("/static", "/static/style.css")


@pytest.fixture
async def walkers(world: World) -> Walkers:
    """Two customers, three mechanics, one of them suspended, and an operator."""
    people, cast = world.service.people, world.cast
    assert isinstance(people, PeopleStore)
    stranger = CustomerId(uuid4())
    await people.add_customer(stranger, "Stan")
    await people.set_mechanic_status(cast.others[1], "suspended")
    headers = {
        "nobody": {},
        "customer": world.customer,
        "stranger": world.headers(Role.CUSTOMER, stranger),
        "favourite": world.mechanic(cast.favorite),
        "mechanic": world.mechanic(cast.others[0]),
        "suspended": world.mechanic(cast.others[1]),
        "operator": world.operator,
    }
    checkout = (await world.submit()).json()["checkout_url"]
    await world.sandbox.post(checkout, data={"action": "pay"})
    [request] = await world.requests()
    await world.order(request["session_id"], "cancellation", world.customer)
    return Walkers(headers, checkout.rpartition("/")[2])


async def answered(
    client: httpx.AsyncClient, route: str, path: str, headers: Headers, **body: Any
) -> str:
    """The status; a stream is not listened to."""
    async with client.stream(route.split()[0], path, headers=headers, **body) as answer:
        return str(answer.status_code)


async def differing(world: World, walkers: Walkers, client: httpx.AsyncClient, table: str) -> Any:
    """The cells that are answered otherwise."""
    return [
        f"{cell.row} by {cell.column}: {status}, not {cell.word}"
        for cell in cells(table)
        if (
            status := await answered(
                client,
                cell.row,
                path_of(cell.row, world),
                walkers.headers[cell.column] | {"Origin": world.service.settings.address},
                **walkers.body_of(cell.row, world),
            )
        )
        != cell.word
    ]


async def test_everybody_walks_every_route(world: World, walkers: Walkers) -> None:
    assert await differing(world, walkers, world.client, WALK) == []


async def test_in_production_there_is_no_demo_and_metrics_are_for_operators(
    world: World, walkers: Walkers
) -> None:
    in_production = world.service.settings.model_copy(update={"mode": Mode.PRODUCTION})
    app = web_app.create_app(replace(world.service, settings=in_production))
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        assert await differing(world, walkers, client, WALK_IN_PRODUCTION) == []


def test_every_route_is_walked() -> None:
    every = doors_of(web_app.routes(demo.router))
    exist = {f"{method} {path}" for method, path, _ in every if method != "HEAD"}
    about_a_request = {*ANSWERS, *PAGES}
    assert about_a_request <= exist
    walked = {cell.row for cell in cells(WALK)}
    assert walked == {PARAMETER.sub("{id}", route) for route in exist - about_a_request}
