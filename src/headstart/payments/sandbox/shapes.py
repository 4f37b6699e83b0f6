"""The parameters of each call. A test holds every name in here against the pinned SDK's own."""

from typing import Final

from headstart.payments.sandbox.forms import (
    Reader,
    Several,
    flag,
    metadata,
    moment,
    one_of,
    shape,
    text,
    whole,
)

_EXPAND: dict[str, Reader] = {"expand": Several(text)}
_PAGING: dict[str, Reader] = {"limit": whole, "starting_after": text, **_EXPAND}

SESSION_CREATE: Final = shape(
    adaptive_pricing=shape(enabled=flag),
    allowed_payment_method_types=Several(one_of("card")),
    cancel_url=text,
    client_reference_id=text,
    currency=text,
    customer_email=text,
    expires_at=whole,
    line_items=Several(
        shape(
            price_data=shape(
                currency=text,
                product_data=shape(name=text, description=text),
                unit_amount=whole,
            ),
            quantity=whole,
        )
    ),
    metadata=metadata,
    mode=one_of("payment"),
    payment_intent_data=shape(
        capture_method=one_of("automatic", "automatic_async", "manual"), metadata=metadata
    ),
    success_url=text,
    ui_mode=one_of("hosted_page"),
    **_EXPAND,
)
SESSION_LIST: Final = shape(
    created=moment,
    payment_intent=text,
    status=one_of("open", "complete", "expired"),
    **_PAGING,
)
CAPTURE: Final = shape(amount_to_capture=whole, **_EXPAND)
CANCEL: Final = shape(
    cancellation_reason=one_of("abandoned", "duplicate", "fraudulent", "requested_by_customer"),
    **_EXPAND,
)
LINE_ITEM_LIST: Final = shape(**_PAGING)
REFUND_CREATE: Final = shape(
    amount=whole,
    charge=text,
    metadata=metadata,
    payment_intent=text,
    reason=one_of("duplicate", "fraudulent", "requested_by_customer"),
    **_EXPAND,
)
REFUND_LIST: Final = shape(charge=text, created=moment, payment_intent=text, **_PAGING)
EVENT_LIST: Final = shape(
    created=moment, delivery_success=flag, type=text, types=Several(text), **_PAGING
)
EXPAND_ONLY: Final = shape(**_EXPAND)
