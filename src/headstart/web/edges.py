"""What every answer carries and every request may weigh, as plain ASGI (streams pass untouched)."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headstart.web.problems import Problem

BODY_BYTES_MAX = 64 * 1024  # of everything but webhooks, which have a limit of their own
_LIMITED_BY_THEIR_ROUTE = "/webhooks/"


def security_headers(payment_page_origin: str) -> Mapping[str, str]:
    """Nothing inline, nothing foreign; forms may lead to the payment page and nowhere else."""
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; media-src 'self'; manifest-src 'self'; "
        f"form-action 'self' {payment_page_origin}; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


class SecurityHeaders:
    """Adds the headers to every answer; what shows a person's data is not stored anywhere."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class BodyLimit:
    """413 for a body over BODY_BYTES_MAX, declared or not; reading stops at the limit."""

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
    """One request whose size was not declared, or falsely."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._read = 0

    async def pass_on(self, app: ASGIApp, scope: Scope) -> None:
        """Let the application answer, unless the body turns out to be too large."""
        await app(scope, self._receive_limited, self._send_unless_too_large)
        if self._is_too_large:
            await _too_large().response()(scope, self._receive, self._send)

    @property
    def _is_too_large(self) -> bool:
        return self._read > BODY_BYTES_MAX

    async def _receive_limited(self) -> Message:
        message = await self._receive()
        self._read += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self._is_too_large else message

    async def _send_unless_too_large(self, message: Message) -> None:
        if not self._is_too_large:
            await self._send(message)


def _too_large() -> Problem:
    detail = f"At most {BODY_BYTES_MAX} bytes."
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", detail)
