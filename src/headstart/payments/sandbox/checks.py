"""What Stripe refuses in a new Checkout Session, as far as the sandbox knows."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from headstart.payments.sandbox.objects import Json
from headstart.payments.sandbox.refusals import Refusal

EXPIRY_S_MIN: Final = 30 * 60
EXPIRY_S_MAX: Final = 24 * 3600
REFERENCE_CHARS_MAX: Final = 200
LINE_ITEMS_MAX: Final = 100
AMOUNT_MAX: Final = 99_999_999
"""Stripe's limit of eight digits."""


def check_order(params: Mapping[str, Any], now: int) -> None:
    """A Refusal, naming the parameter, for the first thing that is wrong."""
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
