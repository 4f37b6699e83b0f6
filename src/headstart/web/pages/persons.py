"""Whose page it is: somebody signed in, in its role, and somebody we still know."""

from typing import Annotated

from fastapi import Depends

from headstart.core.access import Principal, Role
from headstart.core.request import CustomerId, MechanicId
from headstart.web.people import Headstart, SignedIn, Visitor
from headstart.web.problems import forbidden, unauthenticated
from headstart.web.rendering import Person
from headstart.web.service import Service


async def person_of(service: Service, who: Principal | None) -> Person | None:
    """With their name; None for nobody, and for somebody who no longer exists."""
    name = await _name_of(service, who) if who else None
    return Person(who.role, who.id, name) if who and name is not None else None


async def _name_of(service: Service, who: Principal) -> str | None:
    match who.role:
        case Role.CUSTOMER:
            customer = await service.people.customer(CustomerId(who.id))
            return f"{customer['first_name']} {customer['last_name']}".strip() if customer else None
        case Role.MECHANIC:
            mechanic = await service.people.mechanic(MechanicId(who.id))
            return str(mechanic["name"]) if mechanic else None
        case Role.OPERATOR:
            return "Operator"


async def _in_role(service: Service, who: Principal, role: Role) -> Person:
    if who.role is not role:
        raise forbidden(f"This page is for a {role.value}.")
    person = await person_of(service, who)
    if person is None:
        raise unauthenticated()
    return person


async def _anybody(service: Headstart, who: Visitor) -> Person | None:
    return await person_of(service, who)


async def _customer(service: Headstart, who: SignedIn) -> Person:
    return await _in_role(service, who, Role.CUSTOMER)


async def _mechanic(service: Headstart, who: SignedIn) -> Person:
    return await _in_role(service, who, Role.MECHANIC)


async def _operator(service: Headstart, who: SignedIn) -> Person:
    return await _in_role(service, who, Role.OPERATOR)


Anybody = Annotated[Person | None, Depends(_anybody)]
Customer = Annotated[Person, Depends(_customer)]
Mechanic = Annotated[Person, Depends(_mechanic)]
Operator = Annotated[Person, Depends(_operator)]
