"""No route without a row of the table: it cannot be built."""

import pytest
from fastapi import APIRouter, FastAPI

from headstart.core.access import Operation
from headstart.web import demo
from headstart.web.app import ROUTERS
from headstart.web.doors import FILES, door, doors_of, open_door, require_doors


def app_with(*routers: APIRouter) -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for router in routers:
        app.include_router(router)
    return app


async def nothing() -> None:
    """An endpoint."""


def test_a_route_that_names_no_operation_cannot_be_built() -> None:
    router = APIRouter(dependencies=[open_door(Operation.FRONT_READ)])
    router.add_api_route("/named", nothing)
    require_doors(app_with(router))
    forgetful = APIRouter(prefix="/x")
    forgetful.add_api_route("/unnamed", nothing)
    with pytest.raises(TypeError, match="GET /x/unnamed must name one operation, not 0"):
        require_doors(app_with(router, forgetful))


def test_a_route_that_names_two_cannot_either() -> None:
    router = APIRouter()
    both = [door(Operation.FLAG_READ), door(Operation.FLAG_WRITE)]
    router.add_api_route("/flags", nothing, dependencies=both)
    with pytest.raises(TypeError, match="not 2"):
        require_doors(app_with(router))


def test_a_mounted_application_has_no_door() -> None:
    app = app_with(APIRouter())
    app.mount("/other", FastAPI())
    with pytest.raises(TypeError, match="/other"):
        require_doors(app)


def test_a_door_is_open_exactly_where_the_table_is() -> None:
    with pytest.raises(AssertionError):
        open_door(Operation.FLAG_READ)
    with pytest.raises(AssertionError):
        door(Operation.FRONT_READ)


def test_a_safe_method_changes_nothing() -> None:
    """But for a booking's way back from the payment page, which settles what Stripe says was paid,
    and a sign-in, which answers the browser that began it; the first pages of a booking show."""
    reading = (".read", ".list", ".audit", ".open")
    app = app_with(*ROUTERS, demo.router)
    others = {
        path
        for method, path, names in doors_of(app)
        if method in ("GET", "HEAD") and path not in FILES
        if not all(one.label.endswith(reading) for one in names)
    }
    assert others == {"/plans", "/intake", "/intake/success", "/sign-in", "/sign-in/callback"}


def test_every_row_of_the_table_has_a_route() -> None:
    app = app_with(*ROUTERS, demo.router)
    named = {one for _, path, names in doors_of(app) for one in names if path not in FILES}
    assert named == set(Operation)
