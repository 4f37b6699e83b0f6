"""The JSON of Stripe's objects: every field the pinned SDK declares, unused ones as `null`.

The contract test holds all of this against the SDK's annotations, so a forgotten or misspelt
field is found there. Nothing in here decides anything.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from headstart.payments.sandbox.settings import API_VERSION

Json = dict[str, Any]

ACCOUNT_ID: Final = "acct_sandbox"
SLOW_METHOD: Final = "us_bank_account"
"""Whoever pays this way hears days later whether it worked."""


class Attempt(StrEnum):
    """What came of an attempt to pay."""

    PAID = "paid"
    HELD = "held"
    PENDING = "pending"
    DECLINED = "declined"


def nulls(names: str) -> Json:
    """Fields that the sandbox has no use for."""
    return dict.fromkeys(names.split())


_SESSION_NULLS = """
    after_expiration allow_promotion_codes billing_address_collection branding_settings
    client_secret collected_information consent consent_collection currency_conversion customer
    customer_account customer_creation customer_details discounts excluded_payment_method_types
    integration_identifier invoice invoice_creation locale managed_payments name_collection
    optional_items origin_context payment_intent payment_link payment_method_collection
    payment_method_configuration_details permissions phone_number_collection presentment_details
    recovered_from redirect_on_completion return_url saved_payment_method_options setup_intent
    shipping_address_collection shipping_cost submit_type subscription tax_id_collection
    wallet_options
"""
_INTENT_NULLS = """
    allowed_payment_method_types amount_details application application_fee_amount
    automatic_payment_methods canceled_at cancellation_reason client_secret customer
    customer_account description excluded_payment_method_types hooks last_payment_error
    latest_charge managed_payments next_action on_behalf_of payment_details payment_method
    payment_method_configuration_details payment_record presentment_details processing
    receipt_email review setup_future_usage shipping source statement_descriptor
    statement_descriptor_suffix transfer_data transfer_group
"""
_CHARGE_NULLS = """
    application application_fee application_fee_amount authorization_code balance_transaction
    calculated_statement_descriptor customer description failure_balance_transaction failure_code
    failure_message fraud_details level3 on_behalf_of presentment_details radar_options
    receipt_email receipt_number receipt_url review shipping source source_transfer
    statement_descriptor statement_descriptor_suffix transfer transfer_data transfer_group
"""
_CARD_NULLS = """
    authorization_code description electronic_commerce_indicator
    extended_authorization fingerprint iin incremental_authorization installments issuer mandate
    moto multicapture network_token network_transaction_id overcapture regulated_status
    setup_credential_usage stored_credential_usage three_d_secure transaction_link_id wallet
"""
_BANK_NULLS = """
    account_holder_type account_type bank_name expected_debit_date fingerprint last4 mandate
    payment_reference routing_number
"""
_REFUND_NULLS = """
    balance_transaction customer customer_account description failure_balance_transaction
    failure_reason instructions_email next_action payment_method pending_reason
    presentment_details receipt_number source_transfer_reversal transfer_reversal
"""
_ACCOUNT_NULLS = """
    business_profile business_type capabilities company controller email external_accounts
    future_requirements groups individual requirements settings tos_acceptance
