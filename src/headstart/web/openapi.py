"""The OpenAPI document, made true: every answer there is, and none that there is not.

What a route takes, FastAPI reads from its parameters. What it answers stands in one table here,
with every code of every problem, so that a program can be written, and we can be tested, from the
document alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from headstart.web import documents as d
from headstart.web.problems import PROBLEM_TYPE, STATUS_OF_REFUSAL, STATUSES_OF_ANSWERS

Json = dict[str, Any]

_REF = "#/components/schemas/{model}"
_JSON = "application/json"

# What the edges and the sign-in may say to any request.
OF_EVERY_ROUTE = (
    *("unauthenticated", "forbidden", "invalid", "too_large", "too_slow", "address_too_long"),
    *("unknown_host", "headers_too_large", "too_many_requests", "unavailable", "unknown_login"),
)
_OF_A_BODY = ("malformed_json", "incomplete")
_OF_A_COMMAND = (
    *("unknown_request", "already_matched", "gone", "already_declined", "mechanic_not_approved"),
    *("mechanic_busy", "not_yours", "not_matched", "not_reserved", "window_at_limit"),
)
_OF_A_PAYMENT = (
    *("bad_webhook", "encoded_body", "too_large", "too_slow", "incomplete", "unavailable"),
    *("address_too_long", "headers_too_large", "unknown_host"),
)
STATUS_OF_CODE: Mapping[str, HTTPStatus] = {
    **{refusal.value: status for refusal, status in STATUS_OF_REFUSAL.items()},
    **STATUSES_OF_ANSWERS,
    "unauthenticated": HTTPStatus.UNAUTHORIZED,
    "forbidden": HTTPStatus.FORBIDDEN,
    "unknown_login": HTTPStatus.FORBIDDEN,
    "malformed_json": HTTPStatus.BAD_REQUEST,
    "bad_cursor": HTTPStatus.BAD_REQUEST,
    "bad_webhook": HTTPStatus.BAD_REQUEST,
    "encoded_body": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "too_slow": HTTPStatus.REQUEST_TIMEOUT,
    "address_too_long": HTTPStatus.REQUEST_URI_TOO_LONG,
    "unknown_host": HTTPStatus.MISDIRECTED_REQUEST,
    "headers_too_large": HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "too_many_requests": HTTPStatus.TOO_MANY_REQUESTS,
    "too_many_streams": HTTPStatus.TOO_MANY_REQUESTS,
    "unknown_mechanic": HTTPStatus.NOT_FOUND,
    "not_a_favorite": HTTPStatus.NOT_FOUND,
    "unknown_flag": HTTPStatus.NOT_FOUND,
    "not_refused": HTTPStatus.NOT_FOUND,
    "unknown_trouble": HTTPStatus.NOT_FOUND,
}


@dataclass(frozen=True, slots=True)
class Answers:
    """What a route may answer: one of these documents or none, or one of these problems.
    ``leads_to`` names the operations that its answer gives an id for."""

    documents: tuple[type[d.Document], ...]
    problems: tuple[str, ...] = ()
    status: HTTPStatus = HTTPStatus.OK
    of_every_route: tuple[str, ...] = OF_EVERY_ROUTE
    leads_to: Mapping[str, Mapping[str, str]] | None = None


_TO_THE_REQUEST = {"request_id": "$response.body#/session_id"}
_TO_THE_FIRST = {"request_id": "$response.body#/requests/0/session_id"}
_TO_THE_OFFER = {"request_id": "$response.body#/offers/0/session_id"}
_TO_THE_JOB = {"request_id": "$response.body#/job/session_id"}
_TO_THE_MECHANIC = {"mechanic_id": "$response.body#/mechanic_id"}
_COMMANDS = (
    *("acceptance", "declination", "broadcast", "extension", "cancellation", "release", "arrival"),
    *("assignment", "completion"),
)
_COMMAND = Answers(
    (d.Ordered,),
    (*_OF_A_COMMAND, *_OF_A_BODY),
    leads_to=dict.fromkeys((*_COMMANDS, "read_request"), _TO_THE_REQUEST),
)

ANSWERS: Mapping[str, Answers] = {
    "POST /api/v1/intakes": Answers(
        (d.Submitted,),
        (
            *("idempotency_key_reused", "already_booked", "checkout_expired", "does_not_exist"),
            *("payments_unavailable", *_OF_A_BODY),
        ),
        HTTPStatus.CREATED,
        leads_to=dict.fromkeys(("read_request", *_COMMANDS), _TO_THE_REQUEST),
    ),
    "GET /api/v1/session-requests": Answers(
        (d.CustomerRequests,),
        leads_to=dict.fromkeys(
            ("read_request", "broadcast", "extension", "cancellation"), _TO_THE_FIRST
        ),
    ),
    "GET /api/v1/session-requests/{request_id}": Answers(
        (d.OneCustomerRequest, d.MechanicRequest), ("unknown_request",)
    ),
    **{f"POST /api/v1/session-requests/{{request_id}}/{name}": _COMMAND for name in _COMMANDS},
    "GET /api/v1/offers": Answers(
        (d.Offers,),
        leads_to={
            **dict.fromkeys(("acceptance", "declination", "read_request"), _TO_THE_OFFER),
            **dict.fromkeys(("release", "arrival", "completion"), _TO_THE_JOB),
        },
    ),
    "PUT /api/v1/presence": Answers((d.Presence,), ("does_not_exist", *_OF_A_BODY)),
    "GET /api/v1/mechanics/{mechanic_id}/status": Answers(
        (d.MechanicStatus,), ("unknown_mechanic",)
    ),
    "GET /api/v1/favorites": Answers(
        (d.Favorites,),
        leads_to={
            name: {"mechanic_id": "$response.body#/favorites/0/mechanic_id"}
            for name in ("read_favorite", "delete_favorite", "mechanic_status")
        },
    ),
    "GET /api/v1/favorites/{mechanic_id}": Answers((d.Favorite,), ("not_a_favorite",)),
    "PUT /api/v1/favorites/{mechanic_id}": Answers(
        (d.Favorite,),
        ("unknown_mechanic", "not_a_favorite", "does_not_exist"),
        leads_to=dict.fromkeys(("read_favorite", "delete_favorite"), _TO_THE_MECHANIC),
    ),
    "DELETE /api/v1/favorites/{mechanic_id}": Answers((), (), HTTPStatus.NO_CONTENT),
    "PUT /api/v1/customers/{customer_id}": Answers((d.Customer,), _OF_A_BODY),
    "PUT /api/v1/mechanics/{mechanic_id}": Answers(
        (d.Mechanic,),
        _OF_A_BODY,
        leads_to=dict.fromkeys(
            ("mechanic_status", "put_favorite", "put_mechanic"), _TO_THE_MECHANIC
        ),
    ),
    "GET /api/v1/flags/{name}": Answers((d.Flag,), ("unknown_flag",)),
    "PUT /api/v1/flags/{name}": Answers((d.Flag,), ("unknown_flag", *_OF_A_BODY)),
    "GET /api/v1/money-troubles": Answers(
        (d.Troubles,),
        leads_to={
            "try_again": {"operation_id": "$response.body#/troubles/0/operation_id"},
            "dismiss_trouble": {"trouble_id": "$response.body#/troubles/0/trouble_id"},
        },
    ),
    "POST /api/v1/money-troubles/{trouble_id}/dismissal": Answers(
        (d.TroubleDismissed,), ("unknown_trouble", *_OF_A_BODY)
    ),
    "POST /api/v1/operations/{operation_id}/attempt": Answers(
        (d.OperationDue,), ("not_refused", *_OF_A_BODY)
    ),
    "GET /api/v1/operator-actions": Answers((d.OperatorActions,)),
    "GET /api/v1/logins": Answers((d.KnownLogins,)),
    "PUT /api/v1/logins": Answers((d.KnownLogin,), ("does_not_exist", *_OF_A_BODY)),
    "POST /api/v1/sign-out": Answers((), (), HTTPStatus.NO_CONTENT),
    "GET /api/v1/stream": Answers((), ("bad_cursor", "too_many_streams")),
    "POST /webhooks/stripe": Answers((d.Receipt,), (), of_every_route=_OF_A_PAYMENT),
}


def install_document(app: FastAPI) -> None:
    """Have the application answer with the true document, made once."""

    def document() -> Json:
        if app.openapi_schema is None:
            app.openapi_schema = document_of(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def document_of(app: FastAPI) -> Json:
    """FastAPI's document with our answers. KeyError for a route that is not in the table."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    models = {model for answers in ANSWERS.values() for model in _models(answers)}
    _, definitions = models_json_schema(
        [(model, "serialization") for model in sorted(models, key=lambda one: one.__name__)],
        ref_template=_REF,
    )
    schemas.update(definitions["$defs"])
    document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(operation, ANSWERS[f"{method.upper()} {path}"])
    return document


