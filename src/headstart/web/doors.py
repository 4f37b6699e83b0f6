"""Doors: every route names one operation of the table in ``core.access``, or nothing is built."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from headstart.core.access import Operation, Principal, may
from headstart.web.people import Visitor
from headstart.web.problems import forbidden, unauthenticated

# Files that everybody may have, served by nobody's code: they are walked by the tests all the same.
FILES = frozenset({"/static", "/api/v1/openapi.json"})


def admit(who: Principal | None, operation: Operation) -> None:
    """Return for whoever may do this at all; 401 for nobody, 403 for everybody else."""
    if not may(who, operation):
        raise forbidden(f"The role {who.role.value} may not do this.") if who else unauthenticated()


@dataclass(frozen=True, slots=True)
class Door:
    """In front of a route that is for people who have signed in."""

    operation: Operation

    def __post_init__(self) -> None:
        assert not may(None, self.operation), "who is let in by a door has signed in"

    def __call__(self, who: Visitor) -> None:
        """Return for whoever is let in."""
        admit(who, self.operation)


@dataclass(frozen=True, slots=True)
class OpenDoor:
    """In front of a route that is for everybody. Nobody is asked who they are."""

    operation: Operation

    def __post_init__(self) -> None:
        assert may(None, self.operation), "the table does not open this to everybody"

    def __call__(self) -> None:
        """Whoever comes."""


def door(operation: Operation) -> Any:
    """Names what a route is for: ``dependencies=[door(Operation.OFFER_LIST)]``."""
    return Depends(Door(operation))


def open_door(operation: Operation) -> Any:
    """The same, for a route or a router that is for everybody."""
    return Depends(OpenDoor(operation))


def require_doors(app: FastAPI) -> None:
    """TypeError for an application with a route that does not say what it is for."""
    for method, path, operations in doors_of(app):
        if path not in FILES and len(operations) != 1:
            raise TypeError(f"{method} {path} must name one operation, not {len(operations)}")


def doors_of(app: FastAPI) -> Iterator[tuple[str, str, list[Operation]]]:
    """Every route there is: its method, its path, and the operations that it names."""
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route.original_route, "dependant", None)
        named = list(dict.fromkeys(_named(dependant))) if dependant else []
        for method in sorted(route.methods or {"GET"}):
            yield method, str(route.path), named


def _named(dependant: Dependant) -> Iterator[Operation]:
    operation = getattr(dependant.call, "operation", None)
    if isinstance(operation, Operation):
        yield operation
    for inner in dependant.dependencies:
        yield from _named(inner)
