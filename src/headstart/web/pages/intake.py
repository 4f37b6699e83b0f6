"""The intake: what is booked, for how much, and who is asked first; then off to pay for it."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from headstart.app.fulfilment import request_id_of
from headstart.app.intake import (
    CHARACTERS_MAX,
    AlreadyBooked,
    BadIntake,
    CheckoutExpired,
)
from headstart.app.ports import PaymentsRefused, PaymentsUnavailable, Plan, Unavailable
from headstart.core.access import Operation, may, owning
from headstart.core.request import CustomerId
from headstart.web.doors import door
from headstart.web.pages.booking import favourite_for
from headstart.web.pages.chosen import Chosen
from headstart.web.pages.persons import Customer
from headstart.web.people import Headstart
from headstart.web.problems import Problem
from headstart.web.rendering import Person, render
from headstart.web.service import Service

PAGE = "/intake"
FIELDS_MAX = 40
KEY_COOKIE = "headstart_booking"
KEY_COOKIE_OVER_HTTPS = "__Host-headstart-booking"
# Shorter than any payment page stays open, so that the key never leads to one that has expired.
KEY_LIFETIME = timedelta(minutes=20)
_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")

TRY_AGAIN = "The payment page cannot be opened right now. Nothing was charged; please try again."
EXPIRED = "The payment page was open for too long. Nothing was charged; please go on once more."
REFUSED = "The payment could not be started. Nothing was charged. Please contact us."

router = APIRouter()


@router.get(PAGE, dependencies=[door(Operation.INTAKE_CREATE)])
async def show(request: Request, service: Headstart, person: Customer) -> Response:
    """The form, with everything the address says filled in. No address makes it fail."""
    customer = await service.people.customer(CustomerId(person.id))
    chosen = Chosen.of(request.query_params)
    if customer and not chosen.contact_email:
        chosen = replace(chosen, contact_email=customer["email"])
    cookie = _key_cookie(service)
    key = _key(request.cookies.get(cookie, ""))
    answer = await _form(service, person, chosen, key=key)
    answer.set_cookie(
        cookie,
        key,
        max_age=int(KEY_LIFETIME.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=service.settings.is_https,
    )
    return answer


@router.post(PAGE, dependencies=[door(Operation.INTAKE_CREATE)])
async def submit(request: Request, service: Headstart, person: Customer) -> Response:
    """Keep the booking and go on to its payment page. Whatever is wrong, nothing typed is lost.

    The key of the page together with what was chosen makes a repeat the same booking: a double
    click, a retry, or coming back from the payment page opens no second one.
    """
    form = await request.form(max_fields=FIELDS_MAX, max_files=0)
    chosen, key = Chosen.of(form), _key(str(form.get("key", "")))
    complaints = chosen.particulars.complaints()
    if complaints or await _plan(service, chosen) is None:
        return await _form(service, person, chosen, key=key, errors=complaints)
    booking = chosen.booking()
    try:
        submitted = await service.desk.submit(
            CustomerId(person.id), booking, f"page:{key}:{booking.fingerprint[:32]}"
        )
    except BadIntake as error:
        return await _form(service, person, chosen, key=key, errors={error.field: str(error)})
    except AlreadyBooked as already:
        return _booked(service, f"/requests/{already.request_id}?said=already_booked")
    except CheckoutExpired:
        return await _form(service, person, chosen, key=_key(""), notice=EXPIRED)
    except PaymentsUnavailable:
        return await _form(service, person, chosen, key=key, notice=TRY_AGAIN)
    except PaymentsRefused:
        return await _form(service, person, chosen, key=key, notice=REFUSED)
    if submitted.checkout_url:
        return RedirectResponse(submitted.checkout_url, HTTPStatus.SEE_OTHER)
    return _booked(service, f"/requests/{submitted.request_id}")


@router.get(f"{PAGE}/success", dependencies=[door(Operation.INTAKE_SETTLE)])
async def paid(service: Headstart, person: Customer, session_id: str = "") -> Response:
    """Where the payment page sends the customer: on to the request, or wait for the payment."""
    try:
        settled = await service.fulfilment.settle(session_id)
    except (PaymentsUnavailable, PaymentsRefused, Unavailable):
        return render("payment.html", person, reached=False)
    intake = settled.intake if settled else None
    theirs = intake and may(
        person.principal, Operation.INTAKE_SETTLE, owning(person.principal, intake.customer)
    )
    if not intake or not theirs:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown_payment", "There is no such payment.")
    if intake.status != "paid":
        return render("payment.html", person, reached=True)
    return _booked(service, f"/requests/{request_id_of(intake.id, session_id)}")


def _booked(service: Service, page: str) -> RedirectResponse:
    """On to the request. The next booking is another one, even if it looks the same."""
    answer = RedirectResponse(page, HTTPStatus.SEE_OTHER)
    secure = service.settings.is_https
    answer.delete_cookie(_key_cookie(service), path="/", secure=secure, httponly=True)
    return answer


def _key_cookie(service: Service) -> str:
    return KEY_COOKIE_OVER_HTTPS if service.settings.is_https else KEY_COOKIE


def _key(given: str) -> str:
    return given if _KEY.fullmatch(given) else secrets.token_urlsafe(16)


async def _plan(service: Service, chosen: Chosen) -> Plan | None:
    plans = await service.switchboard.plans()
    return next((plan for plan in plans if plan.code == chosen.plan), None)


async def _form(
    service: Service,
    person: Person,
    chosen: Chosen,
    *,
    key: str,
    errors: Mapping[str, str] | None = None,
    notice: str | None = None,
) -> HTMLResponse:
    """The form as the customer left it, or the plans to choose from when there is no such plan."""
    plan = await _plan(service, chosen)
    if plan is None:
        return _choice(person, chosen, await service.switchboard.plans())
    return render(
        "intake.html",
        person,
        status=_status(errors, notice),
        chosen=chosen,
        plan=plan,
        premium=plan.specialist_premium if chosen.specialist else 0,
        favourite=await favourite_for(service, person, chosen, plan),
        errors=errors or {},
        notice=notice,
        key=key,
        limits=CHARACTERS_MAX,
    )


def _status(errors: Mapping[str, str] | None, notice: str | None) -> HTTPStatus:
    if errors:
        return HTTPStatus.UNPROCESSABLE_ENTITY
    return HTTPStatus.SERVICE_UNAVAILABLE if notice else HTTPStatus.OK


def _choice(person: Person, chosen: Chosen, plans: Sequence[Plan]) -> HTMLResponse:
    status = HTTPStatus.NOT_FOUND if chosen.plan else HTTPStatus.UNPROCESSABLE_ENTITY
    return render("plans.html", person, status=status, chosen=chosen, plans=plans, favourite=None)
