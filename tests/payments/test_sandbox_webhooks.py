"""What the sandbox sends, and every way in which it can be told to misbehave."""

import asyncio
import signal
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from headstart.payments.gateway import StripeGateway
from headstart.payments.reading import checkout_session_from
from headstart.payments.sandbox import SANDBOX_SECRET_KEY, SANDBOX_WEBHOOK_SECRET
from headstart.payments.sandbox.server import create_app
from headstart.payments.sandbox.settings import SandboxSettings
from headstart.payments.webhook import verify

from .stand import Received, Stand, a_stand, listening, until

COMPLETED = "checkout.session.completed"
PAID = ["payment_intent.succeeded", "charge.succeeded", COMPLETED]


def completed(stand: Stand) -> list[Received]:
    return stand.shop.of_type(COMPLETED)


async def test_what_arrives_is_signed_and_says_what_happened(stand: Stand) -> None:
    session = await stand.paid()
    await stand.settled()
    assert stand.shop.types() == PAID
    (received,) = completed(stand)
    header = received.headers["stripe-signature"]
    now = datetime.fromtimestamp(stand.clock(), UTC)
    event = verify(received.raw, header, [SANDBOX_WEBHOOK_SECRET], now=now)
    assert (event.type, event.object_id, event.livemode) == (COMPLETED, session.id, False)
    assert checkout_session_from(event.object) == replace(session, payment=None)
    assert received.headers["content-type"] == "application/json; charset=utf-8"
    assert received.headers["user-agent"].startswith("Stripe/1.0")
    assert received.event["request"] == {"id": None, "idempotency_key": None}


async def test_an_event_names_the_call_that_caused_it(stand: Stand) -> None:
    session = await stand.paid()
    assert session.payment_intent_id is not None
    await stand.gateway.refund(session.payment_intent_id, amount=900, idempotency_key="refund:1")
    await stand.settled()
    created, refunded = stand.shop.received[-2:]
    assert (created.type, refunded.type) == ("refund.created", "charge.refunded")
    assert created.event["request"]["idempotency_key"] == "refund:1"
    assert created.event["request"]["id"].startswith("req_")
    before = refunded.event["data"]["previous_attributes"]
    assert before == {"amount_refunded": 0, "refunded": False}


async def test_a_failure_is_retried_with_a_fresh_signature(stand: Stand) -> None:
    def refuse_twice(received: Received) -> int:
        stand.clock.ahead_s += 10
        return 500 if len(completed(stand)) < 3 and received.type == COMPLETED else 200

    stand.shop.answer = refuse_twice
    await stand.paid()
    await stand.settled()
    attempts = completed(stand)
    assert len(attempts) == 3
    assert len({each.event["id"] for each in attempts}) == 1
    assert len({each.headers["stripe-signature"] for each in attempts}) == 3


async def test_after_the_last_attempt_the_sender_gives_up(stand: Stand) -> None:
    stand.shop.answer = lambda received: 307
    await stand.paid()
    log = await stand.settled()
    assert Counter(each["outcome"] for each in log) == {"refused": 12}
    assert len(stand.shop.received) == 12, "a redirect is not followed"
    assert {each["status"] for each in log} == {307}
    events = (await stand.get("/v1/events"))["data"]
    assert [each["pending_webhooks"] for each in events] == [1, 1, 1]


async def test_silence_is_a_failure() -> None:
    async with a_stand(webhook_timeout_s=0.01, retry_delays_s=()) as stand:
        stand.shop.gate.clear()
        await stand.paid()
        assert [each["outcome"] for each in await stand.settled()] == ["timeout"] * 3


async def test_nobody_there_is_a_failure() -> None:
    bound, url = listening()
    bound.close()
    async with a_stand(webhook_url=url, retry_delays_s=(0.0,)) as stand:
        await stand.paid()
        assert [each["outcome"] for each in await stand.settled()] == ["unreachable"] * 6


# Switches


async def test_duplicates_have_one_id(stand: Stand) -> None:
    await stand.switch(duplicate=5)
    await stand.paid()
    await stand.settled()
    assert len(completed(stand)) == 5
    assert len({each.raw for each in completed(stand)}) == 1


async def test_a_twin_is_another_event_about_the_same(stand: Stand) -> None:
    await stand.switch(twin_event=True)
    session = await stand.paid()
    await stand.settled()
    first, second = (each.event for each in completed(stand))
    assert first["id"] != second["id"]
    assert first["data"] == second["data"]
    assert first["data"]["object"]["id"] == session.id


