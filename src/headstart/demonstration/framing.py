"""Which pages of the demo may stand in a frame, and where. Everywhere else, none may.

The headers are made by the edges, or by the sandbox; here they are only opened, for exactly these
addresses of this machine. Nothing outside the demo imports this.
"""

from collections.abc import Callable, Sequence

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "Content-Security-Policy"
NOWHERE = "frame-ancestors 'none'"

Opening = Callable[[MutableHeaders], None]


def shown_by(origins: Sequence[str]) -> Opening:
    """Pages that may stand in a frame of a page of these origins."""

    def open_up(headers: MutableHeaders) -> None:
        policy = headers.get(POLICY, "")
        if NOWHERE in policy:
            headers[POLICY] = policy.replace(NOWHERE, f"frame-ancestors {' '.join(origins)}")
            del headers["X-Frame-Options"]  # it knows no addresses

    return open_up


def showing(origins: Sequence[str]) -> Opening:
    """Pages that may show pages of these origins in a frame."""

    def open_up(headers: MutableHeaders) -> None:
        if POLICY in headers:
            headers[POLICY] = f"{headers[POLICY]}; frame-src {' '.join(origins)}"

    return open_up


class Opened:
    """An application whose answers, below ``path``, are opened in this way."""

    def __init__(self, app: ASGIApp, opening: Opening, path: str = "/") -> None:
        self._app = app
        self._opening = opening
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or not scope["path"].startswith(self._path):
            await self._app(scope, receive, send)
            return

        async def send_opened(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._opening(MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, send_opened)
