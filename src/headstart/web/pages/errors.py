"""Every "no" as a page, for people; programs get the problem document."""

from collections.abc import Mapping
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response

from headstart.web.people import recognised, service_of
from headstart.web.problems import Problem
from headstart.web.rendering import Person, render
from headstart.web.sessions import HOME

_FOR_PROGRAMS = ("/api/", "/webhooks/", "/demo/", "/static/", "/healthz", "/readyz", "/metrics")
_CURED_BY_SIGNING_IN = frozenset({"unauthenticated", "sign_in_failed", "sign_in_unavailable"})
_TITLES: Mapping[int | str, str] = {
    "sign_in_failed": "You are not signed in",
    "sign_in_unavailable": "One moment, please",
    "unknown_login": "We do not know you yet",
    400: "That request could not be read",
    401: "Nobody is signed in here",
    403: "This page is for somebody else",
    404: "There is no such page",
    405: "That is not how this page works",
    413: "That was too much at once",
    422: "Something is not right yet",
    429: "One moment, please",
    503: "One moment, please",
}
_SENTENCES = {
    401: "Sign in to see this page.",
    403: "You are signed in, but not as somebody this page is for.",
    404: "It never existed, or it is not yours to see.",
    405: "Go back, and use the buttons on the page.",
}


def present(request: Request, problem: Problem) -> Response:
    """A page when a browser asks for one; the answer's status and headers are the same."""
    wants_page = "text/html" in request.headers.get("accept", "")
    if not wants_page or request.url.path.startswith(_FOR_PROGRAMS):
        return problem.response()
    who = recognised(request)
    return render(
        "error.html",
        Person(who.role, who.id, "") if who else None,
        status=problem.status,
        headers=problem.headers,
        title=_TITLES.get(problem.code) or _TITLES.get(problem.status, "Something went wrong"),
        sentence=problem.detail
        if problem.code in _TITLES
        else _SENTENCES.get(problem.status, problem.detail),
        home=HOME[who.role] if who else "/",
        sign_in=_sign_in(request) if problem.code in _CURED_BY_SIGNING_IN else None,
    )


def _sign_in(request: Request) -> str | None:
    """Where to sign in, and to come back from to this page; None where nobody can."""
    if service_of(request).provider is None:
        return None
    if request.method != "GET" or request.url.path.startswith("/sign-in"):
        return "/sign-in"
    there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/sign-in?then={quote(there, safe='')}"
