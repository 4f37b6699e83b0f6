"""Who sends this request: a bearer token, or the page session in a cookie."""

from typing import Annotated

from fastapi import Depends, Request

from headstart.core.access import Principal
from headstart.identity.tokens import BadToken
from headstart.web.problems import forbidden, unauthenticated
from headstart.web.service import Service

SESSION_COOKIE = "headstart_session"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def service_of(request: Request) -> Service:
    """The service behind this web application."""
    service: Service = request.app.state.service
    return service


def visitor(request: Request) -> Principal | None:
    """Whoever is signed in, or nobody. A bad token is never taken for nobody."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    tokens = service_of(request).tokens
    try:
        if scheme:
            if scheme.lower() != "bearer":
                raise BadToken
            return tokens.read(token.strip())
        cookie = request.cookies.get(SESSION_COOKIE)
        who = tokens.read(cookie) if cookie else None
    except BadToken as error:
        if scheme:
            raise unauthenticated() from error
        return None
    if who is not None:
        _refuse_foreign_page(request)
    return who


def signed_in(who: Annotated[Principal | None, Depends(visitor)]) -> Principal:
    """Somebody, or 401."""
    if who is None:
        raise unauthenticated()
    return who


def _refuse_foreign_page(request: Request) -> None:
    """A cookie alone must not let another site's page act for its owner (CSRF)."""
    if request.method in _SAFE_METHODS:
        return
    origin = request.headers.get("origin")
    if origin is None and request.headers.get("sec-fetch-site") in (None, "same-origin", "none"):
        return
    if origin is None or origin.partition("://")[2] != request.headers.get("host"):
        raise forbidden("This request came from another site's page.")


SignedIn = Annotated[Principal, Depends(signed_in)]
Visitor = Annotated[Principal | None, Depends(visitor)]
Headstart = Annotated[Service, Depends(service_of)]
