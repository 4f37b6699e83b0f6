"""The customer's own page: favourites, and what was booked."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from headstart.app.views import Payload
from headstart.core.access import Operation
from headstart.core.request import CustomerId
from headstart.web.api import requests_snapshot
from headstart.web.doors import door
from headstart.web.pages.persons import Customer
from headstart.web.people import Headstart
from headstart.web.rendering import render

LIVE = frozenset({"pending", "matched"})

router = APIRouter()


@router.get("/dashboard", dependencies=[door(Operation.REQUEST_LIST)])
async def dashboard(service: Headstart, person: Customer) -> HTMLResponse:
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
        plans=await service.switchboard.plans(),
        current=[one for one in requests if one["status"] in LIVE],
        past=[one for one in requests if one["status"] not in LIVE],
        server_now=snapshot["server_now"],
    )
