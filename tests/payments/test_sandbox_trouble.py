"""Calls that go wrong on request, and what the gateway makes of each."""

from collections.abc import Awaitable, Callable

import pytest
import stripe

from headstart.app.ports import PaymentsRefused, PaymentsUnavailable, RefusedBecause
from headstart.payments import gateway as gateway_module
from headstart.payments.gateway import NETWORK_RETRIES_MAX, StripeGateway

from .stand import Stand

ATTEMPTS = 1 + NETWORK_RETRIES_MAX


@pytest.fixture(autouse=True)
def _no_pause_between_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.0)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0.0)


async def unavailable(call: Awaitable[object]) -> PaymentsUnavailable:
    with pytest.raises(PaymentsUnavailable) as trouble:
        await call
    return trouble.value


async def refused(call: Awaitable[object]) -> PaymentsRefused:
    with pytest.raises(PaymentsRefused) as refusal:
        await call
    return refusal.value


@pytest.mark.parametrize("fault", ["409", "500", "503", "429"])
async def test_nothing_was_done_and_the_key_is_free(stand: Stand, fault: str) -> None:
    held = await stand.held()
    attempts = 1 if fault == "429" else ATTEMPTS  # the SDK does not repeat this one by itself
    await stand.pull("trouble", call="capture", fault=fault, times=attempts)
    capture = stand.gateway.capture(held.id, amount=4900, idempotency_key="capture:1")
    assert (await unavailable(capture)).stored is False
    assert (await stand.payment(held.id)).is_held
    done = await stand.gateway.capture(held.id, amount=4900, idempotency_key="capture:1")
    assert done.is_captured


async def test_the_sdk_gets_over_a_hiccup_by_itself(stand: Stand) -> None:
    paid = await stand.charged()
    await stand.pull("trouble", call="create_refund", fault="503", times=NETWORK_RETRIES_MAX)
    await stand.gateway.refund(paid.id, amount=900, idempotency_key="refund:1")
    assert (await stand.http.get("/_sandbox/trouble")).json() == []
    assert (await stand.payment(paid.id)).amount_refunded == 900


async def test_an_answer_that_gets_lost_is_given_again(stand: Stand) -> None:
    paid = await stand.charged()
    await stand.pull("trouble", call="create_refund", fault="lost", times=ATTEMPTS)
    refund = stand.gateway.refund(paid.id, amount=900, idempotency_key="refund:1")
    assert (await unavailable(refund)).stored is False
    assert (await stand.payment(paid.id)).amount_refunded == 900, "it was done all the same"
    again = await stand.gateway.refund(paid.id, amount=900, idempotency_key="refund:1")
    assert [each.id for each in await stand.gateway.refunds(paid.id)] == [again.id]


