"""The one address that the payment service knows: passes each webhook on to some server, and knows
which payments were acknowledged. Now and then an answer gets lost on the way back."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from headstart.lab.chaos.wire import BROKEN, HOST, NoAnswer, NotSent, Wire, read_request

PATIENCE_S = 3.0
FAILED = 502
SUBSCRIBED = "checkout.session."
PASSED_ON = ("content-type", "stripe-signature", "user-agent")


@dataclass(slots=True)
class Front:
    """``lost`` is the share of answers that get lost; it may be changed at any time."""

    random: Random
    wires: Sequence[Wire]
    all_kinds: bool  # or only those that the service asks for at the payment service
    lost: float = 0.0
    acknowledged: dict[str, float] = field(default_factory=dict)  # payment page, how often
    deliveries: int = 0
    refused: int = 0
    answers_lost: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the payment service."""
        try:
            while True:
                head, body = await read_request(reader)
                told = json.loads(body)
                wanted = self.all_kinds or told["type"].startswith(SUBSCRIBED)
                status = await self._deliver(head, body) if wanted else 200
                if status == FAILED or self.random.random() < self.lost:
                    self.answers_lost += status != FAILED
                    return
                if status == 200:
                    about = told["data"]["object"]["id"]
                    self.acknowledged[about] = self.acknowledged.get(about, 0) + 1
                answer = f"HTTP/1.1 {status} Passed On\r\nContent-Length: 0\r\n\r\n"
                writer.write(answer.encode())
        except BROKEN:
            return
        finally:
            writer.close()

    async def _deliver(self, head: str, body: bytes) -> int:
        self.deliveries += 1
        path = head.split(" ", 2)[1]
        headers = "".join(
            f"{line}\r\n"
            for line in head.split("\r\n")
            if line.partition(":")[0].lower() in PASSED_ON
        )
        wire = self.random.choice(self.wires)
        try:
            answer = await wire.ask("POST", path, headers, body, patience_s=PATIENCE_S)
        except (NotSent, NoAnswer):
            return FAILED
        self.refused += answer.status not in (200, 503)
        return answer.status


@asynccontextmanager
async def listening(front: Front, port: int) -> AsyncIterator[None]:
    """On this port for as long as the block lasts."""
    server = await asyncio.start_server(front.serve, HOST, port)
    try:
        yield
    finally:
        server.close()
