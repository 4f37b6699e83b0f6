"""The attacks on the webhook itself: what is answered, that nothing changes, what is counted.

The numbers are those of the table in docs/explanation/payment-attacks.md.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import stripe

from headstart.payments.sandbox import SANDBOX_WEBHOOK_SECRET
from headstart.payments.webhook import WEBHOOK_BODY_BYTES_MAX
from headstart.web import webhook
from headstart.web.problems import PROBLEM_TYPE
from tests.money.conftest import GUARD_S, Bank, Json
from tests.money.witness import counted, nothing_changes
from tests.web.conftest import paid_event

HOOK = "/webhooks/stripe"
IDLE = 1_000
CHUNK = b"x" * 16_384

Answer = tuple[int, bytes]


def signed(body: bytes, secret: str = SANDBOX_WEBHOOK_SECRET, age: timedelta = timedelta()) -> str:
    """The header, as Stripe makes it."""
    at = int(time.time() - age.total_seconds())
    header = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, at)
    return str(header)


FORGERIES: dict[str, tuple[Callable[[bytes], str | None], str]] = {
    "no signature": (lambda _: None, "no_signature"),
    "an empty one": (lambda _: "", "no_signature"),
    "garbage": (lambda _: ",,=t=v1", "bad_signature"),
    "only v0": (lambda body: signed(body).replace("v1=", "v0="), "bad_signature"),
    "only t": (lambda body: signed(body).split(",")[0], "bad_signature"),
    "another secret": (lambda body: signed(body, "whsec_another"), "bad_signature"),
    "one space more": (lambda body: signed(body + b" "), "bad_signature"),
    "another body": (lambda _: signed(b'{"id": "evt_other"}'), "bad_signature"),
    "301 s old": (lambda body: signed(body, age=timedelta(seconds=301)), "too_old"),
    "a year ahead": (lambda body: signed(body, age=-timedelta(days=365)), "from_the_future"),
}


async def event_of_an_open_page(bank: Bank, **changes: Any) -> Json:
    """What would say that an intake is paid, which is not."""
    return paid_event((await bank.open_page(await bank.customer()))["intake_id"], **changes)


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forged_signature_changes_nothing(bank: Bank, forgery: str) -> None:
    """Attacks 1, 2 and 3."""
    make, reason = FORGERIES[forgery]
    body = json.dumps(await event_of_an_open_page(bank)).encode()
    header = make(body)
    headers = {} if header is None else {"Stripe-Signature": header}
    async with nothing_changes(bank, **{f"refused_{reason}": 1}):
        answer = await bank.world.client.post(HOOK, content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM_TYPE)
    assert answer.json()["detail"] == "Not a signed event.", "not a word about why"
    assert await bank.pool.fetchval("select count(*) from headstart.stripe_events") == 0


async def test_a_resent_event_has_no_effect(bank: Bank) -> None:
    """Attack 5: old, and signed again now."""
    await bank.book(await bank.customer())
    heard = "select id from headstart.stripe_events where type = 'checkout.session.completed'"
    event = await bank.pool.fetchval(heard)
    before = await counted(bank, outcome="duplicate")

    async def repeated() -> bool:
        return await counted(bank, outcome="duplicate") == before + 1

    await bank.settled()
    async with nothing_changes(bank):
        assert (await bank.world.sandbox.post(f"/_sandbox/resend/{event}")).status_code == 202
        await bank.until(repeated)


class Line:
    """A connection on which a test says what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, bank: Bank) -> "Line":
        """A new one."""
        address = urlsplit(str(bank.world.client.base_url))
        return cls(*await asyncio.open_connection(address.hostname, address.port))

    async def say(self, words: bytes) -> None:
        """Now."""
        self._writer.write(words)
        await self._writer.drain()

    async def begin(self, *headers: str) -> None:
        """A POST to the hook, without its body."""
        lines = (f"POST {HOOK} HTTP/1.1", "Host: 127.0.0.1", *headers, "", "")
        await self.say("\r\n".join(lines).encode())

    async def status(self) -> int:
        """Of the answer."""
        async with asyncio.timeout(GUARD_S):
            return int((await self._reader.readline()).split()[1])

    async def is_closed_by_the_other_side(self) -> None:
        """After whatever else it had to say."""
        with suppress(ConnectionError):
            async with asyncio.timeout(GUARD_S):
                await self._reader.read()

    def hang_up(self) -> None:
        """For good."""
        self._writer.close()


@pytest.fixture
async def line(bank: Bank) -> AsyncIterator[Line]:
    """To the service."""
    made = await Line.to(bank)
    yield made
    made.hang_up()


async def test_a_declared_size_over_the_limit_is_refused_unread(bank: Bank, line: Line) -> None:
    """Attack 6."""
    async with nothing_changes(bank, refused_too_large=1):
        await line.begin(f"Content-Length: {10 * 2**30}", "Stripe-Signature: t=1,v1=00")
        assert await line.status() == 413


