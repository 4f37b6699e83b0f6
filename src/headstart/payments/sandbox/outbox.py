"""Events on their way out: recorded together with what they tell of, sent later, signed anew for
every attempt, and made to misbehave by the switches."""

import asyncio
import hashlib
import hmac
import json
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from headstart.payments.sandbox import objects
from headstart.payments.sandbox.ids import fresh_id
from headstart.payments.sandbox.ledger import Delivery, Ledger
from headstart.payments.sandbox.settings import SandboxSettings, Switches

BATCH_MAX: Final = 100
PAUSE_AFTER_FAULT_S: Final = 1.0
_HEADERS: Final = {
    "Content-Type": "application/json; charset=utf-8",
    "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cause:
    """The API call behind an event; nothing when the customer caused it on the page."""

    request_id: str | None = None
    idempotency_key: str | None = None


def sign(body: bytes, secret: str, *, second: int) -> str:
    """The `Stripe-Signature` header of these bytes. The `v0` is junk, as Stripe sends in test
    mode: only `v1` counts."""
    signed = hmac.new(secret.encode(), b"%d." % second + body, hashlib.sha256).hexdigest()
    return f"t={second},v1={signed},v0={'0' * 64}"


class Outbox:
    """Records events and sends them. One task runs `run` for as long as the sandbox lives."""

    def __init__(
        self, settings: SandboxSettings, ledger: Ledger, real_time: Callable[[], float]
    ) -> None:
        self.switches = Switches()
        self._settings, self._ledger, self._real_time = settings, ledger, real_time
        self._random = random.Random(settings.seed)
        self._wake = asyncio.Event()
        self._recorded: list[str] = []
        self._attempted: dict[str, asyncio.Event] = {}
        # No proxy of the environment between two programs on one machine.
        self._http = httpx.AsyncClient(
            trust_env=False, follow_redirects=False, transport=settings.transport
        )

    # Recording; inside the caller's transaction

    def record(
        self,
        type: str,
        about: Mapping[str, Any],
        cause: Cause,
        *,
        before: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the event, its twin if one is wished for, and the promise to send them."""
        request = {"id": cause.request_id, "idempotency_key": cause.idempotency_key}
        for _ in range(2 if self.switches.twin_event else 1):
            event = objects.event(
                id=fresh_id("evt_"),
                created=int(self._settings.clock()),
                type=type,
                about=about,
                request=request,
                before=before,
            )
            event |= self._claims(event)
            self._ledger.put("event", event["id"], event)
            self._promise(event["id"])
            self._recorded.append(event["id"])

    def _claims(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """What the switches make the event say about where it comes from."""
        claimed: dict[str, Any] = {
            "api_version": self.switches.api_version or event["api_version"],
            "account": self.switches.account,
        }
        if self.switches.livemode:
            about = event["data"]["object"]
            inside = {"object": about | ({"livemode": True} if "livemode" in about else {})}
            claimed |= {"livemode": True, "data": event["data"] | inside}
        return claimed

    def _promise(self, event_id: str) -> None:
        if self._settings.webhook_url is None:
            return
        due_at = self._settings.clock() + self.switches.delay
        for _ in range(self.switches.duplicate):
            self._ledger.promise(event_id, due_at=due_at, dropped=self.switches.drop)

    def take_recorded(self) -> list[str]:
        """Hand over the ids recorded since the last time, once their transaction is over, and
        have them sent."""
        recorded, self._recorded = self._recorded, []
        if recorded:
            self._wake.set()
        return recorded

    def resend(self, event_id: str) -> int:
        """Queue one more copy, whatever became of the others, as the Dashboard's button does.
        Returns the delivery's number."""
        number = self._ledger.promise(event_id, due_at=self._settings.clock())
        self._wake.set()
        return number

    async def answered(self, event_ids: Iterable[str], *, within_s: float) -> None:
        """Wait until each of these was attempted once, whatever the answer, or time is up."""
        waiting = [id for id in event_ids if self._ledger.awaits_first_attempt(id)]
        attempts = [self._attempted.setdefault(id, asyncio.Event()) for id in waiting]
        try:
            async with asyncio.timeout(within_s):
                for attempt in attempts:
                    await attempt.wait()
        except TimeoutError:
            log.info("sandbox: no answer to a webhook within %s s", within_s)

    # Sending

    def wake(self) -> None:
        """Look again at what is due: the clock may have moved."""
        self._wake.set()

    async def send_due(self) -> bool:
        """Make one attempt at everything due now. False when nothing was."""
        due = self._ledger.due(self._settings.clock(), limit=BATCH_MAX)
        if self.switches.shuffle:
            self._random.shuffle(due)
        if self.switches.concurrent:
            await asyncio.gather(*(self._attempt(each) for each in due))
        else:
            for each in due:
                await self._attempt(each)
        return bool(due)

    async def rest(self) -> None:
        """Sleep until something falls due or somebody calls."""
        moment = self._ledger.next_moment()
        wait_s = None if moment is None else max(0.0, moment - self._settings.clock())
        try:
            await asyncio.wait_for(self._wake.wait(), wait_s)
        except TimeoutError:
            return
        self._wake.clear()

    async def _attempt(self, delivery: Delivery) -> None:
        at = self._settings.clock()
        event = self._ledger.get("event", delivery.event_id)
        # Signatures age in real time, however far the sandbox's clock was put forward.
        second = int(self._real_time())
        outcome, status = await self._post(json.dumps(event, indent=2).encode(), second)
        if self.switches.first_attempt_lost_ack and delivery.attempts == 0:
            outcome = "lost_ack"
        delays = self._settings.retry_delays_s
        retry_at = None
        if outcome != "answered" and delivery.attempts < len(delays):
            retry_at = self._settings.clock() + delays[delivery.attempts]
        with self._ledger.transaction():
            self._ledger.note_attempt(delivery, at=at, outcome=outcome, status=status)
            self._ledger.settle(delivery, delivered=outcome == "answered", retry_at=retry_at)
        attempted = self._attempted.pop(delivery.event_id, None)
        if attempted is not None:
            attempted.set()

    async def _post(self, body: bytes, second: int) -> tuple[str, int | None]:
        """Send the bytes that are signed. A redirect is a failure, as at Stripe."""
        assert self._settings.webhook_url is not None
        signature = sign(body, self._settings.webhook_secret, second=second)
        try:
            async with asyncio.timeout(self._settings.webhook_timeout_s):
                response = await self._http.post(
                    self._settings.webhook_url,
                    content=body,
                    headers={**_HEADERS, "Stripe-Signature": signature},
                    timeout=None,
                )
        except TimeoutError:
            return "timeout", None
        except (httpx.HTTPError, httpx.InvalidURL):
            return "unreachable", None
        return ("answered" if response.is_success else "refused"), response.status_code

    async def close(self) -> None:
        """Close the connections. What is unsent stays promised."""
        await self._http.aclose()
