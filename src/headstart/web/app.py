"""The web application: routers, edges, health."""

import asyncio
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp

from headstart import __version__
from headstart.app.ports import Unavailable
from headstart.core.access import Role
from headstart.settings import Mode
from headstart.web import api, demo, operators, pages, stream, webhook
from headstart.web.edges import BodyLimit, SecurityHeaders, security_headers
from headstart.web.people import Visitor, require_role, signed_in
from headstart.web.problems import install_problem_handlers
from headstart.web.service import Service

READY_PATIENCE_S = 2.0
SWEEP_SILENCE_S_MAX = 10.0
STATIC = Path(__file__).parent / "static"
STRIPE_PAGE_ORIGIN = "https://checkout.stripe.com"


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
    for router in (api.router, operators.router, stream.router, webhook.router, pages.router):
        app.include_router(router)
    if service.settings.mode is not Mode.PRODUCTION:
        app.include_router(demo.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    _add_health(app, service)
    payment_page = service.settings.stripe_api_base or STRIPE_PAGE_ORIGIN
    return SecurityHeaders(BodyLimit(app), security_headers(payment_page))


def _add_health(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        try:
            async with asyncio.timeout(READY_PATIENCE_S):
                now = await service.requests.clock()
        except (Unavailable, TimeoutError):
            body: dict[str, object] = {"ready": False, "database": "unreachable"}
            return JSONResponse(body, HTTPStatus.SERVICE_UNAVAILABLE)
        silence_s = service.deadlines.silence_s
        body = {
            "ready": silence_s < SWEEP_SILENCE_S_MAX,
            "server_now": now.isoformat(),
            "deadlines_swept_s_ago": round(silence_s, 3),
            "feed_held_up_s": round(service.feed.stall_s, 3),
        }
        return JSONResponse(body, 200 if body["ready"] else HTTPStatus.SERVICE_UNAVAILABLE)

    @app.get("/metrics", include_in_schema=False)
    async def metrics(who: Visitor) -> Response:
        if service.settings.mode is Mode.PRODUCTION:  # counters tell of jobs that are not yet open
            require_role(signed_in(who), Role.OPERATOR)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
