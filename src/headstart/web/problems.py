"""Every "no" over HTTP, as a problem document (RFC 9457), in one table."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from headstart.app.dispatcher import Contended
from headstart.app.intake import AlreadyBooked, BadIntake, CheckoutExpired, KeyReused
from headstart.app.ports import (
    DoesNotExist,
    NotStorable,
    PaymentsRefused,
    PaymentsUnavailable,
    Unavailable,
)
from headstart.core.refusals import Refusal

PROBLEM_TYPE = "application/problem+json"

STATUS_OF_REFUSAL: Mapping[Refusal, HTTPStatus] = {
    Refusal.UNKNOWN_REQUEST: HTTPStatus.NOT_FOUND,
    Refusal.RESERVED: HTTPStatus.NOT_FOUND,  # never reached: who cannot see it hears "unknown"
    Refusal.ALREADY_MATCHED: HTTPStatus.CONFLICT,
    Refusal.GONE: HTTPStatus.GONE,
    Refusal.ALREADY_DECLINED: HTTPStatus.CONFLICT,
    Refusal.MECHANIC_NOT_APPROVED: HTTPStatus.FORBIDDEN,
    Refusal.MECHANIC_BUSY: HTTPStatus.CONFLICT,
    Refusal.NOT_YOURS: HTTPStatus.FORBIDDEN,
    Refusal.NOT_MATCHED: HTTPStatus.CONFLICT,
    Refusal.NOT_RESERVED: HTTPStatus.CONFLICT,
    Refusal.WINDOW_AT_LIMIT: HTTPStatus.CONFLICT,
}

log = structlog.get_logger()


class Problem(Exception):
    """An answer that is not a success. ``code`` is for programs, ``detail`` for people."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more

    @classmethod
    def of_refusal(cls, refusal: Refusal) -> "Problem":
        """The answer for a rule's no."""
        return cls(STATUS_OF_REFUSAL[refusal], refusal.value, refusal.sentence)

    @classmethod
    def of_field(cls, field: str, message: str) -> "Problem":
        """The answer for one wrong field."""
        errors = [{"field": field, "message": message}]
        return cls(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", message, errors=errors)

    def response(self) -> Response:
        """As a document."""
        body = {
            "type": f"urn:headstart:problem:{self.code}",
            "title": self.status.phrase,
            "status": self.status.value,
            "code": self.code,
            "detail": self.detail,
            **self.more,
        }
        return JSONResponse(body, self.status, headers=self.headers, media_type=PROBLEM_TYPE)


def unauthenticated() -> Problem:
    """Nobody, or nobody we know."""
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "unauthenticated",
        "Sign in, or send a valid bearer token.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def forbidden(detail: str) -> Problem:
    """Known, but not allowed."""
    return Problem(HTTPStatus.FORBIDDEN, "forbidden", detail)


# What the application may say, and how it is answered: status, code, sentence.
_ANSWERS: Mapping[type[Exception], tuple[HTTPStatus, str, str]] = {
    KeyReused: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "idempotency_key_reused",
        "This Idempotency-Key came before with another booking.",
    ),
    AlreadyBooked: (
        HTTPStatus.CONFLICT,
        "already_booked",
        "One request at a time: your other one has not ended. Nothing was paid.",
    ),
    CheckoutExpired: (
        HTTPStatus.GONE,
        "checkout_expired",
        "This payment page has expired: book again, with a new Idempotency-Key.",
    ),
    ClientDisconnect: (  # nobody hears it, and it is no fault of ours
        HTTPStatus.BAD_REQUEST,
        "incomplete",
        "The body ended too early.",
    ),
    NotStorable: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid",
        "A text contains a character that cannot be kept.",
    ),
    DoesNotExist: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "does_not_exist",
        "This names somebody, or something, that does not exist.",
    ),
    PaymentsUnavailable: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "payments_unavailable",
        "The payment service cannot be asked right now; please try again.",
    ),
    PaymentsRefused: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "payments_unavailable",
        "The payment service cannot be asked right now; please try again.",
    ),
    Unavailable: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unavailable",
        "Please try again in a moment; nothing is lost.",
    ),
    Contended: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unavailable",
        "Please try again in a moment; nothing is lost.",
    ),
}
STATUSES_OF_ANSWERS: Mapping[str, HTTPStatus] = {
    code: status for status, code, _ in _ANSWERS.values()
}
_TRY_AGAIN_AFTER = {"Retry-After": "2"}


