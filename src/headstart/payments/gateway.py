"""Everything that calls Stripe. SDK objects stay in here; plain frozen values come out.

Errors::

    PaymentsUnavailable   network, timeout, 409, 429, 5xx after the retries: try again later
    PaymentsRefused       Stripe says no for good (400, 401, 402, 403, 404): trying again is no use

Amounts are whole minor units of the currency (cents; yen have none), times are aware and in UTC.
"""

import re
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

import httpx
import stripe

from headstart.app.ports import (
    CheckoutOrder,
    CheckoutSession,
    PaymentsRefused,
    PaymentsUnavailable,
)
from headstart.payments.sandbox import SANDBOX_WEBHOOK_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stripe.params.checkout import SessionCreateParams

STRIPE_API_BASE: Final = "https://api.stripe.com"
REQUEST_TIMEOUT_S: Final = 8.0
"""Of one attempt. The SDK's own default of 80 s would outlive the customer's patience."""
NETWORK_RETRIES_MAX: Final = 2
"""`StripeClient` retries nothing unless told to. The idempotency key stays the same."""
SESSION_ID_PLACEHOLDER: Final = "{CHECKOUT_SESSION_ID}"
"""Stripe replaces these very characters in the success address; percent-encoded ones it leaves."""

_CHECKOUT_SESSION_ID = re.compile(r"cs_(test|live)_[A-Za-z0-9_]{1,200}")
_TEST_PREFIXES = ("sk_test_", "rk_test_")
_LIVE_PREFIXES = ("sk_live_", "rk_live_")


def checkout_session_from(payload: Mapping[str, Any]) -> CheckoutSession:
    """Read Stripe's JSON, of an API answer or of a webhook's `object`. ValueError if it is
    not a Checkout Session with an amount (only one of mode `payment` has one)."""
    try:
        return CheckoutSession(
            id=_text(payload["id"]),
            url=_optional_text(payload["url"]),
            status=_text(payload["status"]),
            payment_status=_text(payload["payment_status"]),
            amount_total=_whole(payload["amount_total"]),
            currency=_text(payload["currency"]),
            payment_intent_id=_id_of(payload["payment_intent"]),
            metadata=_metadata(payload["metadata"]),
            client_reference_id=_optional_text(payload["client_reference_id"]),
            livemode=payload["livemode"] is True,
            expires_at=datetime.fromtimestamp(_whole(payload["expires_at"]), UTC),
        )
    except (KeyError, TypeError, OverflowError, OSError) as error:
        raise ValueError(f"no Checkout Session: {error}") from error


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back. `status` is pending, requires_action, succeeded, failed or canceled;
    "succeeded" means that Stripe has sent it, not that the bank has shown it."""

    id: str
    amount: int
    currency: str
    status: str
    payment_intent_id: str | None

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Read Stripe's JSON. ValueError if it is not a refund."""
        try:
            return cls(
                id=_text(payload["id"]),
                amount=_whole(payload["amount"]),
                currency=_text(payload["currency"]),
                status=_text(payload["status"]),
                payment_intent_id=_id_of(payload["payment_intent"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"no refund: {error}") from error


class StripeGateway:
    """The calls we make to Stripe, or to a sandbox in its place when `api_base` is given."""

    def __init__(self, *, secret_key: str, api_base: str | None = None) -> None:
        # The SDK's switch is of the whole process; its id file in the home directory goes with it.
        stripe.enable_telemetry = False
        self._http = _HttpClient(direct=api_base is not None)
        self._client = stripe.StripeClient(
            secret_key.strip(),
            base_addresses={"api": (api_base or STRIPE_API_BASE).rstrip("/")},
            max_network_retries=NETWORK_RETRIES_MAX,
            http_client=self._http,
        )

    async def create_checkout(self, order: CheckoutOrder) -> CheckoutSession:
        """Open the hosted payment page. The same order again yields the same Session."""
        with _translated_errors():
            created = await self._client.v1.checkout.sessions.create_async(
                _checkout_params(order), {"idempotency_key": order.idempotency_key}
            )
            return checkout_session_from(created.to_dict())

    async def retrieve_checkout(self, checkout_session_id: str) -> CheckoutSession | None:
        """The Session as it is now, or None when there is none. The id may come from an address
        line: one that cannot be an id is not even asked for."""
        if not _CHECKOUT_SESSION_ID.fullmatch(checkout_session_id):
            return None
        try:
            with _translated_errors():
                found = await self._client.v1.checkout.sessions.retrieve_async(checkout_session_id)
                return checkout_session_from(found.to_dict())
        except PaymentsRefused as refusal:
            if refusal.status == 404:
                return None
            raise

    async def expire_checkout(self, checkout_session_id: str) -> CheckoutSession | None:
        """Close the page and return the Session as it stands then: expired, or complete when the
        customer was faster (Stripe refuses to expire a Session that was just paid). None when
        there is no such Session."""
        if not _CHECKOUT_SESSION_ID.fullmatch(checkout_session_id):
            return None
        try:
            with _translated_errors():
                expired = await self._client.v1.checkout.sessions.expire_async(
                    checkout_session_id, {}, {"idempotency_key": f"expire:{checkout_session_id}"}
                )
                return checkout_session_from(expired.to_dict())
        except PaymentsRefused as refusal:
            if refusal.status not in (400, 404):
                raise
            return await self.retrieve_checkout(checkout_session_id)

    async def refund(self, payment_intent_id: str, *, amount: int, idempotency_key: str) -> Refund:
        """Send `amount` back. The caller's key comes from a committed row, so a repeated call
        after a timeout moves the money once."""
        with _translated_errors():
            made = await self._client.v1.refunds.create_async(
                {"payment_intent": payment_intent_id, "amount": amount},
                {"idempotency_key": idempotency_key},
            )
            return Refund.from_payload(made.to_dict())

    async def close(self) -> None:
        """Close the connections. The gateway is of no use afterwards."""
        await self._http.close_async()  # type: ignore[no-untyped-call]


class _HttpClient(stripe.HTTPXClient):
    """The SDK's client with two repairs, both through private names of the pinned version, since
    it offers no public ones."""

    def __init__(self, *, direct: bool) -> None:
        super().__init__(timeout=REQUEST_TIMEOUT_S)
        if direct:
            # A sandbox is on this machine: a proxy named in the environment must not be asked.
            self._client_async = httpx.AsyncClient(trust_env=False)

    def _get_request_args_kwargs(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None
    ) -> tuple[tuple[str, str], dict[str, Any]]:
        """Send the encoded form as `content`: httpx warns of the `data` that the SDK uses."""
        sent = {"headers": headers, "content": post_data or None, "timeout": self._timeout}
        return (method, url), sent


@dataclass(frozen=True, slots=True)
class StripeConfiguration:
    """Checked settings. Secrets are kept out of `repr`, and so out of logs and tracebacks."""

    secret_key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    api_base: str | None
    livemode: bool


def check_configuration(
    secret_key: str, webhook_secret: str, api_base: str | None = None
) -> StripeConfiguration:
    """Clean and check the settings; ValueError with one line a person can act on.

    Surrounding blanks go (a trailing newline would make every signature fail). Several webhook
    secrets, separated by commas, count while one is being rolled.
    """
    key = secret_key.strip()
    if not key.startswith(_TEST_PREFIXES + _LIVE_PREFIXES):
        raise ValueError("STRIPE_SECRET_KEY must begin with sk_test_, rk_test_, sk_live_, rk_live_")
    secrets = tuple(part.strip() for part in webhook_secret.split(","))
    if not all(secret.startswith("whsec_") and secret != "whsec_" for secret in secrets):
        raise ValueError("STRIPE_WEBHOOK_SECRET must be a whsec_... secret")
    base = api_base.strip().rstrip("/") if api_base and api_base.strip() else None
    if base is not None and not base.startswith(("http://", "https://")):
        raise ValueError("Stripe's base address must begin with http:// or https://")
    if base == STRIPE_API_BASE:
        base = None
    livemode = key.startswith(_LIVE_PREFIXES)
    if livemode and base is not None:
        raise ValueError("a live Stripe key may be sent to Stripe only: remove the base address")
    if livemode and SANDBOX_WEBHOOK_SECRET in secrets:
        raise ValueError("a live Stripe key cannot be used with the sandbox's webhook secret")
    return StripeConfiguration(key, secrets, base, livemode)


def _checkout_params(order: CheckoutOrder) -> "SessionCreateParams":
    """The request. Nothing in it is computed now, nothing may change the amount to be checked."""
    metadata = {"intake_id": str(order.intake_id), **order.metadata}
    params: SessionCreateParams = {
        "mode": "payment",
        # The pinned API version has no `payment_method_types` here any more; this is its heir.
        "allowed_payment_method_types": ["card"],
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": order.currency.lower(),
                    "unit_amount": order.amount,
                    "product_data": {"name": order.plan_name},
                },
            }
        ],
        "adaptive_pricing": {"enabled": False},
        "client_reference_id": str(order.intake_id),
        "metadata": metadata,
        # Stripe does not copy metadata from the Session to the PaymentIntent.
        "payment_intent_data": {"metadata": metadata},
        "success_url": _with_session_id(order.success_url),
        "cancel_url": order.cancel_url,
        "expires_at": int(order.expires_at.timestamp()),
    }
    if order.customer_email is not None:
        params["customer_email"] = order.customer_email
    return params


