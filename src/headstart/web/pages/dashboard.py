"""The customer's own pages: favourites, what was booked, and what they were told."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse

from headstart.app.views import Payload
from headstart.core.access import Operation
from headstart.core.request import CustomerId, MechanicId
from headstart.web.api import requests_snapshot
from headstart.web.doors import door
from headstart.web.pages.persons import Customer
from headstart.web.people import Headstart
from headstart.web.rendering import render
from headstart.web.story import letters, mechanics_named

LIVE = frozenset({"pending", "matched"})
SAID = {
    "saved": "Saved. You find them among your favourites.",
    "too_late": "That payment page has closed, and nothing was charged. Please book once more.",
}

router = APIRouter()


@router.get("/dashboard", dependencies=[door(Operation.REQUEST_LIST)])
async def dashboard(service: Headstart, person: Customer, said: str = "") -> HTMLResponse:
    """Who can be booked again, and where everything that was booked stands."""
    customer = CustomerId(person.id)
    snapshot = await requests_snapshot(service, customer)
    async with service.views.on_behalf_of(person.principal) as views:
        favourites = await views.favorites()
    requests: list[Payload] = snapshot["requests"]
    return render(
        "dashboard.html",
        person,
        favourites=favourites,
        unpaid=await service.desk.unpaid(customer),
        said=SAID.get(said),
        current=[one for one in requests if one["status"] in LIVE],
        past=[one for one in requests if one["status"] not in LIVE],
        server_now=snapshot["server_now"],
    )


@router.post("/intake/resumption", dependencies=[door(Operation.INTAKE_CREATE)])
async def resume(service: Headstart, person: Customer) -> RedirectResponse:
    """On to the payment page that was left open, from whatever device."""
    unpaid = await service.desk.unpaid(CustomerId(person.id))
    page = unpaid.checkout_url if unpaid else None
    return RedirectResponse(page or "/dashboard?said=too_late", HTTPStatus.SEE_OTHER)


@router.get("/messages", dependencies=[door(Operation.REQUEST_LIST)])
async def messages(service: Headstart, person: Customer) -> HTMLResponse:
    """Everything this customer was told, newest first; read from the log, where it happened."""
    snapshot = await requests_snapshot(service, CustomerId(person.id))
    async with service.views.on_behalf_of(person.principal) as views:
        told = await views.messages()
        names = await views.names_of([MechanicId(UUID(one)) for one in mechanics_named(told)])
    by_name = {str(mechanic): name for mechanic, name in names.items()}
    requests = {one["session_id"]: one for one in snapshot["requests"]}
    return render("messages.html", person, letters=letters(told, requests, by_name))
