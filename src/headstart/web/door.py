"""Who may open a socket, and what their tokens prove."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import structlog
from starlette.datastructures import Headers

from headstart.app.ports import Credential
from headstart.identity.bearers import BadToken, Bearers, UnknownLogin
from headstart.identity.standing import Standing
from headstart.realtime.reasons import End
from headstart.realtime.socket import Head, Refusal
from headstart.settings import Settings
from headstart.web.edges.buckets import Buckets, Quota
from headstart.web.edges.gate import Rules
from headstart.web.edges.hosts import neighbourhood
from headstart.web.edges.limits import too_many_requests

HEAD_CODING = ("ascii", "surrogateescape")  # as `websockets` reads what is no ASCII

log = structlog.get_logger()


class TokenDoor:
    """Bearer tokens, good for as long as they say and the person's standing lasts."""

    def __init__(self, bearers: Bearers, standing: Standing) -> None:
        self._bearers = bearers
        self._standing = standing

    async def read(self, token: str) -> Credential | None:
        """Who bears this token; None for one that is not good."""
        try:
            return await self._bearers.read(token)
        except (BadToken, UnknownLogin):
            return None

    async def is_good(self, credential: Credential) -> bool:
        """Does it still hold, as of now?"""
        return await self._standing.ending(credential) is None

    def watch(
        self, credential: Credential, on_end: Callable[[End], None]
    ) -> AbstractContextManager[object]:
        """Be told once when it ends, and why."""
        return self._standing.watch(credential, lambda ending: on_end(End.of(ending)))


class SocketGate:
    """The gate of HTTP, for handshakes. An address whose connections lead nowhere, again and again,
    opens no more of them for a while; one that joins something is free, however many they are."""

    def __init__(self, settings: Settings, now: Callable[[], float] = time.monotonic) -> None:
        self._rules = Rules.of(settings)
        self._in_vain = Buckets(Quota("handshakes", settings.rate_address_per_minute), now)

    def judge(self, head: Head) -> str | Refusal:
        """The address of whoever comes; or why not."""
        path, _, query = head.target.partition("?")
        raw = [
            (name.lower().encode(*HEAD_CODING), value.encode(*HEAD_CODING))
            for name, value in head.headers
        ]
        scope = {
            "path": path,
            "raw_path": path.encode(*HEAD_CODING),
            "query_string": query.encode(*HEAD_CODING),
            "headers": raw,
            "client": (head.peer, 0),
        }
        headers = Headers(raw=raw)
        client = neighbourhood(self._rules.client(scope, headers))
        problem = self._rules.problem_of_handshake(scope, headers)
        if problem is None and not (allowance := self._in_vain.look(client)).granted:
            problem = too_many_requests(allowance)
        if problem is None:
            return client
        log.warning("refused_at_the_gate", code=problem.code, client=client)
        self.in_vain(client)
        return Refusal(problem.status, problem.detail, problem.headers or {})

    def in_vain(self, client: str) -> None:
        """A connection of theirs has ended, and never joined anything."""
        self._in_vain.take(client)
