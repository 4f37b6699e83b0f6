"""Everything about a request that can be judged by its head alone."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

import structlog
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from headstart.settings import Settings
from headstart.web.edges.hosts import Hosts, Proxies
from headstart.web.edges.origins import FOREIGN, Origins
from headstart.web.problems import Problem, forbidden

CLIENT = "headstart.client"
"""Where the client's address stands in the scope, once a trusted proxy has been believed."""

HEADER_BYTES_MAX = 16 * 1024
HEADERS_MAX = 100
TARGET_BYTES_MAX = 8 * 1024
ANY_HOST = frozenset({"/healthz", "/readyz"})  # probes call a machine by its address

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may come in, by the head alone: of a request, or of the handshake of a socket."""

    hosts: Hosts
    proxies: Proxies
    origins: Origins

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As configured."""
        return cls(Hosts.of(settings), Proxies.of(settings), Origins.of(settings))

    def client(self, scope: Scope, headers: Headers) -> str:
        """The address of whoever asks, once a trusted proxy has been believed."""
        peer = scope["client"][0] if scope.get("client") else ""
        return self.proxies.client(peer, headers.getlist("x-forwarded-for"))

    def problem(self, scope: Scope, headers: Headers) -> Problem | None:
        """Why a request is not taken."""
        path = scope["path"]
        if (wrong := _too_long(scope) or self._not_for_us(path, headers)) is not None:
            return wrong
        foreign = self.origins.refuse(scope["method"], path, headers)
        return forbidden(foreign) if foreign else None

    def problem_of_handshake(self, scope: Scope, headers: Headers) -> Problem | None:
        """Why a socket is not opened. It is opened to no cookie: a token comes with each join."""
        if (wrong := _too_long(scope) or self._not_for_us(scope["path"], headers)) is not None:
            return wrong
        origins = headers.getlist("origin")
        admitted = len(origins) < 2 and self.origins.admits(origins[0] if origins else None)
        return None if admitted else forbidden(FOREIGN)

    def _not_for_us(self, path: str, headers: Headers) -> Problem | None:
        hosts = headers.getlist("host")
        if path in ANY_HOST or (len(hosts) == 1 and self.hosts.know(hosts[0])):
            return None
        detail = "There is no such service under this name."
        return Problem(HTTPStatus.MISDIRECTED_REQUEST, "unknown_host", detail)


class Gate:
    """Lets a request pass, or answers it: too long, not for us, or from another site's page."""

    def __init__(
        self, app: ASGIApp, rules: Rules, present: Callable[[Scope, Problem], Response]
    ) -> None:
        self._app = app
        self._rules = rules
        self._present = present

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Handshakes of the socket do not come this way."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scope[CLIENT] = self._rules.client(scope, headers)
        problem = self._rules.problem(scope, headers)
        if problem is None:
            await self._app(scope, receive, send)
            return
        log.warning("refused_at_the_gate", code=problem.code, client=scope[CLIENT])
        await self._present(scope, problem)(scope, receive, send)


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