async def test_late_events_come_late_and_in_another_order() -> None:
    async with a_stand(page_wait_s=0.0) as stand:
        await stand.switch(delay=60.0, shuffle=True)
        for _ in range(4):
            await stand.paid()
        assert stand.shop.received == []
        stand.clock.ahead_s = 61
        await stand.http.post("/_sandbox/wake")
        await stand.settled()
        assert Counter(stand.shop.types()) == dict.fromkeys(PAID, 4)
        assert stand.shop.types() != PAID * 4


async def test_a_lost_event_can_be_sent_again_by_hand(stand: Stand) -> None:
    await stand.switch(drop=True)
    await stand.paid()
    assert await stand.settled() == []
    (lost,) = (await stand.get("/v1/events", type=COMPLETED))["data"]
    assert lost["pending_webhooks"] == 1
    assert (await stand.http.post(f"/_sandbox/resend/{lost['id']}")).status_code == 202
    await stand.settled()
    assert [each.event["id"] for each in stand.shop.received] == [lost["id"]]
    (found,) = (await stand.get("/v1/events", type=COMPLETED))["data"]
    assert found["pending_webhooks"] == 0
    assert (await stand.http.post("/_sandbox/resend/evt_unknown")).status_code == 404


async def test_an_event_that_arrived_can_be_sent_again_too(stand: Stand) -> None:
    await stand.paid()
    (event,) = (await stand.get("/v1/events", type=COMPLETED))["data"]
    await stand.http.post(f"/_sandbox/resend/{event['id']}")
    await stand.settled()
    assert len(completed(stand)) == 2


async def test_concurrent_deliveries_overlap(stand: Stand) -> None:
    stand.shop.gate.clear()
    await stand.switch(concurrent=True, duplicate=10)
    paying = asyncio.create_task(stand.paid())
    await until(lambda: stand.shop.waiting == 30)
    stand.shop.gate.set()
    await paying


async def test_usually_one_waits_for_the_other(stand: Stand) -> None:
    await stand.switch(duplicate=10)
    at_once: list[int] = []

    def note(received: Received) -> int:
        at_once.append(stand.shop.waiting)
        return 200

    stand.shop.answer = note
    await stand.paid()
    await stand.settled()
    assert at_once == [0] * 30


async def test_a_lost_acknowledgement_brings_the_event_again(stand: Stand) -> None:
    await stand.switch(first_attempt_lost_ack=True)
    await stand.paid()
    log = await stand.settled()
    assert Counter(each["outcome"] for each in log) == {"lost_ack": 3, "answered": 3}
    assert [each["attempt"] for each in log if each["type"] == COMPLETED] == [1, 2]
    assert len(completed(stand)) == 2


async def test_a_webhook_can_overtake_the_answer_to_create(stand: Stand) -> None:
    await stand.switch(before_api_response=True)
    order = stand.order()
    session = await stand.gateway.create_checkout(order)
    assert session.status == "open", "the answer is older than the webhook"
    (received,) = completed(stand)
    assert received.event["data"]["object"]["client_reference_id"] == str(order.intake_id)
    assert await stand.gateway.create_checkout(order) == session
    assert len(completed(stand)) == 1


async def test_a_webhook_can_overtake_the_answer_to_a_refund(stand: Stand) -> None:
    session = await stand.paid()
    await stand.settled()
    assert session.payment_intent_id is not None
    await stand.switch(before_api_response=True)
    stand.shop.gate.clear()
    refunding = asyncio.create_task(
        stand.gateway.refund(session.payment_intent_id, amount=1, idempotency_key="refund:1")
    )
    await until(lambda: stand.shop.waiting == 1)
    assert not refunding.done()
    stand.shop.gate.set()
    await refunding


async def test_an_event_can_claim_to_be_of_another_world(stand: Stand) -> None:
    await stand.switch(livemode=True, api_version="2020-08-27", account="acct_x")
    await stand.paid()
    await stand.settled()
    (event,) = (each.event for each in completed(stand))
    assert event["livemode"] is event["data"]["object"]["livemode"] is True
    assert (event["api_version"], event["account"]) == ("2020-08-27", "acct_x")
    await stand.switch(livemode=False, api_version=None, account=None)
    await stand.paid()
    await stand.settled()
    later = completed(stand)[-1].event
    assert (later["livemode"], later["account"]) == (False, None)


