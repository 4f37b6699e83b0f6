"""Stripe's JSON, of an API answer or of a webhook's `object`, as plain frozen values. Whatever is
not shaped as it should be is a ValueError.

Amounts are whole minor units of the currency (cents; yen have none), times are aware and in UTC.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from headstart.app.ports import CaptureMode, CheckoutSession, PaymentIntent, Refund


def checkout_session_from(payload: Mapping[str, Any]) -> CheckoutSession:
    """ValueError if it is not a Checkout Session with an amount (only one of mode `payment` has
    one). The payment comes along if it was expanded, with its charge."""
    with _named("Checkout Session"):
        intent = payload["payment_intent"]
        return CheckoutSession(
            id=_text(payload["id"]),
            url=_optional_text(payload["url"]),
            status=_text(payload["status"]),
            payment_status=_text(payload["payment_status"]),
            amount_total=_whole(payload["amount_total"]),
            currency=_text(payload["currency"]),
            payment_intent_id=_id_of(intent),
            metadata=_metadata(payload["metadata"]),
            client_reference_id=_optional_text(payload["client_reference_id"]),
            livemode=payload["livemode"] is True,
            expires_at=_moment(payload["expires_at"]),
            payment=payment_intent_from(intent) if isinstance(intent, Mapping) else None,
        )


def payment_intent_from(payload: Mapping[str, Any]) -> PaymentIntent:
    """ValueError if it is not a PaymentIntent, or its charge was not expanded: what was returned
    and until when the money is held is known to the charge alone."""
    with _named("PaymentIntent"):
        charge = payload["latest_charge"]
        if charge is not None and not isinstance(charge, Mapping):
            raise TypeError("latest_charge is not expanded")
        manual = payload["capture_method"] == "manual"
        return PaymentIntent(
            id=_text(payload["id"]),
            status=_text(payload["status"]),
            capture=CaptureMode.HOLD if manual else CaptureMode.CHARGE,
            amount=_whole(payload["amount"]),
            currency=_text(payload["currency"]),
            amount_capturable=_whole(payload["amount_capturable"]),
            amount_received=_whole(payload["amount_received"]),
            amount_refunded=_refunded(charge),
            capture_before=_capture_before(charge),
            canceled_at=_optional_moment(payload["canceled_at"]),
            cancellation_reason=_optional_text(payload["cancellation_reason"]),
            disputed=charge is not None and charge["disputed"] is True,
            livemode=payload["livemode"] is True,
            charge_id=_id_of(charge),
            metadata=_metadata(payload["metadata"]),
        )


def refund_from(payload: Mapping[str, Any]) -> Refund:
    """ValueError if it is not a refund."""
    with _named("refund"):
        return Refund(
            id=_text(payload["id"]),
            amount=_whole(payload["amount"]),
            currency=_text(payload["currency"]),
            status=_text(payload["status"]),
            payment_intent_id=_id_of(payload["payment_intent"]),
            failure_reason=_optional_text(payload.get("failure_reason")),
            metadata=_metadata(payload["metadata"]),
        )


@contextmanager
def _named(kind: str) -> Iterator[None]:
    """Whatever goes wrong inside means that this is none of that kind."""
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise ValueError(f"no {kind}: {error}") from error


def _refunded(charge: Mapping[str, Any] | None) -> int:
    """What was sent back of money that we had. A hold that was let go is no refund, though older
    versions of the API counted it as one."""
    if charge is None or not charge["captured"]:
        return 0
    return _whole(charge["amount_refunded"])


def _capture_before(charge: Mapping[str, Any] | None) -> datetime | None:
    """Only cards tell."""
    details = None if charge is None else charge["payment_method_details"]
    card = None if details is None else details.get("card")
    return None if card is None else _optional_moment(card.get("capture_before"))


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"expected text, found {type(value).__name__}")
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"expected a whole number, found {type(value).__name__}")
    return value


def _moment(value: object) -> datetime:
    return datetime.fromtimestamp(_whole(value), UTC)


def _optional_moment(value: object) -> datetime | None:
    return None if value is None else _moment(value)


def _id_of(value: object) -> str | None:
    """Of a reference that is an id, or the object itself when it was expanded."""
    return _optional_text(value["id"] if isinstance(value, Mapping) else value)


def _metadata(value: object) -> Mapping[str, str]:
    """Text to text. Anybody with the Dashboard may edit it, so nothing else gets through."""
    if not isinstance(value, Mapping):
        return {}
    return {key: text for key, text in value.items() if isinstance(text, str)}
