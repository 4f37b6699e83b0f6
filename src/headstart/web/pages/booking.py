"""The steps before the intake: ask the favourite first, or anyone? And what is needed?

Both are pages of their own. With scripts the first one opens over the dashboard.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from headstart.app.ports import Plan
from headstart.core.access import Operation
from headstart.core.request import CustomerId, MechanicId
from headstart.web.doors import door
from headstart.web.pages.chosen import Chosen
from headstart.web.pages.persons import Customer
from headstart.web.people import Headstart
from headstart.web.problems import Problem
from headstart.web.rendering import Person, render
from headstart.web.service import Service

router = APIRouter()

UNKNOWN = Problem(HTTPStatus.NOT_FOUND, "unknown_mechanic", "There is no such mechanic.")


def _mechanic_id(mechanic_id: str) -> MechanicId:
    """404 for what cannot be an id."""
    try:
        return MechanicId(UUID(mechanic_id))
    except ValueError:
        raise UNKNOWN from None


MechanicInPath = Annotated[MechanicId, Depends(_mechanic_id)]


@dataclass(frozen=True, slots=True)
class Favourite:
    """A favourite who would be asked first, for this long, if the booking were paid now."""

    name: str
    window: timedelta


async def favourite_for(
    service: Service, person: Person, chosen: Chosen, plan: Plan
) -> Favourite | None:
    """Only what the rules themselves promise is shown. For everybody else, known or unknown, the
    page is the same."""
    if chosen.preferred is None:
        return None
    mechanic = MechanicId(chosen.preferred)
    window = await service.desk.promise(CustomerId(person.id), mechanic, plan)
    record = await service.people.mechanic(mechanic) if window else None
    return Favourite(record["name"], window) if window and record else None


@router.get("/favourites/{mechanic_id}", dependencies=[door(Operation.FAVORITE_READ)])
async def choice(mechanic_id: MechanicInPath, service: Headstart, person: Customer) -> HTMLResponse:
    """Ask this favourite first, or whoever is free? With what is known of their availability."""
    async with service.views.on_behalf_of(person.principal) as views:
        favourites = await views.favorites()
    one: Any = next((one for one in favourites if one["mechanic_id"] == mechanic_id), None)
    if one is None:
        raise UNKNOWN
    windows = await _windows(service, person, mechanic_id, await service.switchboard.plans())
    return render("choice.html", person, one=one, shortest=min(windows, default=None))


async def _windows(
    service: Service, person: Person, mechanic: MechanicId, plans: Sequence[Plan]
) -> Sequence[timedelta]:
    """How long they would be asked alone, for each plan that promises it."""
    customer = CustomerId(person.id)
    promised = [await service.desk.promise(customer, mechanic, plan) for plan in plans]
    return [window for window in promised if window]


@router.get("/plans", dependencies=[door(Operation.INTAKE_CREATE)])
async def plans(request: Request, service: Headstart, person: Customer) -> HTMLResponse:
    """What is sold, for how much, with a specialist and without."""
    chosen = Chosen.of(request.query_params)
    on_sale = await service.switchboard.plans()
    promised = [await favourite_for(service, person, chosen, plan) for plan in on_sale]
    favourite = next((one for one in promised if one), None)
    return render("plans.html", person, chosen=chosen, plans=on_sale, favourite=favourite)


@router.post("/favourites/{mechanic_id}", dependencies=[door(Operation.FAVORITE_WRITE)])
async def save(
    mechanic_id: MechanicInPath,
    service: Headstart,
    person: Customer,
    request_id: Annotated[UUID | None, Form()] = None,
) -> RedirectResponse:
    """Save whoever helped as a favourite, and go back to where that was."""
    if not await service.people.add_favorite(CustomerId(person.id), mechanic_id):
        raise UNKNOWN
    back = f"/requests/{request_id}?said=saved" if request_id else "/dashboard?said=saved"
    return RedirectResponse(back, HTTPStatus.SEE_OTHER)
