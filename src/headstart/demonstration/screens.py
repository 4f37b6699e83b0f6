"""A screen: the real pages at an address of their own, where one person is always signed in.

Browsers keep one cookie jar for all ports of a machine, and some keep none for frames. So nobody
signs in here: the screen itself bears the session, and the browser neither has it nor needs it.
"""

import dataclasses
from http import HTTPStatus
from http.cookies import SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headstart.app.intake import Addresses
from headstart.app.ports import Ending
from headstart.demonstration.people import Part
from headstart.web.demo import is_loopback
from headstart.web.people import session_cookie
from headstart.web.problems import Problem, forbidden
from headstart.web.service import Service
from headstart.web.sessions import HOME

STREAM = "/api/v1/stream"
LOOK_AGAIN = b"event: resync\ndata: {}\n\n"
_SAME_FOR_ALL = "/static/"


def service_at(service: Service, port: int) -> Service:
    """The same service under another port: what it links to, and who is sent back, stays there."""
    settings = service.settings.model_copy(update={"port": port, "public_url": None})
    desk = service.desk.returning_to(Addresses(settings.address))
    return dataclasses.replace(service, settings=settings, desk=desk)


class Screen:
    """One person's pages. ``app`` is the application on ``service``, the person's own."""

    def __init__(self, app: ASGIApp, service: Service, part: Part) -> None:
        self.part = part
        self.address = service.settings.address
        self._app = app
        self._service = service
        self._cookie = session_cookie(service.settings)
        self._secret: str | None = None
        self._streams: set[Send] = set()

    async def look_again(self) -> None:
        """Have every open page of this person fetch itself again, as after a gap in its news."""
        more = {"type": "http.response.body", "body": LOOK_AGAIN, "more_body": True}
        for tell in list(self._streams):
            await tell(more)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, from this machine, signed in as this person whatever the browser says."""
        if scope["type"] != "http":
            return
        if not is_loopback(scope.get("client")):
            await forbidden("Screens are for people on this machine.").response()(
                scope, receive, send
            )
        elif scope["path"] == "/":
            home = RedirectResponse(HOME[self.part.role], HTTPStatus.SEE_OTHER)
            await home(scope, receive, send)
        elif scope["path"].startswith("/demo/"):
            nothing = Problem(HTTPStatus.NOT_FOUND, "not_found", "A screen is always its person.")
            await nothing.response()(scope, receive, send)
        elif scope["path"].startswith(_SAME_FOR_ALL):
            await self._app(scope, receive, send)
        else:
            await self._as_its_person(scope, receive, send)

    async def _as_its_person(self, scope: Scope, receive: Receive, send: Send) -> None:
        signed_in = {**scope, "headers": await self._headers(scope)}

        async def send_without_session(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._withhold_session(MutableHeaders(scope=message))
                if scope["path"] == STREAM and message["status"] == HTTPStatus.OK:
                    self._streams.add(send)
            await send(message)

        try:
            await self._app(signed_in, receive, send_without_session)
        finally:
            self._streams.discard(send)

    async def _headers(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        """Without the session this browser may have at the demo's own address, and with ours."""
        kept = SimpleCookie(Headers(scope=scope).get("cookie", ""))
        kept.pop(self._cookie, None)
        pairs = [f"{name}={one.coded_value}" for name, one in kept.items()]
        pairs.append(f"{self._cookie}={await self._session()}")
        others = [(name, value) for name, value in scope["headers"] if name != b"cookie"]
        return [*others, (b"cookie", "; ".join(pairs).encode("latin-1"))]

    async def _session(self) -> str:
        """The secret of a session that is good; a new one when the last one has ended."""
        found = await self._service.sessions.find(self._secret) if self._secret else None
        ending = await self._service.standing.ending(found) if found else Ending.SIGNED_OUT
        if self._secret is None or ending not in (None, Ending.SUSPENDED):
            self._secret = await self._service.sessions.begin(self.part.principal, None)
        return self._secret

    def _withhold_session(self, headers: MutableHeaders) -> None:
        given = headers.getlist("set-cookie")
        del headers["set-cookie"]
        for one in given:
            if not one.startswith(f"{self._cookie}="):
                headers.append("set-cookie", one)
