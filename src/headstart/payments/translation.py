"""The SDK's errors, turned into our two."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import stripe

from headstart.app.ports import PaymentsRefused, PaymentsUnavailable, RefusedBecause

_BY_CODE: Final[Mapping[str, RefusedBecause]] = {
    "payment_intent_unexpected_state": RefusedBecause.UNEXPECTED_STATE,
    "charge_already_captured": RefusedBecause.ALREADY_CAPTURED,
    "charge_already_refunded": RefusedBecause.ALREADY_REFUNDED,
    "capture_charge_authorization_expired": RefusedBecause.HOLD_EXPIRED,
    "charge_expired_for_capture": RefusedBecause.HOLD_EXPIRED,
    "charge_disputed": RefusedBecause.DISPUTED,
    "balance_insufficient": RefusedBecause.NO_BALANCE,
    "insufficient_funds": RefusedBecause.NO_BALANCE,
    "resource_missing": RefusedBecause.UNKNOWN_OBJECT,
}
_BY_STATUS: Final[Mapping[int | None, RefusedBecause]] = {
    401: RefusedBecause.NOT_ALLOWED,
    402: RefusedBecause.CARD_REFUSED,
    403: RefusedBecause.NOT_ALLOWED,
    404: RefusedBecause.UNKNOWN_OBJECT,
}


@contextmanager
def translated_errors() -> Iterator[None]:
    """PaymentsUnavailable or PaymentsRefused, for errors and for answers that cannot be read."""
    try:
        yield
    except stripe.StripeError as error:
        status = error.http_status
        if _worth_another_try(error):
            message = f"Stripe did not answer ({status or 'no answer'})"
            raise PaymentsUnavailable(message, stored=_is_stored(error)) from error
        code, param = error.code or type(error).__name__, getattr(error, "param", None)
        because = _because(error)
        raise PaymentsRefused(status=status, code=code, param=param, because=because) from None
    except (ValueError, AttributeError) as error:
        raise PaymentsUnavailable("Stripe's answer could not be read") from error


def _worth_another_try(error: stripe.StripeError) -> bool:
    """No status: the network. 409: the same key is still at work. `APIError` is what is left over,
    such as an answer that is not JSON."""
    status = error.http_status or 503
    temporary = isinstance(error, (stripe.RateLimitError, stripe.APIError))
    return temporary or status in (409, 429) or status >= 500


def _is_stored(error: stripe.StripeError) -> bool:
    """Whether this very answer was given to the key before. The SDK's own retries have asked for
    it, so a stored failure shows in the first call already."""
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    return headers.get("idempotent-replayed") == "true"


def _because(error: stripe.StripeError) -> RefusedBecause:
    """A card's own `insufficient_funds` is the bank's no; ours means our balance."""
    if isinstance(error, stripe.IdempotencyError):
        return RefusedBecause.KEY_REUSED
    if isinstance(error, stripe.CardError):
        expired = _BY_CODE.get(error.code or "") is RefusedBecause.HOLD_EXPIRED
        return RefusedBecause.HOLD_EXPIRED if expired else RefusedBecause.CARD_REFUSED
    by_status = _BY_STATUS.get(error.http_status, RefusedBecause.OTHER)
    return _BY_CODE.get(error.code or "", by_status)
