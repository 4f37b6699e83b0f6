"""Arrows point one way: web → realtime, payments, identity → app → core ← store."""

from collections.abc import Iterator
from functools import cache

import pytest

from tests.habits.source import PACKAGE, imports_of, modules, room_of

SUPPLIERS = {"app", "core"}  # they supply what app/ports asks for
MAY_IMPORT = {
    "core": set[str](),
    "app": {"core"},
    "store": SUPPLIERS,
    "payments": SUPPLIERS,
    "reach": SUPPLIERS,
    "identity": SUPPLIERS | {"plain_lines"},
    "realtime": SUPPLIERS,
    "nodes": SUPPLIERS,
    "web": {"realtime", "payments", "identity", "app", "core", "settings"},
    "settings": {"core", "secrecy", "plain_lines", "realtime_settings"},
    "realtime_settings": {"edge_settings", "plain_lines"},
    "edge_settings": {"secrecy"},
    "plain_lines": set[str](),
    "secrecy": set[str](),
    "telemetry": set[str](),
}
KNOW_EVERYONE = {
    "wiring",
    "serving",
    "demonstration",
    "__main__",
    "command_line",
    "doctor",
    "lab",
}  # nobody knows them
MEASURED = {"telemetry"}  # anybody but the core may count things

BELONGS_TO = {
    "asyncpg": {"store"},
    "stripe": {"payments"},
    "jwt": {"identity"},
    "authlib": {"identity"},
    "websockets": {"realtime"},
    "cryptography": {"identity"},
    "nats": {"nodes"},
}


def ours(imported: set[str]) -> set[str]:
    return {name for name in imported if name.partition(".")[0] == PACKAGE and name != PACKAGE}


@cache
def arrows() -> dict[str, set[str]]:
    """Which module of ours imports which other."""
    return {name: ours(imports_of(tree)) for name, tree in modules().items()}


def test_every_room_has_its_place_in_the_rule() -> None:
    rooms = {room_of(module) for module in modules()} - {""}
    assert rooms <= MAY_IMPORT.keys() | KNOW_EVERYONE


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_lies_below_it(room: str) -> None:
    allowed = {room} | MAY_IMPORT[room] | (set() if room == "core" else MEASURED)
    wrong = [
        f"{module} → {other}"
        for module, others in arrows().items()
        for other in others
        if room_of(module) == room and room_of(other) not in allowed
    ]
    assert not wrong


@pytest.mark.parametrize("library", BELONGS_TO)
def test_a_library_is_known_in_one_room_only(library: str) -> None:
    wrong = [
        module
        for module, tree in modules().items()
        if any(name.partition(".")[0] == library for name in imports_of(tree))
        and room_of(module) not in BELONGS_TO[library]
    ]
    assert not wrong


def test_the_pretended_stripe_knows_nothing_of_us() -> None:
    """It stands for a foreign service; what it knew of us would prove nothing about Stripe."""
    sandbox = f"{PACKAGE}.payments.sandbox"
    wrong = [
        f"{module} → {other}"
        for module, others in arrows().items()
        for other in others
        if module.startswith(sandbox) and not other.startswith(sandbox)
    ]
    assert not wrong


def test_there_are_no_circles() -> None:
    assert not list(circles())


def circles() -> Iterator[str]:
    """Modules that nothing but each other keeps standing: what is left when all others are gone."""
    standing = {module: others - {module} for module, others in arrows().items()}
    while free := [module for module, others in standing.items() if not others & standing.keys()]:
        for module in free:
            del standing[module]
    yield from (
        f"{module} → {sorted(others & standing.keys())}" for module, others in standing.items()
    )
