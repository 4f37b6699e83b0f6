"""Is this really from Stripe, and what does it say? Bytes in, a typed event or `BadWebhook` out.

The signature check is the SDK's own. Around it: our clock instead of the machine's, a limit into
the future (the SDK only knows "too old"), several secrets while one is rolled, and the promise
that no body and no header, however hostile, raises anything but `BadWebhook`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NoReturn

import stripe

from headstart.app.ports import CheckoutSession, PaymentEvent
from headstart.payments.reading import checkout_session_from

WEBHOOK_BODY_BYTES_MAX: Final = 256 * 1024
"""Stripe's events are 2 to 4 KB; the route stops reading here and answers 413."""
SIGNATURE_HEADER_CHARS_MAX: Final = 4096
SIGNATURE_TOLERANCE: Final = timedelta(seconds=300)
"""Stripe's own default. Every retry is signed afresh, so honest deliveries are never this old."""

_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,255}")
"""What ids, types and versions look like; anything else is refused before it can reach a row."""


class BadWebhookReason(StrEnum):
    """Why a delivery was refused. For a counter and a log line; the answer carries no detail."""

    ENCODED = "encoded"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    NO_SIGNATURE = "no_signature"
    BAD_SIGNATURE = "bad_signature"
    TOO_OLD = "too_old"
    FROM_THE_FUTURE = "from_the_future"
    BAD_SHAPE = "bad_shape"


class BadWebhook(Exception):
    """Not from Stripe, or not an event: answer 4xx and change nothing."""

    def __init__(self, reason: BadWebhookReason) -> None:
        self.reason = reason
        super().__init__(reason.value)


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """A verified event. `object` is the plain JSON of what it is about, as it was then: a hint,
    in the shape of `api_version`, which may differ from the SDK's."""

    id: str
    type: str
    created: datetime
    livemode: bool
    api_version: str | None
    account: str | None
    object_id: str | None
    object: Mapping[str, Any]


def verify(
    raw: bytes,
    signature_header: str | None,
    secrets: Sequence[str],
    *,
    now: datetime,
    tolerance: timedelta = SIGNATURE_TOLERANCE,
) -> StripeEvent:
    """The event that these very bytes are, signed with one of `secrets` within `tolerance` of
    `now` in either direction; otherwise `BadWebhook`. `now` is the real time, not a test clock
    that somebody has moved: the signature carries Stripe's."""
    if len(raw) > WEBHOOK_BODY_BYTES_MAX:
        raise BadWebhook(BadWebhookReason.TOO_LARGE)
    if not signature_header:
        raise BadWebhook(BadWebhookReason.NO_SIGNATURE)
    if not any(_is_signed(raw, signature_header, secret) for secret in secrets):
        raise BadWebhook(BadWebhookReason.BAD_SIGNATURE)
    _check_age(signature_header, now, tolerance)
    return _read_event(raw)


def _is_signed(raw: bytes, header: str, secret: str) -> bool:
    """The SDK's check, without its age check (`now` is ours). On hostile input it raises more
    than its own error: UnicodeDecodeError and TypeError were seen, hence the wide net."""
    if len(header) > SIGNATURE_HEADER_CHARS_MAX:
        return False
    try:
        return stripe.WebhookSignature.verify_header(raw, header, secret, None) is True
    except Exception:
        return False


def _check_age(header: str, now: datetime, tolerance: timedelta) -> None:
    """Refuse a signature made too long ago or in the future. The header is known to be genuine,
    and its first `t` is the one that was signed."""
    items = (item.split("=", 2) for item in header.split(","))
    signed_s = int(next(item[1] for item in items if item[0] == "t"))
    age_s = now.timestamp() - signed_s
    if age_s > tolerance.total_seconds():
        raise BadWebhook(BadWebhookReason.TOO_OLD)
    if age_s < -tolerance.total_seconds():
        raise BadWebhook(BadWebhookReason.FROM_THE_FUTURE)


def _read_event(raw: bytes) -> StripeEvent:
    """Nothing about the shape is taken for granted, signed or not; nesting may even exhaust the
    parser's stack, so every error means the same."""
    try:
        return event_from(json.loads(raw.decode(), parse_constant=_refuse_constant))
    except BadWebhook:
        raise
    except Exception:
        raise BadWebhook(BadWebhookReason.BAD_SHAPE) from None


def event_from(payload: Any) -> StripeEvent:
    """Read an event's JSON, from wherever it came; `BadWebhook` if it is none."""
    try:
        about = payload["data"]["object"]
        if payload["object"] != "event" or not isinstance(about, dict):
            raise TypeError("not a snapshot event")
        return StripeEvent(
            id=_name(payload["id"]),
            type=_name(payload["type"]),
            created=datetime.fromtimestamp(payload["created"], UTC),
            livemode=_flag(payload["livemode"]),
            api_version=_optional_name(payload.get("api_version")),
            account=_optional_name(payload.get("account")),
            object_id=_optional_name(about.get("id")),
            object=about,
        )
    except Exception:
        raise BadWebhook(BadWebhookReason.BAD_SHAPE) from None


def payment_event(event: StripeEvent) -> PaymentEvent:
    """The event in the application's words. What is not like ours, or cannot be an id, is None."""
    about = event.object
    ids = {
        name: _reference(about.get(name)) for name in ("payment_intent", "charge", "latest_charge")
    }
    ids[str(about.get("object"))] = event.object_id
    return PaymentEvent(
        id=event.id,
        type=event.type,
        object_id=event.object_id,
        livemode=event.livemode,
        api_version=event.api_version,
        account=event.account,
        checkout=_checkout(event),
        payment_intent_id=ids["payment_intent"],
        charge_id=ids["charge"] or ids["latest_charge"],
        refund_id=ids.get("refund"),
    )


def _checkout(event: StripeEvent) -> CheckoutSession | None:
    """None when the event is not about a payment page, or about one that is not like ours."""
    if not event.type.startswith("checkout.session."):
        return None
    try:
        return checkout_session_from(event.object)
    except ValueError:
        return None


def _reference(value: object) -> str | None:
    """An id, or the object itself when it was expanded."""
    named = value.get("id") if isinstance(value, Mapping) else value
    return named if isinstance(named, str) and _NAME.fullmatch(named) else None


def _refuse_constant(name: str) -> NoReturn:
    """NaN and Infinity are no JSON, though Python reads them and PostgreSQL then refuses them."""
    raise ValueError(name)


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise TypeError("not a name")
    return value


def _optional_name(value: object) -> str | None:
    return None if value is None else _name(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("not a flag")
    return value
