"""How often somebody may ask: by person once they are known, by address until then.

A legitimate accept is never limited. It has a bucket of its own that nothing else empties, no
address is asked about it, and one that succeeds, or fails by our fault, is given back: only what
leads nowhere counts.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

import structlog
from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headstart.core.access import Principal
from headstart.settings import Settings
from headstart.telemetry import LIMITED
from headstart.web.edges.buckets import Allowance, Buckets, Quota
from headstart.web.edges.gate import CLIENT
from headstart.web.edges.hosts import neighbourhood
from headstart.web.people import Visitor
from headstart.web.problems import Problem

CHARGED = "headstart.charged"
LIMITS = "headstart.limits"
NOT_LIMITED = ("/static/", "/healthz", "/readyz", "/webhooks/")  # cached, probed, or signed
BOOKINGS = frozenset({"/api/v1/intakes", "/intake"})
_CREDENTIALS = frozenset({b"authorization", b"cookie"})

log = structlog.get_logger()


@dataclass(slots=True)
class Charged:
    """Which bucket has paid for a request; none yet at first."""

    allowance: Allowance | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The buckets of one process."""

    accepts: Buckets
    bookings: Buckets
    people: Buckets
    addresses: Buckets

    @classmethod
    def of(cls, settings: Settings, now: Callable[[], float] = time.monotonic) -> Self:
        """As configured, all full."""
        return cls(
            accepts=Buckets(Quota("accepts", settings.rate_accepts_per_minute), now),
            bookings=Buckets(Quota("bookings", settings.rate_bookings_per_minute), now),
            people=Buckets(Quota("person", settings.rate_person_per_minute), now),
            addresses=Buckets(Quota("address", settings.rate_address_per_minute), now),
        )

    def buckets_for(self, method: str, path: str) -> Buckets:
        """Which buckets of a known person pay for this."""
        if method == "POST" and path.endswith("/acceptance"):
            return self.accepts
        if method == "POST" and path in BOOKINGS:
            return self.bookings
        return self.people

    def charge(self, who: Principal, scope: Scope) -> None:
        """A known person pays; Problem 429 when they have asked for too much."""
        buckets = self.buckets_for(scope["method"], scope["path"])
        allowance = buckets.take(f"{who.role.value}:{who.id}")
        charged: Charged | None = scope.get(CHARGED)
        if charged is not None:
            charged.allowance = allowance
        if not allowance.granted:
            raise too_many_requests(allowance)

    def settle(self, allowance: Allowance, status: int) -> Allowance:
        """An accept that succeeds, or fails by our fault, does not count."""
        settled = status < HTTPStatus.BAD_REQUEST or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if settled and allowance.quota is self.accepts.quota:
            return self.accepts.give_back(allowance)
        return allowance


async def within_limits(request: Request, who: Visitor) -> None:
    """For every route that knows people. Who is nobody has paid at the edge, by address."""
    limits: Limits = request.scope[LIMITS]
    if who is not None:
        limits.charge(who, request.scope)


def too_many_requests(allowance: Allowance) -> Problem:
    """429, with when to come back."""
    LIMITED.labels(allowance.quota.name).inc()
    log.warning("too_many_requests", quota=allowance.quota.name, key=allowance.key)
    wait_s = allowance.retry_after_s
    return Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too_many_requests",
        f"That was too much at once: please try again in {wait_s} s.",
        headers={"Retry-After": str(wait_s)},
    )


class Limiter:
    """Lets addresses pay for requests of nobody, and tells everybody how they stand."""

    def __init__(
        self, app: ASGIApp, limits: Limits, present: Callable[[Scope, Problem], Response]
    ) -> None:
        self._app = app
        self._limits = limits
        self._present = present

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"].startswith(NOT_LIMITED):
            await self._app(scope, receive, send)
            return
        charged = scope[CHARGED] = Charged()
        if not any(name in _CREDENTIALS for name, _ in scope["headers"]):
            charged.allowance = self._by_address(scope)
            if not charged.allowance.granted:
                await self._refuse(scope, receive, send, charged.allowance)
                return
        await self._app(scope, receive, _Answer(self, scope, receive, send, charged))

    def _by_address(self, scope: Scope) -> Allowance:
        return self._limits.addresses.take(neighbourhood(scope[CLIENT]))

    def settle(self, scope: Scope, charged: Charged, status: int) -> Allowance:
        """Who has paid in the end. What bore credentials that were nobody's, the address pays."""
        if charged.allowance is None:
            return self._by_address(scope)
        return self._limits.settle(charged.allowance, status)

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, allowance: Allowance
    ) -> None:
        answer = self._present(scope, too_many_requests(allowance))
        _tell(answer.headers, allowance)
        await answer(scope, receive, send)

    async def answer(
        self, scope: Scope, receive: Receive, send: Send, charged: Charged, message: Message
    ) -> bool:
        """Send the beginning of an answer; False when another was sent in its place."""
        nobody_paid = charged.allowance is None
        allowance = self.settle(scope, charged, message["status"])
        if nobody_paid and not allowance.granted:
            await self._refuse(scope, receive, send, allowance)
            return False
        _tell(MutableHeaders(scope=message), allowance)
        await send(message)
        return True


class _Answer:
    """The way out of one request."""

    def __init__(
        self, limiter: Limiter, scope: Scope, receive: Receive, send: Send, charged: Charged
    ) -> None:
        self._limiter = limiter
        self._scope = scope
        self._receive = receive
        self._send = send
        self._charged = charged
        self._passes = True

    async def __call__(self, message: Message) -> None:
        """One message."""
        if message["type"] == "http.response.start":
            self._passes = await self._limiter.answer(
                self._scope, self._receive, self._send, self._charged, message
            )
        elif self._passes:
            await self._send(message)


def _tell(headers: MutableHeaders, allowance: Allowance) -> None:
    headers["RateLimit-Policy"] = allowance.quota.field
    headers["RateLimit"] = allowance.field
