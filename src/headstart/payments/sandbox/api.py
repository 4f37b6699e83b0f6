"""The calls under `/v1`: who may ask, each request once, and Stripe's headers around the answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

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
from headstart.payments.sandbox.transport import (
    Broken,
    body_of,
    check_caller,
    digest_of,
    json_response,
    silence,
)
from headstart.payments.sandbox.trouble import Fault, Trouble, broken
from headstart.payments.sandbox.views import Views
from headstart.payments.sandbox.world import World

KEY_KEPT_S: Final = 24 * 3600
KEY_CHARS_MAX: Final = 255
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
Answering = Callable[[Request, Cause, Trouble | None], Awaitable[Response]]


class Api:
    """Stripe's API, as small as our use of it."""

    def __init__(self, world: World) -> None:
        self._world, self._till = world, world.till
        self._views = Views(world.ledger)
        self._running: set[str] = set()

    def routes(self) -> list[Route]:
        """Everything under `/v1`; what is not implemented answers 404 in Stripe's shape."""
        return [
            *self._checkout_routes(),
            *self._money_routes(),
            self._get("/events", "list_events", self._list_events, shapes.EVENT_LIST),
            self._get("/events/{id}", "retrieve_event", self._one("event")),
            self._get("/account", "retrieve_account", lambda call: objects.account()),
            Route("/v1/{rest:path}", self._unknown, methods=_ANY_METHOD),
        ]

    def _checkout_routes(self) -> list[Route]:
        many, one = "/checkout/sessions", "/checkout/sessions/{id}"
        lines, create = shapes.LINE_ITEM_LIST, shapes.SESSION_CREATE
        return [
            self._post(many, "create_session", self._create_session, create),
            self._get(many, "list_sessions", self._list_sessions, shapes.SESSION_LIST),
            self._get(one, "retrieve_session", self._one("checkout.session")),
            self._post(one + "/expire", "expire_session", self._expire_session),
            self._get(one + "/line_items", "list_line_items", self._line_items, lines),
        ]

    def _money_routes(self) -> list[Route]:
        intent = "/payment_intents/{id}"
        return [
            self._get(intent, "retrieve_payment_intent", self._one("payment_intent")),
            self._post(intent + "/capture", "capture", self._capture, shapes.CAPTURE),
            self._post(intent + "/cancel", "cancel", self._cancel, shapes.CANCEL),
            self._get("/charges/{id}", "retrieve_charge", self._one("charge")),
            self._post("/refunds", "create_refund", self._create_refund, shapes.REFUND_CREATE),
            self._get("/refunds", "list_refunds", self._list_refunds, shapes.REFUND_LIST),
            self._get("/refunds/{id}", "retrieve_refund", self._one("refund")),
        ]

    # What the calls do

    def _create_session(self, call: Call) -> Json:
        return self._views.expanded(self._till.open_session(call.params), call.expand)

    def _expire_session(self, call: Call) -> Json:
        return self._views.expanded(self._till.expire(call.id, call.cause), call.expand)

    def _create_refund(self, call: Call) -> Json:
        made = self._world.returns.refund(call.params, call.cause)
        return self._views.expanded(made, call.expand)

    def _capture(self, call: Call) -> Json:
        captured = self._world.vault.capture(call.id, call.params, call.cause)
        return self._views.expanded(captured, call.expand)

    def _cancel(self, call: Call) -> Json:
        canceled = self._world.vault.cancel(call.id, call.params, call.cause)
        return self._views.expanded(canceled, call.expand)

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

    def _get(
        self, path: str, name: str, action: Action, read: forms.Reader = shapes.EXPAND_ONLY
    ) -> Route:
        async def answer(request: Request, cause: Cause, trouble: Trouble | None) -> Response:
            if trouble is not None:
                trouble.refuse_at_work()
            call = Call(_id(request), _read(read, request.url.query.encode()), cause)
            payload, _ = self._world.act(lambda: action(call))
            return json_response(payload)

        return Route("/v1" + path, self._guarded(name, answer), methods=["GET"])

    def _post(
        self, path: str, name: str, action: Action, read: forms.Reader = shapes.EXPAND_ONLY
    ) -> Route:
        async def answer(request: Request, cause: Cause, trouble: Trouble | None) -> Response:
            sent = await body_of(request)
            key = cause.idempotency_key
            acting = action if trouble is None else _spoilt(action, trouble)
            if key is None:
                return await self._perform(Call(_id(request), _read(read, sent), cause), acting)
            repeated = self._repeated(key, request.url.path, digest_of(sent))
            if repeated is not None:
                return json_response(
                    repeated.body, {"Idempotent-Replayed": "true"}, repeated.status
                )
            call = Call(_id(request), _read(read, sent), cause)
            return await self._once(key, call, acting, request.url.path, digest_of(sent), trouble)

        return Route("/v1" + path, self._guarded(name, answer), methods=["POST"])

    async def _once(
        self,
        key: str,
        call: Call,
        action: Action,
        path: str,
        digest: str,
        trouble: Trouble | None,
    ) -> Response:
        """Act, and keep what is answered, success or not, in the transaction of what was done."""
        kept = broken() if trouble is not None and trouble.fault is Fault.DONE_500 else None

        def keeping(call: Call) -> Json:
            payload = action(call)
            answer = (200, payload) if kept is None else (kept.status, kept.payload)
            self._keep(key, Answer(path, digest, *answer))
            return payload

        self._running.add(key)
        try:
            response = await self._perform(call, keeping)
            if kept is not None:
                raise kept
            return response
        except Refusal as refusal:
            if refusal.kept and kept is None:
                with self._world.ledger.transaction():
                    self._keep(key, Answer(path, digest, refusal.status, refusal.payload))
            raise
        finally:
            self._running.discard(key)

    def _keep(self, key: str, answer: Answer) -> None:
        self._world.ledger.keep_answer(key, answer, now=self._world.settings.clock())

    async def _perform(self, call: Call, action: Action) -> Response:
        payload, recorded = self._world.act(lambda: action(call))
        if self._world.outbox.switches.before_api_response:
            if payload["object"] == "checkout.session" and payload["status"] == "open":
                _, recorded = self._world.act(lambda: self._till.pay(payload["id"], Cause()))
            await self._world.outbox.answered(recorded, within_s=self._world.settings.page_wait_s)
        return json_response(payload)

    def _repeated(self, key: str, path: str, digest: str) -> Answer | None:
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
        return earlier

    def _guarded(self, name: str, answer: Answering) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            cause = Cause(fresh_id("req_"), request.headers.get("Idempotency-Key"))
            trouble = None
            try:
                check_caller(request)
                trouble = self._world.troubles.meet(name)
                if trouble is not None:
                    trouble.refuse_early()
                if trouble is not None and trouble.fault is Fault.HANG:
                    await silence(request)
                response = await answer(request, cause, trouble)
            except Refusal as refusal:
                response = json_response(refusal.payload, status=refusal.status)
            response.headers["Request-Id"] = cause.request_id or ""
            response.headers["Stripe-Version"] = API_VERSION
            broke = trouble is not None and trouble.fault is Fault.LOST
            return Broken() if broke else response

        return endpoint

    async def _unknown(self, request: Request) -> Response:
        async def refuse(request: Request, cause: Cause, trouble: Trouble | None) -> Response:
            called = f"{request.method}: {request.url.path[:200]}"
            raise Refusal(404, f"The sandbox does not implement this request ({called}).")

        return await self._guarded("", refuse)(request)


def _spoilt(action: Action, trouble: Trouble) -> Action:
    def spoilt(call: Call) -> Json:
        trouble.refuse_at_work()
        return action(call)

    return spoilt


def _equal(params: Json, *names: str) -> Callable[[Json], bool]:
    return lambda each: all(each[name] == params[name] for name in names if name in params)


def _id(request: Request) -> str:
    return str(request.path_params.get("id", ""))


def _read(read: forms.Reader, encoded: bytes) -> Json:
    found: Json = read(forms.parse(encoded), "")
    return found
