"""The payment webhook: raw bytes in, verified, committed, then answered."""

import asyncio
import time
from datetime import UTC, datetime
from http import HTTPStatus

import structlog
from fastapi import APIRouter, Request

from headstart.app.views import Payload
from headstart.payments.webhook import (
    WEBHOOK_BODY_BYTES_MAX,
    BadWebhook,
    payment_event,
    verify,
)
from headstart.telemetry import WEBHOOKS
from headstart.web.people import Headstart
from headstart.web.problems import Problem

BODY_PATIENCE_S = 10.0

router = APIRouter(tags=["payments"])
log = structlog.get_logger()


@router.post("/webhooks/stripe")
async def stripe_webhook(request: Request, service: Headstart) -> Payload:
    """Answered with 2xx only after everything it causes is committed; a repeat is a no-op."""
    raw = await _body(request)
    try:
        event = verify(
            raw,
            request.headers.get("stripe-signature"),
            service.webhook_secrets,
            now=datetime.fromtimestamp(time.time(), UTC),  # signatures age in real time
        )
    except BadWebhook as error:
        WEBHOOKS.labels(f"refused_{error.reason}").inc()
        log.warning("webhook_refused", reason=error.reason)
        raise Problem(HTTPStatus.BAD_REQUEST, "bad_webhook", "Not a signed event.") from None
    outcome = await service.fulfilment.receive(payment_event(event))
    return {"received": True, "outcome": outcome}


async def _body(request: Request) -> bytes:
    """At most WEBHOOK_BODY_BYTES_MAX, declared or not; reading stops at the limit."""
    if "content-encoding" in request.headers:
        detail = "Encoded bodies are not accepted."
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "encoded_body", detail)
    raw = bytearray()
    try:
        async with asyncio.timeout(BODY_PATIENCE_S):
            async for chunk in request.stream():
                raw += chunk
                if len(raw) > WEBHOOK_BODY_BYTES_MAX:
                    detail = f"At most {WEBHOOK_BODY_BYTES_MAX} bytes."
                    raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", detail)
    except TimeoutError:
        detail = "The body did not arrive in time."
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, "too_slow", detail) from None
    return bytes(raw)
