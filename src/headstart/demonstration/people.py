"""Who there is in the demo, and who has a screen on the stage."""

from dataclasses import dataclass
from uuid import UUID

from headstart.core.access import Principal, Role
from headstart.core.request import CustomerId, MechanicId
from headstart.store.people import PeopleStore

CUSTOMERS = (
    (UUID("c0000000-0000-4000-8000-000000000001"), "Carla", "Jensen"),
    (UUID("c0000000-0000-4000-8000-000000000002"), "Ben", "Okafor"),
)
MECHANICS = (
    (UUID("a0000000-0000-4000-8000-000000000001"), "Maria Lopez"),
    (UUID("a0000000-0000-4000-8000-000000000002"), "Dmitri Volkov"),
    (UUID("a0000000-0000-4000-8000-000000000003"), "Aisha Rahman"),
)
FAVORITES = ((CUSTOMERS[0][0], MECHANICS[0][0]), (CUSTOMERS[0][0], MECHANICS[1][0]))


@dataclass(frozen=True, slots=True)
class Part:
    """Somebody with a screen on the stage. ``key`` names the screen, ``about`` says who it is."""

    key: str
    about: str
    role: Role
    id: UUID
    name: str

    @property
    def principal(self) -> Principal:
        """As the rules know them."""
        return Principal(self.role, self.id)


CUSTOMER = Part("customer", "The customer", Role.CUSTOMER, CUSTOMERS[0][0], "Carla Jensen")
FAVOURITE = Part("favourite", "Her favourite", Role.MECHANIC, *MECHANICS[0])
OTHER = Part("other", "Another mechanic", Role.MECHANIC, *MECHANICS[2])
PARTS = (CUSTOMER, FAVOURITE, OTHER)


async def introduce_people(people: PeopleStore) -> None:
    """The demo's customers, mechanics and favourites. Harmless when repeated."""
    for customer, first_name, last_name in CUSTOMERS:
        email = f"{first_name.lower()}@example.test"
        await people.add_customer(
            CustomerId(customer), first_name, last_name=last_name, email=email
        )
    for mechanic, name in MECHANICS:
        await people.add_mechanic(MechanicId(mechanic), name)
    for customer, mechanic in FAVORITES:
        await people.add_favorite(CustomerId(customer), MechanicId(mechanic))
