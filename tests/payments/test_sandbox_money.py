"""What the sandbox makes of money: held, slow, sent back, disputed; and who hears of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headstart.app.ports import CaptureMode, PaymentsRefused, RefusedBecause
from headstart.payments.sandbox import SANDBOX_WEBHOOK_SECRET
from headstart.payments.webhook import payment_event, verify

from .stand import Json, Stand, a_stand, until

WEEK = timedelta(days=7)


async def told(stand: Stand) -> list[str]:
    """The types of all events so far, in the order of their making."""
    await stand.settled()
    return stand.shop.types()


# Holds


async def test_a_hold_is_complete_but_not_paid(stand: Stand) -> None:
    session = await stand.paid(capture=CaptureMode.HOLD)
    assert (session.status, session.payment_status, session.is_paid) == (
        "complete",
        "unpaid",
        False,
    )
    assert session.is_complete
    assert session.payment is not None
    assert session.payment.is_held
    assert session.payment.metadata == session.metadata
    held_for = session.payment.capture_before
    assert held_for is not None
    assert abs(held_for - datetime.now(UTC) - WEEK) < timedelta(minutes=1)
    assert await told(stand) == [
        "payment_intent.amount_capturable_updated",
        "charge.succeeded",
        "checkout.session.completed",
    ]
    page = await stand.http.get(f"/c/pay/{session.id}")
    assert "held" in page.text


async def test_a_captured_hold_is_paid(stand: Stand) -> None:
    session = await stand.paid(capture=CaptureMode.HOLD)
    assert session.payment is not None
    await stand.gateway.capture(session.payment.id, amount=4900, idempotency_key="capture:1")
    found = await stand.gateway.retrieve_checkout(session.id)
    assert found is not None
    assert (found.payment_status, found.is_paid) == ("paid", True)
    assert (await told(stand))[3:] == ["payment_intent.succeeded", "charge.captured"]
    assert stand.shop.received[-1].event["request"]["idempotency_key"] == "capture:1"


async def test_a_hold_that_is_let_go_is_no_refund(stand: Stand) -> None:
    held = await stand.held()
    await stand.gateway.cancel_hold(held.id, idempotency_key="cancel:1")
    assert (await told(stand))[3:] == ["payment_intent.canceled"]
    charge = await stand.get(f"/v1/charges/{held.charge_id}")
    assert (charge["refunded"], charge["amount_refunded"]) == (False, 0)
    stand.clock.ahead_s = WEEK.total_seconds() + 1
    await stand.http.post("/_sandbox/wake")
    assert (await told(stand))[4:] == [], "the bank has nothing left to let go"


async def test_the_bank_lets_go_after_a_week(stand: Stand) -> None:
    held = await stand.held()
    await stand.pull("clock", advance_s=WEEK.total_seconds() - 60)
    assert (await stand.payment(held.id)).is_held
    await stand.pull("clock", advance_s=61)
    gone = await stand.payment(held.id)
    assert (gone.is_canceled, gone.cancellation_reason) == (True, "expired")
    assert gone.canceled_at is not None
    assert held.capture_before is not None
    assert gone.canceled_at >= held.capture_before
    assert (await told(stand))[3:] == ["payment_intent.canceled", "charge.expired"]
    with pytest.raises(PaymentsRefused) as refusal:
        await stand.gateway.capture(held.id, amount=4900, idempotency_key="capture:1")
    assert refusal.value.because is RefusedBecause.UNEXPECTED_STATE
    assert refusal.value.code == "payment_intent_unexpected_state"


async def test_a_hold_is_not_refunded_and_nobody_says_that_it_was(stand: Stand) -> None:
    held = await stand.held()
    with pytest.raises(PaymentsRefused) as refusal:
        await stand.gateway.refund(held.id, amount=4900, idempotency_key="refund:1")
    assert (refusal.value.code, refusal.value.because) == (
        "charge_not_refundable",
        RefusedBecause.OTHER,
    )


async def test_a_captured_hold_does_not_run_out(stand: Stand) -> None:
    held = await stand.held()
    await stand.gateway.capture(held.id, amount=4900, idempotency_key="capture:1")
    await stand.pull("clock", advance_s=WEEK.total_seconds() + 1)
    assert (await stand.payment(held.id)).amount_kept == 4900


async def test_webhooks_are_signed_in_real_time_however_late_it_is(stand: Stand) -> None:
    await stand.held()
    await stand.pull("clock", advance_s=WEEK.total_seconds() + 1)
    await stand.settled()
    last = stand.shop.received[-1]
    header, now = last.headers["stripe-signature"], datetime.fromtimestamp(stand.clock(), UTC)
    event = verify(last.raw, header, [SANDBOX_WEBHOOK_SECRET], now=now)
    assert event.created - now > timedelta(days=6)


async def test_the_clock_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.sqlite"
    async with a_stand(state_path=path) as stand:
        held = await stand.held()
        await stand.pull("clock", advance_s=WEEK.total_seconds() - 60)
    async with a_stand(state_path=path) as stand:
        assert (await stand.get("/_sandbox/clock"))["ahead_s"] == WEEK.total_seconds() - 60
        assert (await stand.payment(held.id)).is_held
        stand.clock.ahead_s = 61
        assert (await stand.payment(held.id)).is_canceled


@pytest.mark.parametrize(
    ("path", "form", "param"),
    [
        ("capture", {"amount": "1"}, "amount"),
        ("capture", {"amount_to_capture": "0"}, "amount_to_capture"),
        ("capture", {"amount_to_capture": "4901"}, "amount_to_capture"),
        ("capture", {"amount_to_capture": "all"}, "amount_to_capture"),
        ("cancel", {"reason": "abandoned"}, "reason"),
        ("cancel", {"cancellation_reason": "bored"}, "cancellation_reason"),
        ("cancel", {"cancellation_reason": "expired"}, "cancellation_reason"),
    ],
)
async def test_a_bad_capture_is_refused(
    stand: Stand, path: str, form: dict[str, str], param: str
) -> None:
    held = await stand.held()
    response = await stand.http.post(f"/v1/payment_intents/{held.id}/{path}", data=form)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert (await stand.payment(held.id)).amount_capturable == 4900


# Slow methods


async def slowly_paid(stand: Stand) -> Json:
    session = await stand.checkout()
    assert (await stand.press(session, "pay_slowly")).status_code == 303
    return await stand.get(f"/v1/checkout/sessions/{session.id}")


@pytest.mark.parametrize("by", ["id", "payment_intent"])
async def test_a_slow_payment_arrives(stand: Stand, by: str) -> None:
    session = await slowly_paid(stand)
    assert (session["status"], session["payment_status"]) == ("complete", "unpaid")
    intent = await stand.payment(session["payment_intent"])
    assert (intent.status, intent.amount_received) == ("processing", 0)
    await stand.pull("settle", id=session[by], outcome="succeeded")
    found = await stand.gateway.retrieve_checkout(session["id"])
    assert found is not None
    assert found.payment is not None
    assert (found.is_paid, found.payment.amount_received) == (True, 4900)
    assert await told(stand) == [
        "payment_intent.processing",
        "charge.pending",
        "checkout.session.completed",
        "payment_intent.succeeded",
        "charge.succeeded",
        "checkout.session.async_payment_succeeded",
    ]


async def test_a_slow_payment_fails(stand: Stand) -> None:
    session = await slowly_paid(stand)
    await stand.pull("settle", id=session["id"], outcome="failed")
    found = await stand.gateway.retrieve_checkout(session["id"])
    assert found is not None
    assert found.payment is not None
    assert (found.status, found.is_paid) == ("complete", False)
    assert found.payment.status == "requires_payment_method"
    assert (await told(stand))[3:] == [
        "payment_intent.payment_failed",
        "charge.failed",
        "checkout.session.async_payment_failed",
    ]
    response = await stand.http.post(
        "/_sandbox/settle", json={"id": session["id"], "outcome": "succeeded"}
    )
    assert response.json()["error"]["code"] == "payment_intent_unexpected_state"


async def test_a_slow_payment_cannot_be_refunded_yet_and_holds_are_not_slow(stand: Stand) -> None:
    session = await slowly_paid(stand)
    with pytest.raises(PaymentsRefused):
        await stand.gateway.refund(session["payment_intent"], amount=1, idempotency_key="r")
    hold = await stand.checkout(capture=CaptureMode.HOLD)
    assert (await stand.press(hold, "pay_slowly")).status_code == 200
    assert await stand.gateway.retrieve_checkout(hold.id) == hold


async def test_the_page_offers_what_the_shop_allows(stand: Stand) -> None:
    cards_only = await stand.checkout()
    assert "pay_slowly" not in (await stand.http.get(f"/c/pay/{cards_only.id}")).text
    form = {
        "mode": "payment",
        "success_url": "https://shop.test/paid",
        "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][unit_amount]": "4900",
        "line_items[0][price_data][product_data][name]": "Video session",
    }
    anything = (await stand.http.post("/v1/checkout/sessions", data=form)).json()
    assert 'value="pay_slowly"' in (await stand.http.get(f"/c/pay/{anything['id']}")).text


# Refunds


async def test_a_refund_from_the_dashboard_counts_as_ours_do(stand: Stand) -> None:
    paid = await stand.charged()
    made = await stand.pull("refund", payment_intent=paid.id, amount=900)
    await stand.pull("refund", payment_intent=paid.id)
    now = await stand.payment(paid.id)
    assert (now.amount_refunded, now.amount_kept) == (4900, 0)
    assert made["id"] in [each.id for each in await stand.gateway.refunds(paid.id)]
    assert (await told(stand))[3:] == ["refund.created", "charge.refunded"] * 2
    assert stand.shop.received[-1].event["request"] == {"id": None, "idempotency_key": None}


async def test_a_pending_refund_arrives_or_comes_back(stand: Stand) -> None:
    await stand.switch(slow_refunds=True)
    paid = await stand.charged()
    first, second = [
        await stand.gateway.refund(paid.id, amount=amount, idempotency_key=f"refund:{amount}")
        for amount in (900, 4000)
    ]
    assert (first.status, second.status) == ("pending", "pending")
    assert (await stand.payment(paid.id)).amount_refunded == 4900
    await stand.pull("settle", id=first.id, outcome="succeeded")
    await stand.pull("settle", id=second.id, outcome="failed")
    assert (await stand.payment(paid.id)).amount_refunded == 900
    found = {each.id: each for each in await stand.gateway.refunds(paid.id)}
    assert (found[first.id].status, found[second.id].status) == ("succeeded", "failed")
    assert found[second.id].failure_reason == "lost_or_stolen_card"
    assert (await told(stand))[7:] == ["refund.updated", "refund.updated", "refund.failed"]


async def test_even_a_refund_that_arrived_can_come_back_once(stand: Stand) -> None:
    paid = await stand.charged()
    refund = await stand.gateway.refund(paid.id, amount=4900, idempotency_key="refund:1")
    arrived = {"id": refund.id, "outcome": "succeeded"}
    assert (await stand.http.post("/_sandbox/settle", json=arrived)).status_code == 400
    await stand.pull("settle", id=refund.id, outcome="failed")
    assert (await stand.payment(paid.id)).amount_kept == 4900
    for outcome in ("failed", "succeeded"):
        wish = {"id": refund.id, "outcome": outcome}
        assert (await stand.http.post("/_sandbox/settle", json=wish)).status_code == 400
    again = await stand.gateway.refund(paid.id, amount=4900, idempotency_key="refund:2")
    assert again.id != refund.id


async def test_people_can_capture_and_let_go_in_the_dashboard(stand: Stand) -> None:
    captured, gone = await stand.held(), await stand.held()
    await stand.pull("capture", payment_intent=captured.id, amount=4000)
    await stand.pull("cancel", payment_intent=gone.id)
    assert (await stand.payment(captured.id)).amount_kept == 4000
    assert (await stand.payment(gone.id)).cancellation_reason == "requested_by_customer"
    response = await stand.http.post("/_sandbox/capture", json={"payment_intent": gone.id})
    assert response.json()["error"]["code"] == "payment_intent_unexpected_state"


async def test_people_can_edit_metadata(stand: Stand) -> None:
    session = await stand.paid()
    assert session.payment_intent_id is not None
    await stand.pull("metadata", id=session.id, metadata={"intake_id": "another"})
    await stand.pull("metadata", id=session.payment_intent_id, metadata={})
    found = await stand.gateway.retrieve_checkout(session.id)
    assert found is not None
    assert found.payment is not None
    assert (found.metadata, found.payment.metadata) == ({"intake_id": "another"}, {})


# Banks and card networks


@pytest.mark.parametrize("outcome", ["won", "lost"])
async def test_a_dispute_is_opened_and_closed(stand: Stand, outcome: str) -> None:
    paid = await stand.charged()
    dispute = await stand.pull("dispute", payment_intent=paid.id)
    assert (dispute["payment_intent"], dispute["amount"]) == (paid.id, 4900)
    assert (await stand.payment(paid.id)).disputed
    with pytest.raises(PaymentsRefused) as refusal:
        await stand.gateway.refund(paid.id, amount=1, idempotency_key="refund:1")
    assert refusal.value.because is RefusedBecause.DISPUTED
    closed = await stand.pull("close_dispute", id=dispute["id"], outcome=outcome)
    assert closed["status"] == outcome
    assert (await stand.payment(paid.id)).disputed, "it has been, whoever won"
    assert (await told(stand))[3:] == ["charge.dispute.created", "charge.dispute.closed"]
    if outcome == "won":
        await stand.gateway.refund(paid.id, amount=1, idempotency_key="refund:2")


async def test_what_is_only_held_cannot_be_disputed_and_nothing_twice(stand: Stand) -> None:
    held, paid = await stand.held(), await stand.charged()
    dispute = await stand.pull("dispute", payment_intent=paid.id)
    await stand.pull("close_dispute", id=dispute["id"], outcome="lost")
    for lever, wish in (
        ("dispute", {"payment_intent": held.id}),
        ("dispute", {"payment_intent": paid.id}),
        ("close_dispute", {"id": dispute["id"], "outcome": "won"}),
    ):
        assert (await stand.http.post(f"/_sandbox/{lever}", json=wish)).status_code == 400


async def test_every_event_names_its_payment(stand: Stand) -> None:
    paid = await stand.charged()
    await stand.pull("warn", payment_intent=paid.id)
    await stand.pull("review", payment_intent=paid.id)
    await stand.pull("refund", payment_intent=paid.id, amount=1)
    await stand.pull("dispute", payment_intent=paid.id)
    await stand.settled()
    now = datetime.fromtimestamp(stand.clock(), UTC)
    events = [
        payment_event(
            verify(each.raw, each.headers["stripe-signature"], [SANDBOX_WEBHOOK_SECRET], now=now)
        )
        for each in stand.shop.received
    ]
    assert {each.payment_intent_id for each in events} == {paid.id}
    assert {each.charge_id for each in events if each.checkout is None} == {paid.charge_id}
    assert [each.type for each in events if each.refund_id] == ["refund.created"]
    assert len(events) == 9


# Asking instead of listening


async def test_a_session_that_was_just_paid_cannot_be_expired(stand: Stand) -> None:
    session = await stand.paid(capture=CaptureMode.HOLD)
    response = await stand.http.post(f"/v1/checkout/sessions/{session.id}/expire")
    assert response.status_code == 400
    found = await stand.gateway.expire_checkout(session.id, idempotency_key="expire:1")
    assert found == session


async def test_lost_news_is_found_by_asking(stand: Stand) -> None:
    await stand.switch(drop=True)
    held = await stand.held()
    await stand.switch(drop=False)
    await stand.charged()
    await stand.settled()
    since = datetime.fromtimestamp(stand.clock() - 60, UTC)
    lost = [each async for each in stand.gateway.undelivered_events(since)]
    assert [each.type for each in lost] == [
        "checkout.session.completed",
        "payment_intent.amount_capturable_updated",
    ], "charge.succeeded is none of those that are heeded"
    assert {each.payment_intent_id for each in lost} == {held.id}
    assert lost[0].checkout is not None
    listed = [each async for each in stand.gateway.recent_checkouts(since)]
    assert [each.payment and each.payment.is_held for each in listed] == [False, True]
    await stand.http.post(f"/_sandbox/resend/{lost[0].id}")
    await until(lambda: "checkout.session.completed" in stand.shop.types())
    await stand.settled()
    left = [each async for each in stand.gateway.undelivered_events(since)]
    assert [each.id for each in left] == [lost[1].id]