async def test_silence_does_nothing(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    held = await stand.held()
    monkeypatch.setattr(gateway_module, "REQUEST_TIMEOUT_S", 0.2)
    impatient = StripeGateway(secret_key="sk_test_x", api_base=stand.url)
    await stand.pull("trouble", call="cancel", fault="hang", times=ATTEMPTS)
    await unavailable(impatient.cancel_hold(held.id, idempotency_key="cancel:1"))
    await impatient.close()
    assert (await stand.payment(held.id)).is_held


async def test_a_stored_failure_is_given_to_its_key_for_a_day(stand: Stand) -> None:
    held = await stand.held()
    await stand.pull("trouble", call="capture", fault="kept_500")
    capture = stand.gateway.capture(held.id, amount=4900, idempotency_key="capture:1")
    assert (await unavailable(capture)).stored is True
    again = stand.gateway.capture(held.id, amount=4900, idempotency_key="capture:1")
    assert (await unavailable(again)).stored is True
    assert (await stand.payment(held.id)).is_held
    await stand.pull("clock", advance_s=24 * 3600 + 1)
    done = await stand.gateway.capture(held.id, amount=4900, idempotency_key="capture:1")
    assert done.is_captured


async def test_a_stored_failure_may_hide_what_was_done(stand: Stand) -> None:
    paid = await stand.charged()
    await stand.pull("trouble", call="create_refund", fault="done_500")
    refund = stand.gateway.refund(
        paid.id, amount=900, idempotency_key="refund:1", metadata={"operation": "7"}
    )
    assert (await unavailable(refund)).stored is True
    (made,) = await stand.gateway.refunds(paid.id)
    assert (made.amount, made.metadata) == (900, {"operation": "7"}), "so look before a new key"


@pytest.mark.parametrize(
    ("code", "status", "because"),
    [
        ("capture_charge_authorization_expired", 400, RefusedBecause.HOLD_EXPIRED),
        ("charge_expired_for_capture", 400, RefusedBecause.HOLD_EXPIRED),
        ("charge_already_captured", 400, RefusedBecause.ALREADY_CAPTURED),
        ("payment_intent_unexpected_state", 400, RefusedBecause.UNEXPECTED_STATE),
        ("charge_exceeds_source_limit", 400, RefusedBecause.OTHER),
        ("charge_exceeds_transaction_limit", 400, RefusedBecause.OTHER),
        ("card_declined", 402, RefusedBecause.CARD_REFUSED),
        ("expired_card", 402, RefusedBecause.CARD_REFUSED),
        ("charge_disputed", 400, RefusedBecause.DISPUTED),
        ("balance_insufficient", 400, RefusedBecause.NO_BALANCE),
    ],
)
async def test_a_refusal_says_why_and_is_kept(
    stand: Stand, code: str, status: int, because: RefusedBecause
) -> None:
    held = await stand.held()
    await stand.pull("trouble", call="capture", fault="refuse", code=code)
    for _ in range(2):
        capture = stand.gateway.capture(held.id, amount=4900, idempotency_key="capture:1")
        refusal = await refused(capture)
        assert (refusal.code, refusal.status, refusal.because) == (code, status, because)
    assert (await stand.payment(held.id)).is_held
    done = await stand.gateway.capture(held.id, amount=4900, idempotency_key="capture:2")
    assert done.is_captured


async def test_a_refusal_by_state_is_kept_and_one_by_parameters_is_not(stand: Stand) -> None:
    held = await stand.held()
    path, key = f"/v1/payment_intents/{held.id}/capture", {"Idempotency-Key": "k"}
    first = await stand.http.post(path, data={"amount_to_capture": "4901"}, headers=key)
    again = await stand.http.post(path, data={"amount_to_capture": "4901"}, headers=key)
    assert (first.status_code, again.status_code) == (400, 400)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert first.json() == again.json()
    other = {"Idempotency-Key": "other"}
    assert (await stand.http.post(path, data={"all": "1"}, headers=other)).status_code == 400
    assert (await stand.http.post(path, headers=other)).status_code == 200


async def test_a_key_is_refused_for_another_body_and_another_path(stand: Stand) -> None:
    held, other = await stand.held(), await stand.held()
    await stand.gateway.capture(held.id, amount=4900, idempotency_key="k")
    for call in (
        stand.gateway.capture(held.id, amount=1, idempotency_key="k"),
        stand.gateway.capture(other.id, amount=4900, idempotency_key="k"),
        stand.gateway.cancel_hold(held.id, idempotency_key="k"),
    ):
        refusal = await refused(call)
        assert (refusal.status, refusal.because) == (400, RefusedBecause.KEY_REUSED)
    assert (await stand.payment(other.id)).is_held


async def test_looking_can_go_wrong_too(stand: Stand) -> None:
    session = await stand.paid()
    assert session.payment_intent_id is not None
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "retrieve_session": lambda: stand.gateway.retrieve_checkout(session.id),
        "retrieve_payment_intent": lambda: stand.payment(session.payment_intent_id or ""),
        "list_refunds": lambda: stand.gateway.refunds(session.payment_intent_id or ""),
        "create_session": lambda: stand.checkout(),
        "expire_session": lambda: stand.gateway.expire_checkout(session.id, idempotency_key="e"),
    }
    for name, call in calls.items():
        for fault in ("500", "lost"):
            await stand.pull("trouble", call=name, fault=fault, times=ATTEMPTS)
            await unavailable(call())
        assert await call() is not None
    await stand.pull("trouble", call="any", fault="429", times=2)
    await unavailable(calls["retrieve_session"]())
    await unavailable(calls["list_refunds"]())


async def test_troubles_are_shown_and_cleared(stand: Stand) -> None:
    await stand.pull("trouble", call="capture", fault="503", times=2)
    shown = (await stand.http.get("/_sandbox/trouble")).json()
    assert shown == [{"call": "capture", "fault": "503", "times": 2, "code": None}]
    assert (await stand.http.delete("/_sandbox/trouble")).json() == []
    held = await stand.held()
    done = await stand.gateway.capture(held.id, amount=4900, idempotency_key="capture:1")
    assert done.is_captured
