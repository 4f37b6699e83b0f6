"""Signing in at the identity provider, and signing out."""

import re
from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from headstart.app.ports import DoesNotExist, Ending
from headstart.core.access import Operation
from headstart.identity.bearers import UnknownLogin
from headstart.identity.oidc import Provider
from headstart.identity.signing_in import AWAY_S_MAX, ProviderAway, SignInFailed
from headstart.web.doors import open_door
from headstart.web.people import Headstart, Speaker, speaker, unknown_login
from headstart.web.problems import Problem
from headstart.web.rendering import render
from headstart.web.service import Service
from headstart.web.sessions import HOME, begin_session, end_session

THEN_CHARACTERS_MAX = 500
_OUR_PAGE = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")  # neither //elsewhere nor /\elsewhere

log = structlog.get_logger()

router = APIRouter(dependencies=[open_door(Operation.SIGN_IN)])


@router.get("/sign-in")
async def sign_in(
    request: Request, service: Headstart, then: Annotated[str, Query()] = ""
) -> Response:
    """To the identity provider, and afterwards back to a page of ours."""
    if service.provider is None or _was_led_here(request):
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)
    try:
        departure = await service.provider.begin(then if _is_ours(then) else "")
    except ProviderAway as error:
        raise _away() from error
    answer = RedirectResponse(departure.address, HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        _note_cookie(service),
        departure.note,
        max_age=AWAY_S_MAX,
        httponly=True,
        secure=service.settings.is_https,
        samesite="lax",
        path="/",
    )
    return answer


@router.get("/sign-in/callback")
async def come_back(request: Request, service: Headstart) -> Response:
    """Back from the identity provider: a new page session, or a plain word about why not."""
    note = request.cookies.get(_note_cookie(service), "")
    if service.provider is None or not note:
        raise _failed()
    try:
        credential, then = await service.provider.finish(note, request.query_params)
        if (ending := await service.standing.ending(credential)) not in (None, Ending.SUSPENDED):
            raise SignInFailed(f"the login is {ending}")
        answer = RedirectResponse(then or HOME[credential.who.role], HTTPStatus.SEE_OTHER)
        await begin_session(request, answer, credential.who, credential.login)
    except (SignInFailed, DoesNotExist) as error:
        log.warning("sign_in_failed", reason=str(error))
        raise _failed() from error
    except UnknownLogin as error:
        raise unknown_login(error) from error
    except ProviderAway as error:
        raise _away() from error
    answer.delete_cookie(
        _note_cookie(service), path="/", secure=service.settings.is_https, httponly=True
    )
    return answer


@router.post("/sign-out")
async def sign_out(
    request: Request,
    service: Headstart,
    found: Annotated[Speaker | None, Depends(speaker)],
) -> Response:
    """Signed out here at once; the page then offers to sign out at the provider, too."""
    farewell = await _farewell(service.provider, found)
    answer: Response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    if farewell is not None:
        answer = render("signed_out.html", None, farewell=farewell)
    await end_session(request, answer)
    return answer


async def _farewell(provider: Provider | None, found: Speaker | None) -> str | None:
    login = found.credential.login if found else None
    if provider is None or login is None or login.issuer != provider.issuer:
        return None
    return await provider.farewell()


def _was_led_here(request: Request) -> bool:
    """By another site's page, and nobody pressed anything? Whoever is still signed in at the
    provider may not be asked there, and would be signed in here without knowing."""
    said = request.headers
    return said.get("sec-fetch-site") == "cross-site" and said.get("sec-fetch-user") != "?1"


def _is_ours(then: str) -> bool:
    return len(then) <= THEN_CHARACTERS_MAX and _OUR_PAGE.fullmatch(then) is not None


def _note_cookie(service: Service) -> str:
    return "__Host-headstart-note" if service.settings.is_https else "headstart_note"


def _failed() -> Problem:
    detail = "The sign-in did not work out, or took too long. Please start again."
    return Problem(HTTPStatus.BAD_REQUEST, "sign_in_failed", detail)


def _away() -> Problem:
    detail = "The sign-in service cannot be reached right now; please try again."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "sign_in_unavailable", detail)
