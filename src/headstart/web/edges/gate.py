"""Everything about a request that can be judged by its head alone."""

from collections.abc import Callable
from http import HTTPStatus

import structlog
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from headstart.web.edges.hosts import Hosts, Proxies
from headstart.web.edges.origins import Origins
from headstart.web.problems import Problem, forbidden

CLIENT = "headstart.client"
"""Where the client's address stands in the scope, once a trusted proxy has been believed."""

HEADER_BYTES_MAX = 16 * 1024
HEADERS_MAX = 100
TARGET_BYTES_MAX = 8 * 1024
ANY_HOST = frozenset({"/healthz", "/readyz"})  # probes call a machine by its address

log = structlog.get_logger()


class Gate:
    """Lets a request pass, or answers it: too long, not for us, or from another site's page."""

    def __init__(
        self,
        app: ASGIApp,
        hosts: Hosts,
        proxies: Proxies,
        origins: Origins,
        present: Callable[[Scope, Problem], Response],
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._proxies = proxies
        self._origins = origins
        self._present = present

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one handshake (which is the socket's own to judge)."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        peer = scope["client"][0] if scope.get("client") else ""
        scope[CLIENT] = self._proxies.client(peer, headers.getlist("x-forwarded-for"))
        problem = self._problem(scope, headers) if scope["type"] == "http" else None
        if problem is None:
            await self._app(scope, receive, send)
            return
        log.warning("refused_at_the_gate", code=problem.code, client=scope[CLIENT])
        await self._present(scope, problem)(scope, receive, send)

    def _problem(self, scope: Scope, headers: Headers) -> Problem | None:
        path = scope["path"]
        if (too_long := _too_long(scope)) is not None:
            return too_long
        if path not in ANY_HOST and not self._is_for_us(headers):
            detail = "There is no such service under this name."
            return Problem(HTTPStatus.MISDIRECTED_REQUEST, "unknown_host", detail)
        foreign = self._origins.refuse(scope["method"], path, headers)
        return forbidden(foreign) if foreign else None

    def _is_for_us(self, headers: Headers) -> bool:
        hosts = headers.getlist("host")
        return len(hosts) == 1 and self._hosts.know(hosts[0])


def _too_long(scope: Scope) -> Problem | None:
    """A head that no client of ours has."""
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > TARGET_BYTES_MAX:
        detail = f"At most {TARGET_BYTES_MAX} bytes of address."
        return Problem(HTTPStatus.REQUEST_URI_TOO_LONG, "address_too_long", detail)
    headers = scope["headers"]
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > HEADERS_MAX or size > HEADER_BYTES_MAX:
        detail = f"At most {HEADERS_MAX} headers, and {HEADER_BYTES_MAX} bytes of them."
        return Problem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", detail)
    return None
