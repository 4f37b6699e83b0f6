"""The web application: routers, and the edges around them."""

from functools import cache

from fastapi import APIRouter, Depends, FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from headstart import __version__
from headstart.settings import Mode
from headstart.web import api, demo, health, logins, operators, pages, stream, webhook
from headstart.web.asyncapi import route as asyncapi
from headstart.web.doors import require_doors
from headstart.web.edges import guarded
from headstart.web.edges.limits import LIMITS, Limits, within_limits
from headstart.web.integrity import STATIC
from headstart.web.openapi import install_document
from headstart.web.people import SERVICE
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


def create_app(service: Service, app: FastAPI | None = None) -> ASGIApp:
    """An application, or else the usual one, behind its edges, on a service that is put together
    and whose loops run."""
    app = app or _usual(with_demo=service.settings.mode is not Mode.PRODUCTION)
    limits = Limits.of(service.settings)
    behind_edges = guarded(app, service.settings, limits, pages.present)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        scope[SERVICE], scope[LIMITS] = service, limits
        await behind_edges(scope, receive, send)

    return serve


@cache
def _usual(*, with_demo: bool) -> FastAPI:
    return routes(demo.router) if with_demo else routes()


def routes(*more: APIRouter) -> FastAPI:
    """Every route there is, and some more. Each request says which service is behind it."""
    app = FastAPI(
        title="Headstart",
        version=__version__,
        description="The customer's favourite mechanic gets a head start on a paid job.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        redirect_slashes=False,
    )
    install_problem_handlers(app, pages.present)
    for router in FOR_PEOPLE:
        app.include_router(router, dependencies=[Depends(within_limits)])
    for router in (*FOR_MACHINES, *more):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    require_doors(app)
    install_document(app)
    return app