def problem_of(error: Exception) -> Problem:
    """The answer for an error of the application."""
    if type(error) in _ANSWERS:
        status, code, detail = _ANSWERS[type(error)]
        again = _TRY_AGAIN_AFTER if status is HTTPStatus.SERVICE_UNAVAILABLE else None
        return Problem(status, code, detail, headers=again)
    match error:
        case Problem():
            return error
        case BadIntake(field=field):
            return Problem.of_field(field, str(error))
        case HTTPException(status_code=HTTPStatus.BAD_REQUEST):  # bytes that are no text at all
            return _malformed()
        case HTTPException(status_code=number, detail=detail):
            status = HTTPStatus(number)
            return Problem(status, status.name.lower(), str(detail), headers=error.headers)
        case _:
            detail = "Something went wrong on our side; it was reported."
            return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail)


def _malformed() -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, "malformed_json", "The body is not valid JSON.")


def _of_validation(error: RequestValidationError) -> Problem:
    if any(one["type"] == "json_invalid" for one in error.errors()):
        return _malformed()
    errors = [
        {"field": ".".join(map(str, one["loc"][1:])) or str(one["loc"][0]), "message": one["msg"]}
        for one in error.errors()
    ]
    detail = "; ".join(f"{one['field']}: {one['message']}" for one in errors)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", detail, errors=errors)


_TRIED_IN_VAIN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_SLOWER = Refusal.ALREADY_MATCHED.value  # of a crowd of thousands all but one, and none at fault
_LIKE_OURS = re.compile(r"[\w/.-]{1,120}", re.ASCII)  # names and ids
_NOT_LIKE_OURS = "(not like ours)"


def _asked(request: Request) -> Mapping[str, str]:
    """What somebody tried, who, and from where. The path is their words, too: it may be a token, a
    person's address, or anything at length."""
    who = getattr(request.state, "who", None)
    path = request.url.path
    return {
        "who": f"{who.role.value}:{who.id}" if who else "",
        "method": request.method,
        "path": path if _LIKE_OURS.fullmatch(path) else _NOT_LIKE_OURS,
        "client": request.scope.get("headstart.client", ""),
    }


def _note(problem: Problem, request: Request) -> None:
    """What was not done for somebody, and why: bad input, a broken rule, no right to it. The rest
    is trouble of ours and is told elsewhere."""
    if problem.status in _TRIED_IN_VAIN:
        log.warning("access_refused", code=problem.code, **_asked(request))
    elif problem.status < HTTPStatus.INTERNAL_SERVER_ERROR and problem.code != _SLOWER:
        log.info("request_refused", code=problem.code, **_asked(request))


def install_problem_handlers(app: FastAPI, present: Callable[[Request, Problem], Response]) -> None:
    """Every error of every route is presented to whoever asked; the unexpected is logged."""

    async def known(request: Request, error: Exception) -> Response:
        if isinstance(error, PaymentsRefused):
            log.error("payments_refused", code=error.code, status=error.status)
        problem = problem_of(error)
        _note(problem, request)
        return present(request, problem)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        problem = _of_validation(error)
        _note(problem, request)
        return present(request, problem)

    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("request_failed", path=request.url.path, exc_info=error)
        return present(request, problem_of(error))

    for kind in (Problem, BadIntake, HTTPException, *_ANSWERS):
        app.add_exception_handler(kind, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unexpected)