def _models(answers: Answers) -> Iterator[type[d.Document]]:
    yield d.ProblemDocument
    yield from answers.documents


def _complete(operation: Json, answers: Answers) -> None:
    is_signed = answers.of_every_route is _OF_A_PAYMENT
    operation["operationId"] = operation["operationId"].partition("_api_v1_")[0]
    operation["security"] = [] if is_signed else [{"bearer": []}]
    operation["responses"] = {
        str(answers.status.value): _success(operation, answers, limited=not is_signed),
        **_problems((*answers.of_every_route, *answers.problems), limited=not is_signed),
    }


def _success(operation: Json, answers: Answers, *, limited: bool) -> Json:
    told: Json = {"description": answers.status.phrase}
    if limited:
        told["headers"] = _headers("RateLimit", "RateLimit-Policy")
    refs = [{"$ref": _REF.format(model=one.__name__)} for one in answers.documents]
    if refs:
        told["content"] = {_JSON: {"schema": refs[0] if len(refs) == 1 else {"anyOf": refs}}}
    elif answers.status is HTTPStatus.OK:
        told["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    if answers.leads_to:
        told["links"] = {
            name: {"operationId": name, "parameters": dict(parameters)}
            for name, parameters in answers.leads_to.items()
        }
    return told


def _problems(codes: tuple[str, ...], *, limited: bool) -> Json:
    """By status: what may be wrong, each under its code."""
    by_status: dict[HTTPStatus, list[str]] = {}
    for code in sorted(set(codes)):
        by_status.setdefault(STATUS_OF_CODE[code], []).append(code)
    return {
        str(status.value): _problem(status, by_status[status], limited=limited)
        for status in sorted(by_status)
    }


def _problem(status: HTTPStatus, codes: list[str], *, limited: bool) -> Json:
    named = {"properties": {"code": {"enum": codes}, "status": {"const": status.value}}}
    schema = {"allOf": [{"$ref": _REF.format(model="ProblemDocument")}, named]}
    headers = {
        HTTPStatus.UNAUTHORIZED: _headers("WWW-Authenticate"),
        HTTPStatus.TOO_MANY_REQUESTS: _headers("Retry-After") if limited else {},
        HTTPStatus.SERVICE_UNAVAILABLE: _headers("Retry-After"),
    }
    return {
        "description": status.phrase,
        "headers": headers.get(status, {}),
        "content": {PROBLEM_TYPE: {"schema": schema}},
    }


def _headers(*names: str) -> Json:
    return {name: {"required": True, "schema": {"type": "string"}} for name in names}
