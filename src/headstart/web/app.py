"""The web application: routers, and the edges around them."""

from copy import copy

from fastapi import APIRouter, Depends, FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import State
from starlette.types import ASGIApp

from headstart import __version__
from headstart.settings import Mode
from headstart.web import api, demo, health, logins, operators, pages, stream, webhook
from headstart.web.asyncapi import route as asyncapi
from headstart.web.doors import require_doors
from headstart.web.edges import guarded
from headstart.web.edges.limits import Limits, within_limits
from headstart.web.integrity import STATIC
from headstart.web.openapi import install_document
from headstart.web.problems import install_problem_handlers
from headstart.web.service import Service

FOR_PEOPLE = (
    api.router,
    operators.router,
    logins.router,
    stream.router,
    asyncapi.router,
    pages.router,
)
FOR_MACHINES = (webhook.router, health.router)
ROUTERS = (*FOR_PEOPLE, *FOR_MACHINES)


def create_app(service: Service, *more: APIRouter) -> ASGIApp:
    """The application, behind its edges, on a service that is put together and whose loops run."""
    return behind_edges(build(service, *more))


def build(service: Service, *more: APIRouter) -> FastAPI:
    """The application without its edges; ``more``: what only a demo has."""
    app = FastAPI(
        title="Headstart",
        version=__version__,
        description="The customer's favourite mechanic gets a head start on a paid job.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        redirect_slashes=False,
    )
    _serve(app, service)
    install_problem_handlers(app, pages.present)
    for router in FOR_PEOPLE:
        app.include_router(router, dependencies=[Depends(within_limits)])
    for router in (*FOR_MACHINES, *more):
        app.include_router(router)
    if service.settings.mode is not Mode.PRODUCTION:
        app.include_router(demo.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    require_doors(app)
    install_document(app)
    return app


def twin(app: FastAPI, service: Service) -> FastAPI:
    """The same application on another service. It shares the routes, so it costs nothing."""
    other = copy(app)
    other.state, other.middleware_stack = State(), None
    _serve(other, service)
    return other


def behind_edges(app: FastAPI) -> ASGIApp:
    """What may be reached from the network."""
    state = app.state
    return guarded(app, state.service.settings, state.limits, pages.present)


def _serve(app: FastAPI, service: Service) -> None:
    app.state.service = service
    app.state.limits = Limits.of(service.settings)
