"""What the form of the intake wants to know, and what an urgent case may leave out."""

import re

import pytest

from headstart.web.pages.particulars import Particulars, Vehicle
from tests.web.conftest import PARTICULARS, World

GOLF = Vehicle(year="2016", make="Volkswagen", model="Golf")
VIN = "WVWZZZAUZGW123456"
PAGE = {"Accept": "text/html"}


def wrong(
    concern: str = "It squeaks when I brake.",
    vehicle: Vehicle = GOLF,
    email: str = "carla@example.test",
    phone: str = "",
    *,
    urgent: bool = False,
) -> list[str]:
    """The fields with which something is wrong."""
    return [*Particulars(concern, vehicle, email, phone, urgent).complaints()]


def test_what_is_needed_is_enough() -> None:
    assert wrong() == []
    assert wrong(vehicle=Vehicle(vin=VIN), email="", phone="+1 (555) 01-00") == []


@pytest.mark.parametrize(("concern", "fields"), [("123456789", ["concern"]), ("1234567890", [])])
def test_ten_characters_say_what_is_wrong(concern: str, fields: list[str]) -> None:
    assert wrong(concern) == fields
    assert wrong(f"  {concern}\n") == fields


@pytest.mark.parametrize(
    ("vehicle", "fields"),
    [
        (Vehicle(), ["year"]),
        (Vehicle(year="2016", make="Volkswagen"), ["year"]),
        (Vehicle(year="16", make="Volkswagen", model="Golf"), ["year"]),
        (Vehicle(vin=VIN[:-1]), ["vin"]),
        (Vehicle(vin=f"O{VIN[1:]}"), ["vin"]),
    ],
    ids=["nothing", "no model", "half a year", "too short", "no such letter"],
)
def test_a_vehicle_is_known_by_its_number_or_by_all_three(
    vehicle: Vehicle, fields: list[str]
) -> None:
    assert wrong(vehicle=vehicle) == fields


def test_somebody_has_to_be_reachable() -> None:
    assert wrong(email="") == wrong(email="carla@home") == ["contact_email"]
    assert wrong(phone="call me") == ["contact_phone"]


def test_who_is_in_a_hurry_says_what_is_wrong_and_how_to_be_reached() -> None:
    assert wrong("Smoke", Vehicle(), urgent=True) == []
    assert wrong(" ", Vehicle(), email="", urgent=True) == ["concern", "contact_email"]
    assert wrong("Smoke", Vehicle(vin="1"), urgent=True) == ["vin"]


async def test_everything_wrong_is_said_at_once_and_everything_typed_is_kept(world: World) -> None:
    typed = {"plan": "standard", "concern": "short", "make": "Lada", "vin": "x y", "urgent": ""}
    form = typed | {"contact_phone": "12", "preferred_mechanic_id": str(world.cast.favorite)}
    refused = await world.client.post("/intake", data=form, headers=world.customer | PAGE)
    assert refused.status_code == 422
    marked = re.findall(r'aria-describedby="(\w+)-error"', refused.text)
    assert marked == ["concern", "vin", "contact_phone"]
    for kept in ("short", 'value="Lada"', 'value="XY"', 'value="12"', "Ask Fay"):
        assert kept in refused.text


async def test_mechanics_read_the_vehicle_in_one_line(world: World) -> None:
    form = {"plan": "free", **PARTICULARS, "vin": VIN.lower()}
    booked = await world.client.post("/intake", data=form, headers=world.customer)
    assert booked.status_code == 303
    [request] = await world.requests()
    assert request["vehicle"] == f"2016 Volkswagen Golf, VIN {VIN}"
