"""What can happen to money in the sandbox: a Session is opened, paid, declined, expired; a charge
is refunded. Every step changes the objects and records the events that Stripe would send.

The callers open the transaction; nothing in here waits.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from headstart.payments.sandbox import objects
from headstart.payments.sandbox.ids import fresh_id
from headstart.payments.sandbox.ledger import Ledger
from headstart.payments.sandbox.objects import Json
from headstart.payments.sandbox.outbox import Cause, Outbox
from headstart.payments.sandbox.refusals import Refusal
from headstart.payments.sandbox.settings import SandboxSettings

EXPIRY_S_MIN: Final = 30 * 60
EXPIRY_S_MAX: Final = 24 * 3600
REFERENCE_CHARS_MAX: Final = 200
LINE_ITEMS_MAX: Final = 100
AMOUNT_MAX: Final = 99_999_999
"""Stripe's limit of eight digits."""


class Till:
    """The sandbox's rules, on its ledger."""

    def __init__(self, settings: SandboxSettings, ledger: Ledger, outbox: Outbox) -> None:
        self._settings, self._ledger, self._outbox = settings, ledger, outbox

    def open_session(self, params: Json) -> Json:
        """Make a Checkout Session for what was ordered. No event: Stripe has none for it."""
        now = int(self._settings.clock())
        params = {**params, "expires_at": params.get("expires_at", now + EXPIRY_S_MAX)}
        _check_order(params, now)
        session_id = fresh_id("cs_test_")
        items = [_line_item(sent, now) for sent in params["line_items"]]
        session = objects.checkout_session(
            id=session_id,
            created=now,
            url=f"{self._settings.public_url.rstrip('/')}/c/pay/{session_id}",
            params=params,
            amount=sum(item["amount_total"] for item in items),
            currency=items[0]["currency"],
        )
        intent_metadata = params.get("payment_intent_data", {}).get("metadata", {})
        self._ledger.put("checkout.session", session_id, session)
        self._ledger.put("order", session_id, {"items": items, "metadata": intent_metadata})
        self._ledger.expect_expiry(session_id, params["expires_at"])
        return session

    def session(self, session_id: str) -> Json:
        """The Session as it is; a Refusal when there is none."""
        session = self._ledger.get("checkout.session", session_id)
        if session is None:
            raise Refusal.missing("checkout.session", session_id, "session")
        return session

    def line_items(self, session_id: str) -> list[Json]:
        """What was ordered with it."""
        order = self._ledger.get("order", session_id)
        return [] if order is None else list(order["items"])

    def pay(self, session_id: str, cause: Cause) -> Json:
        """The customer pays, and the bank agrees. A Session that is no longer open stays as it is,
        so paying twice charges once."""
        session = self.session(session_id)
        if session["status"] != "open":
            return session
        if session["amount_total"]:
            intent = self._charge(session, paid=True, cause=cause)
            session |= {"payment_intent": intent["id"], "payment_status": "paid"}
        details = objects.customer_details(session["customer_email"])
        session |= {"status": "complete", "url": None, "customer_details": details}
        self._close(session, "checkout.session.completed", cause)
        return session

    def decline(self, session_id: str, cause: Cause) -> Json:
        """The customer tries to pay, and the bank refuses. The Session stays open."""
        session = self.session(session_id)
        if session["status"] == "open" and session["amount_total"]:
            intent = self._charge(session, paid=False, cause=cause)
            session |= {"payment_intent": intent["id"]}
            self._ledger.put("checkout.session", session_id, session)
        return session

    def expire(self, session_id: str, cause: Cause) -> Json:
        """Close an open Session for good; a Refusal when it is not open any more."""
        session = self.session(session_id)
        if session["status"] != "open":
            raise Refusal(
                400,
                'Only Checkout Sessions with a status in ["open"] can be expired.'
                f" This Checkout Session has a status of {session['status']}.",
            )
        session |= {"status": "expired", "url": None}
        self._close(session, "checkout.session.expired", cause)
        return session

    def expire_due(self) -> None:
        """Close the Sessions whose time is up."""
        for session_id in self._ledger.expired(self._settings.clock()):
            self.expire(session_id, Cause())

    def refund(self, params: Json, cause: Cause) -> Json:
        """Send money back: `amount`, or all that is left. Never more than is left."""
        charge = self._charge_to_refund(params)
        left = charge["amount_captured"] - charge["amount_refunded"]
        amount = params.get("amount", left)
        _check_refund(charge, amount, left)
        refund = objects.refund(
            id=fresh_id("re_"),
            created=int(self._settings.clock()),
            charge=charge,
            amount=amount,
            params=params,
        )
        before = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
        charge |= {"amount_refunded": charge["amount_refunded"] + amount}
        charge |= {"refunded": charge["amount_refunded"] == charge["amount_captured"]}
        self._ledger.put("refund", refund["id"], refund)
        self._ledger.put("charge", charge["id"], charge)
        self._outbox.record("refund.created", refund, cause)
        self._outbox.record("charge.refunded", charge, cause, before=before)
        return refund

    def _close(self, session: Json, type: str, cause: Cause) -> None:
        self._ledger.put("checkout.session", session["id"], session)
        self._ledger.forget_expiry(session["id"])
        self._outbox.record(type, session, cause)

    def _charge(self, session: Json, *, paid: bool, cause: Cause) -> Json:
        """One attempt on the Session's PaymentIntent, which the first attempt makes."""
        intent = self._intent_of(session)
        email = session["customer_email"]
        intent |= {"payment_method": fresh_id("pm_")}
        charge = objects.charge(
            id=fresh_id("ch_"),
            created=int(self._settings.clock()),
            intent=intent,
            paid=paid,
            email=email,
        )
        intent |= {"latest_charge": charge["id"], "last_payment_error": None}
        if paid:
            intent |= {"status": "succeeded", "amount_received": intent["amount"]}
        else:
            error = objects.payment_error(charge["id"])
            intent |= {"payment_method": None, "last_payment_error": error}
        self._ledger.put("charge", charge["id"], charge)
        self._ledger.put("payment_intent", intent["id"], intent)
        what = ("payment_intent.succeeded", "charge.succeeded")
        if not paid:
            what = ("payment_intent.payment_failed", "charge.failed")
        self._outbox.record(what[0], intent, cause)
        self._outbox.record(what[1], charge, cause)
        return intent

    def _intent_of(self, session: Json) -> Json:
        made = self._ledger.get("payment_intent", session["payment_intent"] or "")
        order = self._ledger.get("order", session["id"])
        assert order is not None, "every Session is stored with its order"
        return made or objects.payment_intent(
            id=fresh_id("pi_"),
            created=int(self._settings.clock()),
            session=session,
            metadata=order["metadata"],
        )

    def _charge_to_refund(self, params: Mapping[str, Any]) -> Json:
        if ("charge" in params) == ("payment_intent" in params):
            raise Refusal(400, "One of charge or payment_intent must be given.", param="charge")
        if "charge" in params:
            charge = self._ledger.get("charge", params["charge"])
            if charge is None:
                raise Refusal.missing("charge", params["charge"], "charge")
            return charge
        intent = self._ledger.get("payment_intent", params["payment_intent"])
        if intent is None:
            raise Refusal.missing("payment_intent", params["payment_intent"], "payment_intent")
        charge = self._ledger.get("charge", intent["latest_charge"] or "")
        assert charge is not None, "a PaymentIntent is made by its first charge"
        return charge