def _with_session_id(url: str) -> str:
    """Plain concatenation: `urlencode` would encode the braces, and Stripe would not see them."""
    if SESSION_ID_PLACEHOLDER in url:
        return url
    return url + ("&" if "?" in url else "?") + "session_id=" + SESSION_ID_PLACEHOLDER


@contextmanager
def _translated_errors() -> "Iterator[None]":
    """Turn the SDK's errors, and answers that cannot be read, into our two."""
    try:
        yield
    except stripe.StripeError as error:
        status = error.http_status
        if _worth_another_try(error):
            raise PaymentsUnavailable(f"Stripe did not answer ({status or 'no answer'})") from error
        code, param = error.code or type(error).__name__, getattr(error, "param", None)
        raise PaymentsRefused(status=status, code=code, param=param) from None
    except (ValueError, AttributeError) as error:
        raise PaymentsUnavailable("Stripe's answer could not be read") from error


def _worth_another_try(error: stripe.StripeError) -> bool:
    """No status: the network. 409: the same key is still at work. `APIError` is what is left over,
    such as an answer that is not JSON."""
    status = error.http_status or 503
    temporary = isinstance(error, (stripe.RateLimitError, stripe.APIError))
    return temporary or status in (409, 429) or status >= 500


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


def _id_of(value: object) -> str | None:
    """Of a reference that is an id, or the object itself when it was expanded."""
    return _optional_text(value["id"] if isinstance(value, Mapping) else value)


def _metadata(value: object) -> Mapping[str, str]:
    """Text to text. Anybody with the Dashboard may edit it, so nothing else gets through."""
    if not isinstance(value, Mapping):
        return {}
    return {key: text for key, text in value.items() if isinstance(text, str)}
