"""Whatever arrives at the webhook: an answer that is no 5xx, and no effect.

Half of the bodies are signed properly: then it is the shape that is hostile, and only what we take
out of it stands between it and the database.
"""

import asyncio
import copy
import json
import os
import sys
import time
from collections import Counter
from random import Random
from typing import Any
from uuid import uuid4

import httpx
import pytest
import stripe

from headstart.payments.sandbox import SANDBOX_WEBHOOK_SECRET
from tests.money.conftest import Bank, Json
from tests.money.witness import rows
from tests.web.conftest import paid_event

USUALLY = 1000
MALFORMED = int(os.environ.get("HEADSTART_TEST_MALFORMED_WEBHOOKS", USUALLY))
AT_ONCE = 16
ANSWERS = {200, 400, 413, 415}
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**31, 2**63, 10**30, float("inf"), "", " ", "\x00", "\ud800",
    "a" * 600, "'; drop table headstart.intakes; --", "pi_1", "cs_test_1", "../../etc", [], {},
    [[[[]]]], {"id": {}}, ["x"] * 50, {"object": "event"},
)  # fmt: skip
TYPES = (
    "checkout.session.completed", "checkout.session.expired", "payment_intent.succeeded",
    "payment_intent.amount_capturable_updated", "charge.refunded", "refund.created",
    "charge.dispute.created", "review.opened", "radar.early_fraud_warning.created", "nonsense",
    "", "v2.core.event",
)  # fmt: skip
HEADERS = ("", "v0=1", "t=1", "t=,v1=", "v1=abc", "t=x,v1=y", "t=1,v1=" + "0" * 64, "é", ",,,=")


class Fuzzer:
    """Takes a genuine event apart."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def event(self) -> tuple[bytes, dict[bytes, bytes]]:
        """A body, and the headers it comes with."""
        event = self._mangled(paid_event(str(uuid4())))
        body = self._bytes(json.dumps(event, ensure_ascii=True).encode())
        if self._random.random() < 0.5:
            return body, {b"Stripe-Signature": signature(body).encode()}
        headers = {"Stripe-Signature": self._random.choice(HEADERS)}
        if self._random.random() < 0.1:
            headers["Content-Encoding"] = "gzip"
        return body, {name.encode(): value.encode() for name, value in headers.items()}

    def _mangled(self, event: Json) -> Json:
        event = copy.deepcopy(event) | {"type": self._random.choice(TYPES)}
        for _ in range(self._random.randrange(4)):
            at = self._place(event)
            name = self._random.choice([*at, "surprise"])
            if self._random.random() < 0.3:
                at.pop(name, None)
            else:
                at[name] = self._random.choice(ODD)
        return event

    def _place(self, event: Json) -> Json:
        place: Any = event
        while self._random.random() < 0.7:
            inner = [one for one in place.values() if isinstance(one, dict) and one]
            if not inner:
                break
            place = self._random.choice(inner)
        return place if isinstance(place, dict) else event

    def _bytes(self, body: bytes) -> bytes:
        chance = self._random.random()
        if chance < 0.1:
            return body[: self._random.randrange(len(body))]
        if chance < 0.2:
            at = self._random.randrange(len(body))
            return body[:at] + self._random.randbytes(1 + at % 9) + body[at:]
        if chance < 0.22:
            return b"[" * 5_000
        if chance < 0.23:
            return body + b" " * 300_000
        return self._random.randbytes(200) if chance < 0.25 else body


def signature(body: bytes) -> str:
    """As Stripe signs; bodies that are no text are signed as they are."""
    try:
        header = stripe.WebhookSignature.generate_signature_header(
            body.decode(), SANDBOX_WEBHOOK_SECRET, int(time.time())
        )
        return str(header)
    except UnicodeDecodeError:
        return f"t={int(time.time())},v1={'0' * 64}"


async def test_malformed_webhooks_have_an_answer_and_no_effect(
    bank: Bank, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: Counter[int] = Counter()
    address = str(bank.world.client.base_url)

    async def send(share: int) -> None:
        fuzzer = Fuzzer(share)
        async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=30) as client:
            for _ in range(MALFORMED // AT_ONCE):
                body, headers = fuzzer.event()
                answer = await client.post("/webhooks/stripe", content=body, headers=headers)
                answers[answer.status_code] += 1
                assert answer.status_code in ANSWERS, (answer.status_code, body[:500], headers)

    await asyncio.gather(*(send(share) for share in range(AT_ONCE)))
    assert answers.keys() >= {200, 400}, answers
    if MALFORMED > USUALLY:
        with capsys.disabled():
            sys.stdout.write(f"{answers.total()} webhooks: {dict(sorted(answers.items()))}\n")
    assert answers.total() == MALFORMED // AT_ONCE * AT_ONCE
    await bank.settled()
    moved = "select count(*) from headstart.stripe_operations where kind <> 'look'"
    assert await bank.pool.fetchval(moved) == 0, "a genuine name is looked at, and that is all"
    kept = await rows(bank)
    del kept["stripe_operations"]
    assert not any(kept.values()), kept
