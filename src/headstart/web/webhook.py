"""The payment webhook: raw bytes in, verified, committed, then answered."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus

import structlog
from fastapi import APIRouter, Request

from headstart.app.views import Payload
from headstart.core.access import Operation
from headstart.payments.webhook import (
    WEBHOOK_BODY_BYTES_MAX,
    BadWebhook,
    BadWebhookReason,
    payment_event,
    verify,
)
from headstart.telemetry import WEBHOOKS
from headstart.web.doors import open_door
from headstart.web.people import Headstart
from headstart.web.problems import Problem

BODY_PATIENCE_S = 10.0

_ANSWERS: Mapping[BadWebhookReason, tuple[HTTPStatus, str, str]] = {
    BadWebhookReason.ENCODED: (
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "encoded_body",
        "Encoded bodies are not accepted.",
    ),
    BadWebhookReason.TOO_LARGE: (
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too_large",
        f"At most {WEBHOOK_BODY_BYTES_MAX} bytes.",
    ),
    BadWebhookReason.TOO_SLOW: (
        HTTPStatus.REQUEST_TIMEOUT,
        "too_slow",
        "The body did not arrive in time.",
    ),
}
_NOT_SIGNED = (HTTPStatus.BAD_REQUEST, "bad_webhook", "Not a signed event.")

router = APIRouter(tags=["payments"], dependencies=[open_door(Operation.PAYMENT_NOTIFY)])
log = structlog.get_logger()


@router.post("/webhooks/stripe")
async def stripe_webhook(request: Request, service: Headstart) -> Payload:
    """Answered with 2xx only after everything it causes is committed; a repeat is a no-op."""
    try:
        event = verify(
            await _body(request),
            request.headers.get("stripe-signature"),
            service.webhook_secrets,
            now=datetime.fromtimestamp(time.time(), UTC),  # signatures age in real time
        )
    except BadWebhook as error:
        WEBHOOKS.labels(f"refused_{error.reason}").inc()
        log.warning("webhook_refused", reason=error.reason)
        slow = error.reason is BadWebhookReason.TOO_SLOW
        hang_up = {"Connection": "close"} if slow else None  # nobody waits for the rest
        raise Problem(*_ANSWERS.get(error.reason, _NOT_SIGNED), headers=hang_up) from None
    outcome = await service.fulfilment.receive(payment_event(event))
    return {"received": True, "outcome": outcome}


async def _body(request: Request) -> bytes:
    """At most WEBHOOK_BODY_BYTES_MAX, declared or not; reading stops at the limit."""
    if "content-encoding" in request.headers:
        raise BadWebhook(BadWebhookReason.ENCODED)
    if int(request.headers.get("content-length", "0")) > WEBHOOK_BODY_BYTES_MAX:
        raise BadWebhook(BadWebhookReason.TOO_LARGE)
    raw = bytearray()
    try:
        async with asyncio.timeout(BODY_PATIENCE_S):
            async for chunk in request.stream():
                raw += chunk
                if len(raw) > WEBHOOK_BODY_BYTES_MAX:
                    raise BadWebhook(BadWebhookReason.TOO_LARGE)
    except TimeoutError:
        raise BadWebhook(BadWebhookReason.TOO_SLOW) from None
    return bytes(raw)
