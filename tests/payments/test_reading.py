"""Payloads, read into plain values or refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headstart.app.ports import CaptureMode
from headstart.payments.reading import checkout_session_from, payment_intent_from, refund_from

from .stand import Json, in_an_hour


def _charge(**changes: Any) -> Json:
    usual: Json = {
        "id": "ch_1",
        "captured": True,
        "amount_refunded": 900,
        "disputed": False,
        "payment_method_details": {"type": "card", "card": {"capture_before": 1_800_000_000}},
    }
    return {**usual, **changes}


def _intent(**changes: Any) -> Json:
    usual: Json = {
        "id": "pi_1",
        "status": "succeeded",
        "capture_method": "automatic_async",
        "amount": 4900,
        "currency": "usd",
        "amount_capturable": 0,
        "amount_received": 4900,
        "canceled_at": None,
        "cancellation_reason": None,
        "livemode": False,
        "latest_charge": _charge(),
        "metadata": {"plan": "video", "broken": 7},
    }
    return {**usual, **changes}


def _session(**changes: Any) -> Json:
    usual: Json = {
        "id": "cs_test_1",
        "url": None,
        "status": "complete",
        "payment_status": "paid",
        "amount_total": 4900,
        "currency": "usd",
        "payment_intent": "pi_1",
        "metadata": {"plan": "video", "broken": 7},
        "client_reference_id": None,
        "livemode": False,
        "expires_at": int(in_an_hour().timestamp()),
    }
    return {**usual, **changes}


def test_a_session_is_read_with_its_payment_if_that_was_expanded() -> None:
    plain = checkout_session_from(_session())
    assert (plain.payment_intent_id, plain.payment) == ("pi_1", None)
    assert plain.metadata == {"plan": "video"}
    assert plain.expires_at - in_an_hour() < timedelta(minutes=1)
    full = checkout_session_from(_session(payment_intent=_intent()))
    assert (full.payment_intent_id, full.payment) == ("pi_1", payment_intent_from(_intent()))


@pytest.mark.parametrize(
    ("name", "value"),
    [("id", 7), ("amount_total", None), ("amount_total", True), ("expires_at", 10**30),
     ("status", None), ("payment_intent", 7), ("payment_intent", {})],
)  # fmt: skip
def test_a_session_out_of_shape_is_a_value_error(name: str, value: object) -> None:
    with pytest.raises(ValueError, match="no Checkout Session"):
        checkout_session_from(_session(**{name: value}))


@pytest.mark.parametrize(
    ("status", "payment_status", "is_paid"),
    [
        ("complete", "paid", True),
        ("complete", "no_payment_required", True),
        ("complete", "unpaid", False),
        ("open", "no_payment_required", False),
        ("expired", "unpaid", False),
    ],
)
def test_only_a_completed_payment_is_ours(status: str, payment_status: str, is_paid: bool) -> None:
    found = checkout_session_from(_session(status=status, payment_status=payment_status))
    assert (found.is_paid, found.is_complete) == (is_paid, status == "complete")


def test_a_captured_payment_is_read_with_what_was_returned() -> None:
    found = payment_intent_from(_intent())
    assert (found.amount_received, found.amount_refunded, found.amount_kept) == (4900, 900, 4000)
    assert found.capture_before == datetime.fromtimestamp(1_800_000_000, UTC)
    assert (found.capture, found.charge_id) == (CaptureMode.CHARGE, "ch_1")
    assert (found.is_captured, found.is_held, found.is_canceled) == (True, False, False)
    assert found.metadata == {"plan": "video"}


def test_a_hold_that_was_let_go_returned_nothing() -> None:
    """Older versions of the API called it a refund; nothing was ever taken."""
    charge = _charge(captured=False, amount_refunded=4900)
    changes = {"status": "canceled", "capture_method": "manual", "amount_received": 0}
    changes |= {"canceled_at": 1_700_000_000, "cancellation_reason": "expired"}
    found = payment_intent_from(_intent(latest_charge=charge, **changes))
    assert (found.capture, found.is_canceled) == (CaptureMode.HOLD, True)
    assert (found.amount_kept, found.amount_refunded) == (0, 0)
    assert found.canceled_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert found.cancellation_reason == "expired"


def test_a_payment_that_nobody_tried_yet_has_no_charge() -> None:
    found = payment_intent_from(_intent(latest_charge=None, amount_received=0))
    assert (found.charge_id, found.disputed, found.capture_before) == (None, False, None)


def test_a_method_that_is_no_card_tells_no_time() -> None:
    charge = _charge(payment_method_details={"type": "us_bank_account", "us_bank_account": {}})
    assert payment_intent_from(_intent(latest_charge=charge)).capture_before is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("id", None), ("amount", "4900"), ("amount_capturable", None), ("amount_received", 1.5),
     ("canceled_at", 10**30), ("status", ""), ("latest_charge", {}),
     ("latest_charge", _charge(amount_refunded=None)),
     ("latest_charge", _charge(payment_method_details={"card": {"capture_before": "soon"}}))],
)  # fmt: skip
def test_a_payment_out_of_shape_is_a_value_error(name: str, value: object) -> None:
    with pytest.raises(ValueError, match="no PaymentIntent"):
        payment_intent_from(_intent(**{name: value}))


def test_a_payment_without_its_charge_is_not_read() -> None:
    """It would look as if nothing had been returned."""
    with pytest.raises(ValueError, match="not expanded"):
        payment_intent_from(_intent(latest_charge="ch_1"))


def test_a_refund_out_of_shape_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no refund"):
        refund_from({})
