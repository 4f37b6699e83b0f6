"""Requests and answers as bytes: who is calling, what was sent, and answers that never arrive."""

import asyncio
import base64
import binascii
import hashlib
import json
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headstart.payments.sandbox.objects import Json
from headstart.payments.sandbox.refusals import Refusal
from headstart.payments.sandbox.settings import API_VERSION

BODY_BYTES_MAX: Final = 256 * 1024
SILENCE_S_MAX: Final = 120.0
"""How long a caller who gets no answer is kept, should they never hang up."""


class Broken(Response):
    """The connection ends in the middle of the answer: less is sent than was announced."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Begin, and stop."""
        announced = [(b"content-type", b"application/json"), (b"content-length", b"4096")]
        await send({"type": "http.response.start", "status": 200, "headers": announced})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


async def silence(request: Request) -> None:
    """Wait until the caller has hung up; then there is nobody left to answer."""
    await body_of(request)
    try:
        async with asyncio.timeout(SILENCE_S_MAX):
            await request.receive()
    except TimeoutError:
        pass
    raise Refusal(500, "Nobody waits for this answer.", kind="api_error")


def digest_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def body_of(request: Request) -> bytes:
    sent = b""
    async for chunk in request.stream():
        sent += chunk
        if len(sent) > BODY_BYTES_MAX:
            raise Refusal(413, "The request body is too large.")
    return sent


def json_response(
    payload: Json, headers: dict[str, str] | None = None, status: int = 200
) -> Response:
    body = json.dumps(payload, indent=2)
    return Response(body, status, headers, media_type="application/json")


def check_caller(request: Request) -> None:
    """A test key, and the one API version whose shapes the sandbox knows."""
    key = _key_of(request.headers.get("Authorization", ""))
    if not key:
        raise Refusal(401, "You did not provide an API key.")
    if not key.startswith(("sk_test_", "rk_test_")):
        raise Refusal(401, "Sandbox, no real money: only test keys (sk_test_, rk_test_) work here.")
    version = request.headers.get("Stripe-Version", API_VERSION)
    if version != API_VERSION:
        raise Refusal(400, f"The sandbox speaks API version {API_VERSION} only.")


def _key_of(authorization: str) -> str:
    """From `Bearer` as the SDK sends it, or `Basic` as `curl -u` does."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        decoded: Any = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return str(decoded).partition(":")[0]
