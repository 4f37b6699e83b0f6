"""Everything that calls Stripe. SDK objects stay in here; plain frozen values come out.

Errors::

    PaymentsUnavailable   network, timeout, 409, 429, 5xx after the retries: try again later
    PaymentsRefused       Stripe says no for good (400, 401, 402, 403, 404): trying again is no use;
                          `because` says why where it makes a difference

Amounts are whole minor units of the currency (cents; yen have none), times are aware and in UTC.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx
import stripe
import structlog

from headstart.app.ports import (
    HEEDED_EVENTS,
    CaptureMode,
    CheckoutOrder,
    CheckoutSession,
    PaymentEvent,
    PaymentIntent,
    PaymentsRefused,
    PaymentsUnavailable,
    Refund,
    RefundReason,
)
from headstart.payments.reading import checkout_session_from, payment_intent_from, refund_from
from headstart.payments.sandbox import SANDBOX_WEBHOOK_SECRET
from headstart.payments.translation import translated_errors
from headstart.payments.webhook import BadWebhook, event_from, payment_event

if TYPE_CHECKING:
    from stripe.params import RefundCreateParams
    from stripe.params.checkout import SessionCreateParams, SessionCreateParamsPaymentIntentData

STRIPE_API_BASE: Final = "https://api.stripe.com"
REQUEST_TIMEOUT_S: Final = 8.0
"""Of one attempt. The SDK's own default of 80 s would outlive the customer's patience."""
NETWORK_RETRIES_MAX: Final = 2
"""`StripeClient` retries nothing unless told to. The idempotency key stays the same."""
SESSION_ID_PLACEHOLDER: Final = "{CHECKOUT_SESSION_ID}"
"""Stripe replaces these very characters in the success address; percent-encoded ones it leaves."""

LIST_PAGE: Final = 100
LISTED_MAX: Final = 10_000
"""Of one question for a list. More than that is work for a narrower question."""
SDK_API_VERSION: Final = stripe.api_version
"""In whose shape answers come; a webhook endpoint should be made with the same."""

_CHECKOUT_SESSION_ID = re.compile(r"cs_(test|live)_[A-Za-z0-9_]{1,200}")
_PAYMENT_INTENT_ID = re.compile(r"pi_[A-Za-z0-9_]{1,200}")
_PAYMENT_OF_CHECKOUT = "payment_intent.latest_charge"
_TEST_PREFIXES = ("sk_test_", "rk_test_")
_LIVE_PREFIXES = ("sk_live_", "rk_live_")

T = TypeVar("T")

log = structlog.get_logger()


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
        with translated_errors():
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
            with translated_errors():
                found = await self._client.v1.checkout.sessions.retrieve_async(
                    checkout_session_id, {"expand": [_PAYMENT_OF_CHECKOUT]}
                )
                return checkout_session_from(found.to_dict())
        except PaymentsRefused as refusal:
            if refusal.status == 404:
                return None
            raise

    async def expire_checkout(
        self, checkout_session_id: str, *, idempotency_key: str
    ) -> CheckoutSession | None:
        """Close the page and return the Session as it stands then: expired, or complete when the
        customer was faster (Stripe refuses to expire a Session that was just paid). None when
        there is no such Session."""
        if not _CHECKOUT_SESSION_ID.fullmatch(checkout_session_id):
            return None
        try:
            with translated_errors():
                expired = await self._client.v1.checkout.sessions.expire_async(
                    checkout_session_id,
                    {"expand": [_PAYMENT_OF_CHECKOUT]},
                    {"idempotency_key": idempotency_key},
                )
                return checkout_session_from(expired.to_dict())
        except PaymentsRefused as refusal:
            if refusal.status not in (400, 404):
                raise
        found = await self.retrieve_checkout(checkout_session_id)
        if found is not None and found.status == "open":
            raise PaymentsUnavailable("Stripe refused to close an open page")
        return found

    async def retrieve_payment(self, payment_intent_id: str) -> PaymentIntent | None:
        """The PaymentIntent as it is now, or None when there is none."""
        if not _PAYMENT_INTENT_ID.fullmatch(payment_intent_id):
            return None
        try:
            with translated_errors():
                found = await self._client.v1.payment_intents.retrieve_async(
                    payment_intent_id, {"expand": ["latest_charge"]}
                )
                return payment_intent_from(found.to_dict())
        except PaymentsRefused as refusal:
            if refusal.status == 404:
                return None
            raise

    async def capture(
        self, payment_intent_id: str, *, amount: int, idempotency_key: str
    ) -> PaymentIntent:
        """Take `amount` of what is held, once, and let go of the rest."""
        with translated_errors():
            captured = await self._client.v1.payment_intents.capture_async(
                payment_intent_id,
                {"amount_to_capture": amount, "expand": ["latest_charge"]},
                {"idempotency_key": idempotency_key},
            )
            return payment_intent_from(captured.to_dict())

    async def cancel_hold(self, payment_intent_id: str, *, idempotency_key: str) -> PaymentIntent:
        """Let go of what is held. It costs nothing, and the customer never sees a refund."""
        with translated_errors():
            canceled = await self._client.v1.payment_intents.cancel_async(
                payment_intent_id,
                {"cancellation_reason": "abandoned", "expand": ["latest_charge"]},
                {"idempotency_key": idempotency_key},
            )
            return payment_intent_from(canceled.to_dict())

    async def refund(
        self,
        payment_intent_id: str,
        *,
        amount: int,
        idempotency_key: str,
        reason: RefundReason | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Refund:
        """Send `amount` back. The caller's key comes from a committed row, so a repeated call
        after a timeout moves the money once."""
        params: RefundCreateParams = {"payment_intent": payment_intent_id, "amount": amount}
        if reason is not None:
            params["reason"] = reason
        if metadata:
            params["metadata"] = dict(metadata)
        with translated_errors():
            made = await self._client.v1.refunds.create_async(
                params, {"idempotency_key": idempotency_key}
            )
            return refund_from(made.to_dict())

    async def refunds(self, payment_intent_id: str) -> list[Refund]:
        """Everything sent back of one payment, from the Dashboard, too, newest first."""
        with translated_errors():
            page = await self._client.v1.refunds.list_async(
                {"payment_intent": payment_intent_id, "limit": LIST_PAGE}
            )
            return [refund_from(each) async for each in _bounded(page)]

    async def recent_checkouts(self, since: datetime) -> AsyncIterator[CheckoutSession]:
        """Sessions made since then, newest first, at most LISTED_MAX. One that is not like ours
        is left out."""
        with translated_errors():
            page = await self._client.v1.checkout.sessions.list_async(
                {
                    "created": {"gte": int(since.timestamp())},
                    "limit": LIST_PAGE,
                    "expand": ["data." + _PAYMENT_OF_CHECKOUT],
                }
            )
            async for payload in _bounded(page):
                checkout = _read(checkout_session_from, payload)
                if checkout is not None:
                    yield checkout

    async def undelivered_events(self, since: datetime) -> AsyncIterator[PaymentEvent]:
        """Events of the types we heed that nobody acknowledged, newest first, at most
        LISTED_MAX. Stripe keeps them for 30 days."""
        with translated_errors():
            page = await self._client.v1.events.list_async(
                {
                    "created": {"gte": int(since.timestamp())},
                    "delivery_success": False,
                    "limit": LIST_PAGE,
                    "types": list(HEEDED_EVENTS),
                }
            )
            async for payload in _bounded(page):
                event = _read(event_from, payload)
                if event is not None:
                    yield payment_event(event)

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
    if base is None and SANDBOX_WEBHOOK_SECRET in secrets:
        raise ValueError("the sandbox's webhook secret, which everybody knows, is not for Stripe")
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
        "payment_intent_data": _intent_params(order.capture, metadata),
        "success_url": _with_session_id(order.success_url),
        "cancel_url": order.cancel_url,
        "expires_at": int(order.expires_at.timestamp()),
    }
    if order.customer_email is not None:
        params["customer_email"] = order.customer_email
    return params


def _intent_params(
    capture: CaptureMode, metadata: dict[str, str]
) -> "SessionCreateParamsPaymentIntentData":
    """A charge says nothing about capturing: it is what Stripe does anyway."""
    if capture is CaptureMode.HOLD:
        return {"metadata": metadata, "capture_method": "manual"}
    return {"metadata": metadata}


def _with_session_id(url: str) -> str:
    """Plain concatenation: `urlencode` would encode the braces, and Stripe would not see them."""
    if SESSION_ID_PLACEHOLDER in url:
        return url
    return url + ("&" if "?" in url else "?") + "session_id=" + SESSION_ID_PLACEHOLDER


async def _bounded(page: stripe.ListObject[Any]) -> AsyncIterator[dict[str, Any]]:
    """The JSON of a list's members, this page's and the next ones'."""
    count = 0
    async for each in page.auto_paging_iter():
        if count == LISTED_MAX:
            log.warning("stripe_list_cut_short", url=page.url, listed=count)
            return
        count += 1
        yield each.to_dict()


def _read(reader: Callable[[dict[str, Any]], T], payload: dict[str, Any]) -> T | None:
    """One member of a list. What cannot be read must not hide the others."""
    try:
        return reader(payload)
    except (ValueError, BadWebhook):
        log.warning("stripe_member_unreadable", kind=str(payload.get("object"))[:40])
        return None