def _line_item(sent: Mapping[str, Any], now: int) -> Json:
    return objects.line_item(
        id=fresh_id("li_"),
        price_id=fresh_id("price_"),
        product_id=fresh_id("prod_"),
        created=now,
        sent=sent,
    )


def _check_order(params: Mapping[str, Any], now: int) -> None:
    """What Stripe refuses in a new Session, as far as the sandbox knows."""
    for name in ("mode", "success_url", "line_items"):
        if not params.get(name):
            raise Refusal.missing_parameter(name)
    for name in ("success_url", "cancel_url"):
        if name in params and urlsplit(params[name]).scheme not in ("http", "https"):
            raise Refusal(400, "Not a valid URL", code="url_invalid", param=name)
    if not now + EXPIRY_S_MIN <= params["expires_at"] <= now + EXPIRY_S_MAX:
        message = "The `expires_at` timestamp must be 30 minutes to 24 hours from now."
        raise Refusal(400, message, param="expires_at")
    if len(params.get("client_reference_id", "")) > REFERENCE_CHARS_MAX:
        raise Refusal(400, "At most 200 characters.", param="client_reference_id")
    if "@" not in params.get("customer_email", "@"):
        raise Refusal(400, "Invalid email address", code="email_invalid", param="customer_email")
    _check_items(params["line_items"])


def _check_items(items: list[Json]) -> None:
    if len(items) > LINE_ITEMS_MAX:
        raise Refusal(400, "At most 100 line items.", param="line_items")
    for index, item in enumerate(items):
        _check_item(item, f"line_items[{index}]")
    if len({item["price_data"]["currency"] for item in items}) > 1:
        raise Refusal(400, "All prices must have the same currency.", param="line_items")


def _check_item(item: Mapping[str, Any], name: str) -> None:
    price_data = item.get("price_data", {})
    for part in ("currency", "unit_amount", "product_data"):
        if part not in price_data:
            raise Refusal.missing_parameter(f"{name}[price_data][{part}]")
    if not price_data["product_data"].get("name"):
        raise Refusal.missing_parameter(f"{name}[price_data][product_data][name]")
    currency = price_data["currency"]
    if not (
        currency.isascii() and currency.isalpha() and currency.islower() and len(currency) == 3
    ):
        raise Refusal(
            400, f"Invalid currency: {currency[:10]}", param=f"{name}[price_data][currency]"
        )
    if not 0 <= price_data["unit_amount"] <= AMOUNT_MAX:
        raise Refusal(400, "Invalid amount", param=f"{name}[price_data][unit_amount]")
    if not 1 <= item.get("quantity", 1) <= AMOUNT_MAX:
        raise Refusal(400, "Invalid quantity", param=f"{name}[quantity]")


def _check_refund(charge: Mapping[str, Any], amount: int, left: int) -> None:
    if not charge["paid"]:
        raise Refusal(400, "This charge failed and cannot be refunded.", param="charge")
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise Refusal(400, message, code="charge_already_refunded")
    if not 1 <= amount <= left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise Refusal(400, message, param="amount")
