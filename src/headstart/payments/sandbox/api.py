"""The calls under `/v1`: who may ask, each request once, and Stripe's headers around the answer."""

import base64
import binascii
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headstart.payments.sandbox import forms, objects, shapes
from headstart.payments.sandbox.ids import fresh_id
from headstart.payments.sandbox.ledger import Answer
from headstart.payments.sandbox.objects import Json
from headstart.payments.sandbox.outbox import Cause
from headstart.payments.sandbox.refusals import Refusal
from headstart.payments.sandbox.settings import API_VERSION
from headstart.payments.sandbox.views import Views
from headstart.payments.sandbox.world import World

KEY_KEPT_S: Final = 24 * 3600
KEY_CHARS_MAX: Final = 255
BODY_BYTES_MAX: Final = 256 * 1024
_ANY_METHOD = ["GET", "POST", "DELETE", "PUT", "PATCH"]


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read: the id in its path if there is one, its parameters, and its traces."""

    id: str
    params: Json
    cause: Cause

    @property
    def expand(self) -> list[str]:
        """References the caller wants in full."""
        wished: list[str] = self.params.get("expand", [])
        return wished


Action = Callable[[Call], Json]
Endpoint = Callable[[Request], Awaitable[Response]]


class Api:
    """Stripe's API, as small as our use of it."""

    def __init__(self, world: World) -> None:
        self._world, self._till = world, world.till
        self._views = Views(world.ledger)
        self._running: set[str] = set()

    def routes(self) -> list[Route]:
        """Everything under `/v1`; what is not implemented answers 404 in Stripe's shape."""
        sessions, get, post = "/v1/checkout/sessions", self._get, self._post
        return [
            Route(sessions, post(shapes.SESSION_CREATE, self._create_session), methods=["POST"]),
            Route(sessions, get(shapes.SESSION_LIST, self._list_sessions)),
            Route(sessions + "/{id}", get(shapes.EXPAND_ONLY, self._one("checkout.session"))),
            Route(
                sessions + "/{id}/expire",
                post(shapes.EXPAND_ONLY, self._expire_session),
                methods=["POST"],
            ),
            Route(sessions + "/{id}/line_items", get(shapes.LINE_ITEM_LIST, self._line_items)),
            Route("/v1/payment_intents/{id}", get(shapes.EXPAND_ONLY, self._one("payment_intent"))),
            Route("/v1/charges/{id}", get(shapes.EXPAND_ONLY, self._one("charge"))),
            Route("/v1/refunds", post(shapes.REFUND_CREATE, self._create_refund), methods=["POST"]),
            Route("/v1/refunds", get(shapes.REFUND_LIST, self._list_refunds)),
            Route("/v1/refunds/{id}", get(shapes.EXPAND_ONLY, self._one("refund"))),
            Route("/v1/events", get(shapes.EVENT_LIST, self._list_events)),
            Route("/v1/events/{id}", get(shapes.EXPAND_ONLY, self._one("event"))),
            Route("/v1/account", get(shapes.EXPAND_ONLY, lambda call: objects.account())),
            Route("/v1/{rest:path}", self._unknown, methods=_ANY_METHOD),
        ]

    # What the calls do

    def _create_session(self, call: Call) -> Json:
        return self._views.expanded(self._till.open_session(call.params), call.expand)

    def _expire_session(self, call: Call) -> Json:
        return self._views.expanded(self._till.expire(call.id, call.cause), call.expand)

    def _create_refund(self, call: Call) -> Json:
        return self._views.expanded(self._till.refund(call.params, call.cause), call.expand)

    def _one(self, kind: str) -> Action:
        return lambda call: self._views.one(kind, call.id, call.expand)

    def _line_items(self, call: Call) -> Json:
        self._till.session(call.id)
        return self._views.line_items(call.id)

    def _list_sessions(self, call: Call) -> Json:
        wanted = _equal(call.params, "payment_intent", "status")
        return self._views.page("checkout.session", "/v1/checkout/sessions", call.params, wanted)

    def _list_refunds(self, call: Call) -> Json:
        wanted = _equal(call.params, "charge", "payment_intent")
        return self._views.page("refund", "/v1/refunds", call.params, wanted)

    def _list_events(self, call: Call) -> Json:
        types = [*call.params.get("types", []), *filter(None, [call.params.get("type")])]
        success = call.params.get("delivery_success")

        def wanted(event: Json) -> bool:
            delivered = self._world.ledger.pending_webhooks(event["id"]) == 0
            return (not types or event["type"] in types) and success in (None, delivered)

        return self._views.page("event", "/v1/events", call.params, wanted)

    # How a call is answered

    def _get(self, read: forms.Reader, action: Action) -> Endpoint:
        async def answer(request: Request, cause: Cause) -> Response:
            call = Call(_id(request), _read(read, request.url.query.encode()), cause)
            payload, _ = self._world.act(lambda: action(call))
            return _json(payload)

        return self._guarded(answer)

    def _post(self, read: forms.Reader, action: Action) -> Endpoint:
        async def answer(request: Request, cause: Cause) -> Response:
            sent = await _body(request)
            key = cause.idempotency_key
            if key is None:
                return await self._perform(Call(_id(request), _read(read, sent), cause), action)
            repeated = self._repeated(key, request.url.path, _digest(sent))
            if repeated is not None:
                return _json(repeated, {"Idempotent-Replayed": "true"})
            call = Call(_id(request), _read(read, sent), cause)
            self._running.add(key)
            try:
                kept = (request.url.path, _digest(sent))
                return await self._perform(call, lambda call: self._keeping(call, action, *kept))
            finally:
                self._running.discard(key)

        return self._guarded(answer)

    async def _perform(self, call: Call, action: Action) -> Response:
        payload, recorded = self._world.act(lambda: action(call))
        if self._world.outbox.switches.before_api_response:
            if payload["object"] == "checkout.session" and payload["status"] == "open":
                _, recorded = self._world.act(lambda: self._till.pay(payload["id"], Cause()))
            await self._world.outbox.answered(recorded, within_s=self._world.settings.page_wait_s)
        return _json(payload)

    def _repeated(self, key: str, path: str, digest: str) -> Json | None:
        """The stored answer of the same request; a Refusal if the key was for another one."""
        if len(key) > KEY_CHARS_MAX:
            raise Refusal(400, "Idempotency keys can have up to 255 characters.")
        if key in self._running:
            message = "There is currently another in-progress request using this Idempotent Key."
            code = "idempotency_key_in_use"
            raise Refusal(409, message, code=code, kind="idempotency_error")
        earlier = self._world.ledger.answer(key, since=self._world.settings.clock() - KEY_KEPT_S)
        if earlier is None:
            return None
        if (earlier.path, earlier.digest) != (path, digest):
            message = "Keys for idempotent requests can only be used with the same parameters."
            raise Refusal(400, message, kind="idempotency_error")
        return earlier.body

    def _keeping(self, call: Call, action: Action, path: str, digest: str) -> Json:
        """Act and keep the answer in one transaction. Refusals are not kept, as at Stripe."""
        payload = action(call)
        assert call.cause.idempotency_key is not None
        answer = Answer(path, digest, payload)
        now = self._world.settings.clock()
        self._world.ledger.keep_answer(call.cause.idempotency_key, answer, now=now)
        return payload

    def _guarded(self, answer: Callable[[Request, Cause], Awaitable[Response]]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            cause = Cause(fresh_id("req_"), request.headers.get("Idempotency-Key"))
            try:
                _check_caller(request)
                response = await answer(request, cause)
            except Refusal as refusal:
                response = _json(refusal.payload, status=refusal.status)
            response.headers["Request-Id"] = cause.request_id or ""
            response.headers["Stripe-Version"] = API_VERSION
            return response

        return endpoint

    async def _unknown(self, request: Request) -> Response:
        async def refuse(request: Request, cause: Cause) -> Response:
            called = f"{request.method}: {request.url.path[:200]}"
            raise Refusal(404, f"The sandbox does not implement this request ({called}).")

        return await self._guarded(refuse)(request)


def _equal(params: Json, *names: str) -> Callable[[Json], bool]:
    return lambda each: all(each[name] == params[name] for name in names if name in params)


def _id(request: Request) -> str:
    return str(request.path_params.get("id", ""))


def _read(read: forms.Reader, encoded: bytes) -> Json:
    found: Json = read(forms.parse(encoded), "")
    return found


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def _body(request: Request) -> bytes:
    sent = b""
    async for chunk in request.stream():
        sent += chunk
        if len(sent) > BODY_BYTES_MAX:
            raise Refusal(413, "The request body is too large.")
    return sent


def _json(payload: Json, headers: dict[str, str] | None = None, status: int = 200) -> Response:
    body = json.dumps(payload, indent=2)
    return Response(body, status, headers, media_type="application/json")


def _check_caller(request: Request) -> None:
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
