"""The front page: in demo and test mode, the people one can be."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from headstart.core.access import Operation, Principal, Role
from headstart.core.request import CustomerId
from headstart.settings import Mode
from headstart.web.doors import open_door
from headstart.web.pages.persons import Anybody
from headstart.web.people import Headstart
from headstart.web.rendering import render
from headstart.web.service import Service
from headstart.web.sessions import HOME

OPERATOR_ID = "0e000000-0000-4000-8000-000000000001"  # operators are not in the database
STAGE = "headstart.stage"  # a request to a demo has the address of its stage here

router = APIRouter()


@router.get("/", dependencies=[open_door(Operation.FRONT_READ)])
async def front_page(request: Request, service: Headstart, person: Anybody) -> HTMLResponse:
    """Who is signed in, and, where that is allowed, everybody one can be instead."""
    demo = service.settings.mode is not Mode.PRODUCTION
    return render(
        "home.html",
        person,
        demo=demo,
        sign_in=service.provider is not None,
        home=HOME[person.role] if person else None,
        cast=await _cast(service) if demo else [],
        stage=request.scope.get(STAGE),
        window_minutes=service.settings.priority_window_minutes,
    )


async def _cast(service: Service) -> list[dict[str, str]]:
    customers = [
        {
            "role": Role.CUSTOMER.value,
            "id": str(customer["id"]),
            "name": f"{customer['first_name']} {customer['last_name']}".strip(),
            "about": await _favourites_of(service, customer["id"]),
        }
        for customer in await service.people.customers()
    ]
    mechanics = [
        {"role": "mechanic", "id": str(one["id"]), "name": one["name"], "about": one["status"]}
        for one in await service.people.mechanics()
    ]
    operator = {
        "role": "operator",
        "id": OPERATOR_ID,
        "name": "Operator",
        "about": "the whole shop",
    }
    return [*customers, *mechanics, operator]


async def _favourites_of(service: Service, customer: CustomerId) -> str:
    async with service.views.on_behalf_of(Principal(Role.CUSTOMER, customer)) as views:
        names = [one["name"] for one in await views.favorites()]
    return f"favourites: {', '.join(names)}" if names else "no favourites yet"