"""


def checkout_session(
    *, id: str, created: int, url: str, params: Mapping[str, Any], amount: int, currency: str
) -> Json:
    """An open Session. `line_items` is absent, as at Stripe, until somebody expands it."""
    adaptive = params.get("adaptive_pricing", {}).get("enabled", False)
    return {
        **nulls(_SESSION_NULLS),
        "id": id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": adaptive},
        "allowed_payment_method_types": params.get("allowed_payment_method_types"),
        "amount_subtotal": amount,
        "amount_total": amount,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "created": created,
        "currency": currency,
        "custom_fields": [],
        "custom_text": nulls("after_submit shipping_address submit terms_of_service_acceptance"),
        "customer_email": params.get("customer_email"),
        "expires_at": params["expires_at"],
        "livemode": False,
        "metadata": params.get("metadata", {}),
        "mode": "payment",
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "payment_status": "unpaid" if amount else "no_payment_required",
        "shipping_options": [],
        "status": "open",
        "success_url": params["success_url"],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0}
        | nulls("breakdown"),
        "ui_mode": "hosted_page",
        "url": url,
    }


def customer_details(email: str | None) -> Json:
    """Who paid, as far as the page asked."""
    unknown = nulls("address business_name individual_name name phone")
    return {**unknown, "email": email, "tax_exempt": "none", "tax_ids": []}


def line_item(
    *, id: str, price_id: str, product_id: str, created: int, sent: Mapping[str, Any]
) -> Json:
    """One line of the order, with the price that `price_data` made on the fly."""
    price_data, quantity = sent["price_data"], sent.get("quantity", 1)
    total = price_data["unit_amount"] * quantity
    return {
        **nulls("adjustable_quantity"),
        "id": id,
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": price_data["currency"],
        "description": price_data["product_data"]["name"],
        "discounts": [],
        "metadata": {},
        "price": _price(id=price_id, product_id=product_id, created=created, data=price_data),
        "quantity": quantity,
        "taxes": [],
    }


def _price(*, id: str, product_id: str, created: int, data: Mapping[str, Any]) -> Json:
    unused = "currency_options custom_unit_amount lookup_key nickname recurring tiers tiers_mode"
    return {
        **nulls(unused + " transform_quantity"),
        "id": id,
        "object": "price",
        "active": False,
        "billing_scheme": "per_unit",
        "created": created,
        "currency": data["currency"],
        "livemode": False,
        "metadata": {},
        "product": product_id,
        "tax_behavior": "unspecified",
        "type": "one_time",
        "unit_amount": data["unit_amount"],
        "unit_amount_decimal": str(data["unit_amount"]),
    }


def payment_intent(
    *, id: str, created: int, session: Mapping[str, Any], order: Mapping[str, Any]
) -> Json:
    """What the customer's first attempt to pay makes. Its metadata is its own, not the Session's:
    Stripe copies nothing from one to the other."""
    return {
        **nulls(_INTENT_NULLS),
        "id": id,
        "object": "payment_intent",
        "amount": session["amount_total"],
        "amount_capturable": 0,
        "amount_received": 0,
        "capture_method": order.get("capture_method", "automatic"),
        "confirmation_method": "automatic",
        "created": created,
        "currency": session["currency"],
        "livemode": False,
        "metadata": dict(order["metadata"]),
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
    }


def attempted(intent: Mapping[str, Any], charge_id: str, attempt: Attempt) -> Json:
    """What an attempt to pay changes in its PaymentIntent."""
    amount = intent["amount"]
    changes: Json = {
        Attempt.PAID: {"status": "succeeded", "amount_received": amount},
        Attempt.HELD: {"status": "requires_capture", "amount_capturable": amount},
        Attempt.PENDING: {"status": "processing", "payment_method_types": [SLOW_METHOD]},
        Attempt.DECLINED: {
            "status": "requires_payment_method",
            "payment_method": None,
            "last_payment_error": _payment_error(charge_id),
        },
    }[attempt]
    return {"latest_charge": charge_id, "last_payment_error": None, **changes}


def _payment_error(charge_id: str) -> Json:
    """Why the last attempt failed: the bank said no."""
    unused = "advice_code network_advice_code network_decline_code param payment_intent"
    return {
        **nulls(unused + " payment_method request_log_url setup_intent source"),
        "charge": charge_id,
        "code": "card_declined",
        "decline_code": "generic_decline",
        "doc_url": "https://docs.stripe.com/error-codes/card-declined",
        "message": "Your card was declined.",
        "payment_method_type": "card",
        "type": "card_error",
    }


def charge(
    *,
    id: str,
    created: int,
    intent: Mapping[str, Any],
    attempt: Attempt,
    email: str | None,
    capture_before: int | None,
) -> Json:
    """One attempt to take the money, whatever came of it."""
    method: Json = {"card": _card(intent["amount"], capture_before), "type": "card"}
    if attempt is Attempt.PENDING:
        method = {SLOW_METHOD: nulls(_BANK_NULLS), "type": SLOW_METHOD}
    return {
        **nulls(_CHARGE_NULLS),
        "id": id,
        "object": "charge",
        "amount": intent["amount"],
        "amount_refunded": 0,
        "billing_details": {**nulls("address name phone tax_id"), "email": email},
        "created": created,
        "currency": intent["currency"],
        "disputed": False,
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "payment_intent": intent["id"],
        "payment_method": intent["payment_method"],
        "payment_method_details": method,
        "refunded": False,
        **charged(intent["amount"], attempt),
    }


def charged(amount: int, attempt: Attempt) -> Json:
    """What became of an attempt, as its Charge says it."""
    failed = attempt is Attempt.DECLINED
    captured = attempt is Attempt.PAID
    status = {Attempt.PENDING: "pending", Attempt.DECLINED: "failed"}.get(attempt, "succeeded")
    return {
        "amount_captured": amount if captured else 0,
        "captured": captured,
        "failure_code": "card_declined" if failed else None,
        "failure_message": "Your card was declined." if failed else None,
        "outcome": _outcome(failed=failed),
        "paid": status == "succeeded",
        "status": status,
    }


def _outcome(*, failed: bool) -> Json:
    return {
        **nulls("advice_code network_advice_code network_decline_code rule"),
        "network_status": "declined_by_network" if failed else "approved_by_network",
        "reason": "generic_decline" if failed else None,
        "risk_level": "normal",
        "risk_score": 1,
        "seller_message": "The bank declined the payment." if failed else "Payment complete.",
        "type": "issuer_declined" if failed else "authorized",
    }


def _card(amount: int, capture_before: int | None) -> Json:
    unchecked = nulls("address_line1_check address_postal_code_check")
    return {
        **nulls(_CARD_NULLS),
        "amount_authorized": amount,
        "brand": "visa",
        "capture_before": capture_before,
        "checks": {**unchecked, "cvc_check": "pass"},
        "country": "US",
        "exp_month": 12,
        "exp_year": 2034,
        "funding": "credit",
        "last4": "4242",
        "network": "visa",
    }


def refund(
    *,
    id: str,
    created: int,
    charge: Mapping[str, Any],
    amount: int,
    params: Mapping[str, Any],
    status: str,
) -> Json:
    """Money sent back the way it came."""
    destination: Json = {"type": charge["payment_method_details"]["type"]}
    if destination["type"] == "card":
        card = {**nulls("reference reference_status reference_type"), "type": "refund"}
        destination |= {"card": card}
    return {
        **nulls(_REFUND_NULLS),
        "id": id,
        "object": "refund",
        "amount": amount,
        "charge": charge["id"],
        "created": created,
        "currency": charge["currency"],
        "destination_details": destination,
        "metadata": params.get("metadata", {}),
        "payment_intent": charge["payment_intent"],
        "reason": params.get("reason"),
        "status": status,
    }


def event(
    *,
    id: str,
    created: int,
    type: str,
    about: Mapping[str, Any],
    request: Mapping[str, str | None],
    before: Mapping[str, Any] | None,
) -> Json:
    """A snapshot event. `before` holds what an update changed, and is absent otherwise."""
    data: Json = {"object": dict(about)}
    if before is not None:
        data["previous_attributes"] = dict(before)
    return {
        "id": id,
        "object": "event",
        "account": None,
        "api_version": API_VERSION,
        "context": None,
        "created": created,
        "data": data,
        "livemode": False,
        "pending_webhooks": 1,
        "request": dict(request),
        "type": type,
    }


def account() -> Json:
    """Whose test key it is: nobody's, really."""
    return {
        **nulls(_ACCOUNT_NULLS),
        "id": ACCOUNT_ID,
        "object": "account",
        "charges_enabled": True,
        "country": "US",
        "created": 1_700_000_000,
        "default_currency": "usd",
        "details_submitted": True,
        "metadata": {},
        "payouts_enabled": False,
        "type": "standard",
    }


def listing(url: str, data: Sequence[Json], *, has_more: bool = False) -> Json:
    """One page of a list."""
    return {"object": "list", "data": list(data), "has_more": has_more, "url": url}
