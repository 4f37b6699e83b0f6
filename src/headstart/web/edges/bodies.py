"""How much a request may weigh, and how long it may take to arrive."""

import asyncio
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headstart.web.problems import Problem

BODY_BYTES_MAX = 64 * 1024  # of everything but webhooks, which have limits of their own
BODY_PATIENCE_S = 10.0
_LIMITED_BY_THEIR_ROUTE = "/webhooks/"
_HANG_UP = {"Connection": "close"}  # nobody waits for the rest


class BodyLimit:
    """413 for a body over BODY_BYTES_MAX, declared or not, and 408 for one that has not arrived
    after BODY_PATIENCE_S; reading stops at the limit."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"].startswith(_LIMITED_BY_THEIR_ROUTE):
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared) > BODY_BYTES_MAX:
            await _too_large().response()(scope, receive, send)
            return
        await _Limited(receive, send).pass_on(self._app, scope)


class _Limited:
    """One request whose size was not declared, or falsely, or that comes in drops."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._until = asyncio.get_running_loop().time() + BODY_PATIENCE_S
        self._read = 0
        self._is_whole = False
        self._problem: Problem | None = None
        self._has_answered = False

    async def pass_on(self, app: ASGIApp, scope: Scope) -> None:
        """Let the application answer, unless the body turns out to be too large or too slow."""
        await app(scope, self._receive_limited, self._send_unless_refused)
        if self._problem is not None and not self._has_answered:
            await self._problem.response()(scope, self._receive, self._send)

    async def _receive_limited(self) -> Message:
        if self._is_whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            self._problem = _too_slow()
            return {"type": "http.disconnect"}
        self._is_whole = not message.get("more_body", False)
        self._read += len(message.get("body", b""))
        if self._read > BODY_BYTES_MAX:
            self._problem = _too_large()
            return {"type": "http.disconnect"}
        return message

    async def _send_unless_refused(self, message: Message) -> None:
        if self._problem is None or self._has_answered:
            self._has_answered = True
            await self._send(message)


def _too_large() -> Problem:
    detail = f"At most {BODY_BYTES_MAX} bytes."
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", detail)


def _too_slow() -> Problem:
    detail = "The body did not arrive in time."
    return Problem(HTTPStatus.REQUEST_TIMEOUT, "too_slow", detail, headers=_HANG_UP)