async def test_switches_are_shown_changed_and_reset(stand: Stand) -> None:
    assert (await stand.get("/_sandbox/switches"))["duplicate"] == 1
    await stand.switch(duplicate=3, delay=1)
    await stand.switch(drop=True)
    shown = await stand.get("/_sandbox/switches")
    assert (shown["duplicate"], shown["delay"], shown["drop"]) == (3, 1, True)
    reset = (await stand.http.delete("/_sandbox/switches")).json()
    assert (reset["duplicate"], reset["delay"], reset["drop"]) == (1, 0.0, False)


@pytest.mark.parametrize(
    "wishes",
    [{"duplicate": 0}, {"duplicate": 101}, {"duplicate": True}, {"drop": 1}, {"delay": -1},
     {"delay": "1"}, {"delay": 1e9}, {"explode": True}, {"account": ""}, {"account": 7},
     {"livemode": 1}, {"api_version": "'"}, [], "drop", None],
)  # fmt: skip
async def test_a_bad_switch_changes_nothing(stand: Stand, wishes: Any) -> None:
    before = await stand.get("/_sandbox/switches")
    response = await stand.http.post("/_sandbox/switches", json=wishes)
    assert response.status_code == 400
    assert await stand.get("/_sandbox/switches") == before


async def test_strangers_do_not_reach_the_levers(stand: Stand) -> None:
    rebound = await stand.http.get("/_sandbox/switches", headers={"Host": "evil.test"})
    assert rebound.status_code == 403
    app = create_app(SandboxSettings(public_url="http://sandbox.test"))
    elsewhere = httpx.ASGITransport(app, client=("192.0.2.1", 1234))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=elsewhere, base_url="http://localhost") as stranger,
    ):
        assert (await stranger.get("/_sandbox/switches")).status_code == 403
        assert (await stranger.get("/healthz")).json() == {"status": "ok", "livemode": False}


# Surviving


async def test_a_restart_keeps_everything_and_sends_what_is_unsent(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.sqlite"
    async with a_stand(state_path=path, retry_delays_s=(3600.0,)) as stand:
        stand.shop.answer = lambda received: 503
        order = stand.order()
        session = await stand.gateway.create_checkout(order)
        await stand.press(session, "pay")
        open_one = await stand.checkout()
        await until(lambda: len(stand.shop.received) == 3)
        ids = [each.event["id"] for each in stand.shop.received]

    async with a_stand(state_path=path, retry_delays_s=(3600.0,)) as stand:
        await stand.settled()
        assert [each.event["id"] for each in stand.shop.received] == ids
        assert await stand.gateway.create_checkout(order) == session
        found = await stand.gateway.retrieve_checkout(session.id)
        assert found is not None
        assert found.is_paid
        assert (await stand.press(open_one, "pay")).status_code == 303


SERVE = """
import socket, sys, uvicorn
from pathlib import Path
from headstart.payments.sandbox.server import create_app
from headstart.payments.sandbox.settings import SandboxSettings
bound = socket.socket(fileno=int(sys.argv[1]))
settings = SandboxSettings(public_url=sys.argv[2], webhook_url=sys.argv[3],
                           state_path=Path(sys.argv[4]))
uvicorn.Server(uvicorn.Config(create_app(settings), log_level="error")).run(sockets=[bound])
"""


async def test_a_killed_sandbox_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.sqlite"
    dead, nowhere = listening()
    dead.close()
    bound, url = listening()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, str(bound.fileno()), url, nowhere, str(path),
        pass_fds=[bound.fileno()],
    )  # fmt: skip
    bound.close()
    gateway = StripeGateway(secret_key=SANDBOX_SECRET_KEY, api_base=url)
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http, a_stand() as other:
        session = await gateway.create_checkout(other.order())
        assert session.url is not None
        assert (await http.post(session.url, data={"action": "pay"})).status_code == 303
    await gateway.close()
    process.kill()
    assert await process.wait() == -signal.SIGKILL

    async with a_stand(state_path=path) as stand:
        await stand.settled()
        assert stand.shop.types() == PAID
        found = await stand.gateway.retrieve_checkout(session.id)
        assert found is not None
        assert found.is_paid
