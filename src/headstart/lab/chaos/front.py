"""Between the payment service and the servers: passes each webhook on to some server, and knows
which payments were acknowledged. Now and then an answer gets lost on the way back."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import httpx

from headstart.lab.chaos.wire import NoAnswer, NotSent, Wire

PATIENCE_S = 3.0
SUBSCRIBED = "checkout.session."
PASSED_ON = ("content-type", "stripe-signature", "user-agent")


@dataclass(slots=True)
class Front(httpx.AsyncBaseTransport):
    """``lost`` is the share of answers that get lost; it may be changed at any time."""

    random: Random
    all_kinds: bool  # or only those that the service asks for at the payment service
    wires: Sequence[Wire] = ()
    lost: float = 0.0
    acknowledged: Counter[str] = field(default_factory=Counter)  # by payment page
    deliveries: int = 0
    refused: int = 0
    answers_lost: int = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One attempt to deliver one event."""
        told = json.loads(request.content)
        if not (self.all_kinds or told["type"].startswith(SUBSCRIBED)):
            return httpx.Response(200)
        status = await self._deliver(request)
        if self.random.random() < self.lost:
            self.answers_lost += 1
            raise httpx.ReadError("the answer was lost")
        if status == 200:
            self.acknowledged[told["data"]["object"]["id"]] += 1
        return httpx.Response(status)

    async def _deliver(self, request: httpx.Request) -> int:
        self.deliveries += 1
        headers = "".join(f"{name}: {request.headers[name]}\r\n" for name in PASSED_ON)
        wire = self.random.choice(self.wires)
        path, body = request.url.path, request.content
        try:
            answer = await wire.ask("POST", path, headers, body, patience_s=PATIENCE_S)
        except (NotSent, NoAnswer) as error:
            raise httpx.ConnectError("nobody answers") from error
        self.refused += answer.status not in (200, 503)
        return answer.status
