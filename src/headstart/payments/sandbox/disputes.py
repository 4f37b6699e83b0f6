"""The JSON of what banks, card networks and reviewers say about a payment."""

from collections.abc import Mapping
from typing import Any, Final

from headstart.payments.sandbox.objects import Json, nulls

OPEN: Final = "needs_response"
_ANSWER_WITHIN_S: Final = 7 * 24 * 3600
_EVIDENCE_NULLS = """
    access_activity_log appeal billing_address cancellation_policy cancellation_policy_disclosure
    cancellation_rebuttal customer_communication customer_email_address customer_name
    customer_purchase_ip customer_signature duplicate_charge_documentation
    duplicate_charge_explanation duplicate_charge_id product_description receipt refund_policy
    refund_policy_disclosure refund_refusal_explanation service_date service_documentation
    shipping_address shipping_carrier shipping_date shipping_documentation
    shipping_tracking_number uncategorized_file uncategorized_text
"""


def dispute(*, id: str, created: int, charge: Mapping[str, Any]) -> Json:
    """A chargeback over the whole amount that was captured."""
    enhanced = "mastercard_compliance visa_compelling_evidence_3 visa_compliance"
    details = {
        "due_by": created + _ANSWER_WITHIN_S,
        "enhanced_eligibility": nulls(enhanced),
        "has_evidence": False,
        "past_due": False,
        "submission_count": 0,
        "submission_method": "not_submitted",
    }
    card = {"brand": "visa", "case_type": "chargeback", "network": "visa"}
    return {
        **_about(charge, id=id, created=created, object="dispute"),
        "amount": charge["amount_captured"],
        "balance_transactions": [],
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**nulls(_EVIDENCE_NULLS), "enhanced_evidence": {}},
        "evidence_details": details,
        "intended_submission_method": None,
        "is_charge_refundable": False,
        "metadata": {},
        "network_reason_code": "13.1",
        "payment_method_details": {
            **nulls("amazon_pay klarna paypal"),
            "card": {**card, "network_reason_code": "13.1"},
            "type": "card",
        },
        "reason": "product_not_received",
        "status": OPEN,
    }


def warning(*, id: str, created: int, charge: Mapping[str, Any]) -> Json:
    """An early fraud warning: a refund now may save a dispute later."""
    about = _about(charge, id=id, created=created, object="radar.early_fraud_warning")
    return {**about, "actionable": True, "fraud_type": "made_with_stolen_card"}


def review(*, id: str, created: int, charge: Mapping[str, Any]) -> Json:
    """A payment that a rule has set aside for a person."""
    return {
        **nulls("billing_zip closed_reason ip_address ip_address_location session"),
        **_about(charge, id=id, created=created, object="review"),
        "open": True,
        "opened_reason": "rule",
        "reason": "rule",
    }


def _about(charge: Mapping[str, Any], *, id: str, created: int, object: str) -> Json:
    return {
        "id": id,
        "object": object,
        "charge": charge["id"],
        "created": created,
        "livemode": False,
        "payment_intent": charge["payment_intent"],
    }
