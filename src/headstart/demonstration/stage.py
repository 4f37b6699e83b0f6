"""The stage: three screens side by side, scenes to play on them, and a clock to move on."""

from collections.abc import Awaitable
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from headstart.app.intake import AlreadyBooked, BadIntake
from headstart.app.ports import PaymentsRefused, PaymentsUnavailable
from headstart.core.access import Operation
from headstart.demonstration.director import CannotPlay, Director
from headstart.demonstration.scenes import SCENES, Scene
from headstart.web import demo
from headstart.web.app import create_app, routes
from headstart.web.demo import on_loopback
from headstart.web.doors import open_door
from headstart.web.pages.home import STAGE
from headstart.web.problems import Problem, problem_of
from headstart.web.rendering import render
from headstart.web.service import Service

PAGE = "/demo/stage"
DIRECTOR = "headstart.director"
MINUTES_MAX = 60.0
_PRESSED_MEANWHILE = (
    "Somebody may have pressed something at a screen: the scene goes on from there."
)

router = APIRouter(
    prefix=PAGE,
    dependencies=[open_door(Operation.DEMO_USE), Depends(on_loopback)],
    include_in_schema=False,
)


def directed_by(director: Director, service: Service) -> ASGIApp:
    """The demo's application with the stage on it."""
    pages = create_app(service, routes(demo.router, router))

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        scope[DIRECTOR], scope[STAGE] = director, PAGE
        await pages(scope, receive, send)

    return serve


def _director(request: Request) -> Director:
    director: Director = request.scope[DIRECTOR]
    return director


def _scene(scene: str) -> Scene:
    found = next((one for one in SCENES if one.id == scene), None)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown_scene", "There is no such scene.")
    return found


Directing = Annotated[Director, Depends(_director)]


@router.get("")
async def show(director: Directing) -> HTMLResponse:
    """Everything on one page; what is said about an act that failed is said once."""
    said, director.said = director.said, None
    return render(
        "stage.html",
        None,
        scenes=SCENES,
        playing=director.performance,
        screens=director.screens,
        page_of_customer=director.page_of_customer,
        said=said,
        server_now=await director.clock(),
    )


@router.post("/scenes/{scene}")
async def begin(scene: Annotated[Scene, Depends(_scene)], director: Directing) -> RedirectResponse:
    """Play a scene from its beginning."""
    return await _acted(director, director.begin(scene))


@router.post("/next")
async def go_on(director: Directing) -> RedirectResponse:
    """The next step."""
    return await _acted(director, director.go_on())


@router.post("/minutes")
async def let_pass(
    director: Directing, minutes: Annotated[float, Form(gt=0, le=MINUTES_MAX)]
) -> RedirectResponse:
    """Let so much time pass."""
    return await _acted(director, director.let_pass(timedelta(minutes=minutes)))


@router.post("/deadline")
async def to_the_deadline(director: Directing) -> RedirectResponse:
    """Let time pass until the system would act by itself."""
    return await _acted(director, director.let_the_window_pass())


async def _acted(director: Director, act: Awaitable[None]) -> RedirectResponse:
    """Back to the page, which says why, if it could not be done."""
    try:
        await act
    except CannotPlay as reason:
        director.said = str(reason)
    except (Problem, AlreadyBooked, BadIntake, PaymentsUnavailable, PaymentsRefused) as error:
        director.said = f"{problem_of(error).detail} {_PRESSED_MEANWHILE}"
    return RedirectResponse(PAGE, HTTPStatus.SEE_OTHER)
