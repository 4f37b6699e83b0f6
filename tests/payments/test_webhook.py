"""What is refused at the door, with real signatures and hostile bytes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from headstart.payments.webhook import (
    WEBHOOK_BODY_BYTES_MAX,
    BadWebhook,
    BadWebhookReason,
    StripeEvent,
    payment_event,
    verify,
)

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
SECRET, OLD_SECRET = "whsec_new", "whsec_old"


def event(**changes: Any) -> dict[str, Any]:
    usual = {
        "id": "evt_1",
        "object": "event",
        "type": "checkout.session.completed",
        "created": int(NOW.timestamp()) - 7,
        "livemode": False,
        "api_version": "2026-10-28.endive",
        "data": {"object": {"id": "cs_test_1", "object": "checkout.session"}},
    }
    return {**usual, **changes}


def body(**changes: Any) -> bytes:
    return json.dumps(event(**changes)).encode()


def signature(raw: bytes, *, secret: str = SECRET, at: datetime = NOW) -> str:
    """Signed by the SDK, as Stripe would."""
    header = stripe.WebhookSignature.generate_signature_header(
        raw.decode(), secret, int(at.timestamp())
    )
    return str(header)


def refusal(raw: bytes, header: str | None, *secrets: str) -> BadWebhookReason:
    with pytest.raises(BadWebhook) as refused:
        verify(raw, header, secrets or (SECRET,), now=NOW)
    assert str(refused.value) == refused.value.reason.value
    return refused.value.reason


def test_a_genuine_event_is_read() -> None:
    raw = body()
    assert verify(raw, signature(raw), [SECRET], now=NOW) == StripeEvent(
        id="evt_1",
        type="checkout.session.completed",
        created=NOW - timedelta(seconds=7),
        livemode=False,
        api_version="2026-10-28.endive",
        account=None,
        object_id="cs_test_1",
        object={"id": "cs_test_1", "object": "checkout.session"},
    )


def test_connect_and_live_events_say_so() -> None:
    raw = body(account="acct_1", livemode=True)
    found = verify(raw, signature(raw), [SECRET], now=NOW)
    assert (found.account, found.livemode) == ("acct_1", True)


def test_both_secrets_count_while_one_is_rolled() -> None:
    raw = body()
    for secret in (SECRET, OLD_SECRET):
        header = signature(raw, secret=secret)
        assert verify(raw, header, [SECRET, OLD_SECRET], now=NOW).id == "evt_1"
    both = signature(raw, secret=OLD_SECRET) + "," + signature(raw).split(",")[1]
    assert verify(raw, both, [SECRET], now=NOW).id == "evt_1"


def test_no_secret_lets_nothing_through() -> None:
    raw = body()
    for secrets in ([], [""], [" "]):
        with pytest.raises(BadWebhook):
            verify(raw, signature(raw, secret=""), secrets, now=NOW)


# Row 1 of the attack list


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, "no_signature"),
        ("", "no_signature"),
        ("garbage", "bad_signature"),
        ("t=", "bad_signature"),
        ("t=1,v1=", "bad_signature"),
        (",,,===", "bad_signature"),
        ("t=1,v1=é", "bad_signature"),
        ("t=\ud800,v1=\ud800", "bad_signature"),
        ("t=" + "9" * 5000 + ",v1=0", "bad_signature"),
        ("v1=" + "0" * 64, "bad_signature"),
        ("t=nan,v1=" + "0" * 64, "bad_signature"),
    ],
)
def test_a_garbage_header_is_refused(header: str | None, reason: str) -> None:
    assert refusal(body(), header) == reason


def test_only_v0_or_only_t_is_refused() -> None:
    raw = body()
    stamp, mac = signature(raw).split(",")
    assert refusal(raw, stamp) == "bad_signature"
    assert refusal(raw, f"{stamp},{mac.replace('v1', 'v0')}") == "bad_signature"


# Row 2


def test_a_wrong_secret_or_another_body_is_refused() -> None:
    raw = body()
    assert refusal(raw, signature(raw, secret="whsec_wrong")) == "bad_signature"
    assert refusal(raw + b" ", signature(raw)) == "bad_signature"
    assert refusal(raw, signature(body(id="evt_2"))) == "bad_signature"


# Row 3


@pytest.mark.parametrize(
    ("age", "reason"),
    [
        (timedelta(seconds=301), "too_old"),
        (timedelta(days=-365), "from_the_future"),
        (timedelta(seconds=-301), "from_the_future"),
    ],
)
def test_a_valid_signature_of_another_time_is_refused(age: timedelta, reason: str) -> None:
    raw = body()
    assert refusal(raw, signature(raw, at=NOW - age)) == reason


@pytest.mark.parametrize("age", [timedelta(seconds=300), timedelta(seconds=-300)])
def test_the_limit_itself_is_accepted(age: timedelta) -> None:
    raw = body()
    assert verify(raw, signature(raw, at=NOW - age), [SECRET], now=NOW).id == "evt_1"


def test_a_second_timestamp_does_not_make_an_old_signature_young() -> None:
    raw = body()
    old = signature(raw, at=NOW - timedelta(hours=1))
    fresh = f"t={int(NOW.timestamp())}"
    assert refusal(raw, f"{old},{fresh}") == "too_old"
    assert refusal(raw, f"{fresh},{old}") == "bad_signature"


# Rows 4 and 5: a replay, and an old event signed again, are the same event; what follows from it
# is decided where events are recorded.


def test_a_replay_is_the_same_event_and_so_is_an_old_one_signed_again() -> None:
    raw = body(created=int((NOW - timedelta(days=15)).timestamp()))
    first = verify(raw, signature(raw), [SECRET], now=NOW)
    later = NOW + timedelta(seconds=200)
    assert verify(raw, signature(raw), [SECRET], now=later) == first
    assert verify(raw, signature(raw, at=later), [SECRET], now=later) == first


# Row 6


def test_a_body_over_the_limit_is_refused_before_any_signature() -> None:
    raw = b" " * (WEBHOOK_BODY_BYTES_MAX + 1)
    assert refusal(raw, signature(raw)) == "too_large"
    assert refusal(raw, None) == "too_large"


def test_a_body_of_just_the_limit_is_read() -> None:
    raw = body()
    raw += b" " * (WEBHOOK_BODY_BYTES_MAX - len(raw))
    assert verify(raw, signature(raw), [SECRET], now=NOW).id == "evt_1"


# Hostile bodies, all of them correctly signed


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"event"',
        b"{",
        b"NaN",
        b"[" * 100_000,
        b'{"data":' * 20_000,
        body(data=None),
        body(data={"object": None}),
        body(data={"object": []}),
        body(object="v2.core.event"),
        body(id=None),
        body(id="x" * 300),
        body(id="evt_1'; drop table customers --"),
        body(type="\u0000"),
        body(created="yesterday"),
        body(created=10**30),
        body(created=float("nan")),
        body(livemode="false"),
        body(livemode=0),
        body(account=["acct_1"]),
        body(data={"object": {"id": {"$ne": 1}}}),
        b"\xef\xbb\xbf" + body(),
    ],
    ids=range(24),
)
def test_a_signed_body_out_of_shape_is_refused(raw: bytes) -> None:
    assert refusal(raw, signature(raw)) == "bad_shape"


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"\xed\xa0\x80", b"\x80" * 100])
def test_bytes_that_are_no_text_are_refused(raw: bytes) -> None:
    assert refusal(raw, "t=1,v1=0") == "bad_signature"


# What an event is about


@pytest.mark.parametrize(
    ("about", "payment", "charge", "refund"),
    [
        ({"object": "checkout.session", "payment_intent": "pi_1"}, "pi_1", None, None),
        ({"object": "checkout.session", "payment_intent": None}, None, None, None),
        ({"object": "payment_intent", "latest_charge": "ch_1"}, "x_1", "ch_1", None),
        ({"object": "payment_intent", "latest_charge": {"id": "ch_1"}}, "x_1", "ch_1", None),
        ({"object": "charge", "payment_intent": "pi_1"}, "pi_1", "x_1", None),
        ({"object": "refund", "payment_intent": "pi_1", "charge": "ch_1"}, "pi_1", "ch_1", "x_1"),
        ({"object": "dispute", "payment_intent": "pi_1", "charge": "ch_1"}, "pi_1", "ch_1", None),
        ({"object": "review", "payment_intent": None, "charge": "ch_1"}, None, "ch_1", None),
        ({"object": "radar.early_fraud_warning", "charge": "ch_1"}, None, "ch_1", None),
        ({"object": "customer"}, None, None, None),
        # Hostile, though signed: nothing that could not be an id gets through.
        ({"object": "charge", "payment_intent": {"$ne": 1}}, None, "x_1", None),
        ({"object": "charge", "payment_intent": "pi_1'; drop table x --"}, None, "x_1", None),
        ({"object": "refund", "payment_intent": "x" * 300, "charge": "\0"}, None, None, "x_1"),
        ({"object": ["charge"], "payment_intent": ["pi_1"]}, None, None, None),
    ],
    ids=range(14),
)
def test_an_event_names_what_to_fetch(
    about: dict[str, Any], payment: str | None, charge: str | None, refund: str | None
) -> None:
    raw = body(type="charge.refunded", data={"object": {"id": "x_1", **about}})
    found = payment_event(verify(raw, signature(raw), [SECRET], now=NOW))
    assert (found.payment_intent_id, found.charge_id, found.refund_id) == (payment, charge, refund)
    assert (found.object_id, found.checkout) == ("x_1", None)


def test_a_page_that_cannot_be_read_is_no_page() -> None:
    raw = body()
    found = payment_event(verify(raw, signature(raw), [SECRET], now=NOW))
    assert (found.type, found.checkout) == ("checkout.session.completed", None)