async def test_a_body_without_a_length_is_read_to_the_limit_and_no_further(
    bank: Bank, line: Line
) -> None:
    """Attack 6: the answer comes though the body has no end, and before any signature counts."""
    async with nothing_changes(bank, refused_too_large=1, refused_bad_signature=0):
        await line.begin("Transfer-Encoding: chunked", "Stripe-Signature: t=1,v1=00")
        for _ in range(WEBHOOK_BODY_BYTES_MAX // len(CHUNK) + 1):
            await line.say(f"{len(CHUNK):x}\r\n".encode() + CHUNK + b"\r\n")
        assert await line.status() == 413


async def test_a_body_byte_by_byte_is_given_up(
    bank: Bank, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack 7."""
    monkeypatch.setattr(webhook, "BODY_PATIENCE_S", 0.1)

    async def drip() -> None:
        with suppress(ConnectionError):
            while True:
                await line.say(b"x")
                await asyncio.sleep(0.01)

    async with nothing_changes(bank, refused_too_slow=1):
        await line.begin("Content-Length: 100000")
        dripping = asyncio.create_task(drip())
        assert await line.status() == 408
        await line.is_closed_by_the_other_side()
        dripping.cancel()


async def test_a_thousand_idle_connections_hold_up_nobody(bank: Bank) -> None:
    """Attack 7: half of them have said nothing, the others have begun an event."""
    event = await event_of_an_open_page(bank)
    lines = [await Line.to(bank) for _ in range(IDLE)]
    try:
        for line in lines[::2]:
            await line.begin("Content-Length: 100000")
        heard = await bank.world.deliver(event)
        assert (heard.status_code, heard.json()["outcome"]) == (200, "fulfilled")
    finally:
        for line in lines:
            line.hang_up()


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", HOOK, {}, 405),
        ("PUT", HOOK, {}, 405),
        ("DELETE", HOOK, {}, 405),
        ("POST", f"{HOOK}/", {}, 404),
        ("POST", HOOK, {"Content-Encoding": "gzip"}, 415),
        ("POST", HOOK, {"Content-Encoding": "identity"}, 415),
    ],
)
async def test_the_hook_is_one_method_on_one_path(
    bank: Bank, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """Attack 8."""
    body = json.dumps(await event_of_an_open_page(bank)).encode()
    sent = {"Stripe-Signature": signed(body), **headers}
    async with nothing_changes(bank, refused_encoded=int(status == 415)):
        answer = await bank.world.client.request(method, path, content=body, headers=sent)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"livemode": True}, "quarantined_mode"),
        ({"event": {"livemode": True}}, "quarantined_mode"),
        ({"event": {"account": "acct_x"}}, "quarantined_account"),
        ({"payment_status": "unpaid"}, "not_paid_yet"),
        ({"status": "open"}, "not_paid_yet"),
        ({"amount_total": 1}, "quarantined_amount"),
        ({"amount_total": 3000}, "quarantined_amount"),
        ({"currency": "usd"}, "quarantined_amount"),
        ({"currency": "jpy"}, "quarantined_amount"),
        ({"payment_intent": 7}, "quarantined_unreadable"),
        ({"client_reference_id": str(uuid4())}, "quarantined_unknown_intake"),
        ({"client_reference_id": str(uuid4()), "payment_status": "unpaid"}, "foreign"),
        ({"client_reference_id": "x", "metadata": {}}, "foreign"),
        ({"event": {"type": "customer.created"}}, "ignored"),
    ],
)
async def test_news_that_is_no_payment_of_ours_changes_nothing(
    bank: Bank, changes: Json, outcome: str
) -> None:
    """Attacks 9 to 12: signed properly, answered with 200, and kept for a person to see."""
    event = await event_of_an_open_page(bank, **changes)
    async with nothing_changes(bank, **{outcome: 1}):
        answer = await bank.world.deliver(event)
    assert (answer.status_code, answer.json()["outcome"]) == (200, outcome)
    kept = await bank.pool.fetchval("select outcome from headstart.stripe_events")
    assert kept == outcome


async def test_a_page_that_is_said_to_be_complete_is_looked_at_and_not_believed(
    bank: Bank,
) -> None:
    """Attack 11, where the amount is only held: the payment page is still open at Stripe."""
    await bank.use("hold")
    submitted = await bank.open_page(await bank.customer())
    page = submitted["checkout_url"].rsplit("/", 1)[1]
    event = paid_event(submitted["intake_id"], id=page, payment_status="unpaid")
    assert (await bank.world.deliver(event)).json()["outcome"] == "to_be_looked_at"
    await bank.settled()
    looked = await bank.pool.fetchval("select result from headstart.stripe_operations")
    assert looked == "not_paid_yet"
    assert await bank.pool.fetchval("select count(*) from headstart.session_requests") == 0
