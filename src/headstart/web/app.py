"""The web application: routers, and the edges around them."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp

from headstart import __version__
from headstart.settings import Mode
from headstart.web import api, demo, health, logins, operators, pages, stream, webhook
from headstart.web.doors import require_doors
from headstart.web.edges import BodyLimit, SecurityHeaders, security_headers
from headstart.web.problems import install_problem_handlers
from headstart.web.service import Service

STATIC = Path(__file__).parent / "static"
STRIPE_PAGE_ORIGIN = "https://checkout.stripe.com"
ROUTERS = (
    *(api.router, operators.router, logins.router, stream.router, webhook.router),
    *(pages.router, health.router),
)


def create_app(service: Service) -> ASGIApp:
    """The application on a service that is put together and whose loops run."""
    app = FastAPI(
        title="Headstart",
        version=__version__,
        description="The customer's favourite mechanic gets a head start on a paid job.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        redirect_slashes=False,
    )
    app.state.service = service
    install_problem_handlers(app, pages.present)
    for router in ROUTERS:
        app.include_router(router)
    if service.settings.mode is not Mode.PRODUCTION:
        app.include_router(demo.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    require_doors(app)
    payment_page = service.settings.stripe_api_base or STRIPE_PAGE_ORIGIN
    return SecurityHeaders(BodyLimit(app), security_headers(payment_page))
