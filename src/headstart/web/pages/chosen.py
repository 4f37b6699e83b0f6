"""What a customer has chosen so far, read leniently from an address or a form."""

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from starlette.datastructures import ImmutableMultiDict

from headstart.app.intake import Booking
from headstart.core.request import MechanicId, RoutingType
from headstart.web.pages.particulars import Particulars, Vehicle

_YES = frozenset({"true", "1", "on", "yes"})

Values = ImmutableMultiDict[str, object]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Nothing in here was refused, and nothing was believed: the desk checks it."""

    plan: str
    preferred: MechanicId | None
    routing_type: RoutingType
    specialist: bool
    urgent: bool
    concern: str
    vehicle: Vehicle
    contact_email: str
    contact_phone: str

    @classmethod
    def of(cls, values: "ImmutableMultiDict[str, str] | Values") -> Self:
        """The first of a repeated parameter counts, an unreadable favourite is no favourite, and
        an unknown routing type is a plain broadcast."""
        preferred = _uuid(_first(values, "preferred_mechanic_id"))
        return cls(
            plan=_first(values, "plan"),
            preferred=preferred,
            routing_type=_routing_type(_first(values, "routing_type"), preferred),
            specialist=_first(values, "specialist").lower() in _YES,
            urgent=_first(values, "urgent").lower() in _YES,
            concern=_first(values, "concern"),
            vehicle=_vehicle(values),
            contact_email=_first(values, "contact_email").strip(),
            contact_phone=_first(values, "contact_phone").strip(),
        )

    @property
    def particulars(self) -> Particulars:
        """What was written, to be looked over before anybody is asked."""
        return Particulars(
            self.concern, self.vehicle, self.contact_email, self.contact_phone, self.urgent
        )

    def booking(self) -> Booking:
        """As the desk takes it."""
        return Booking(
            plan=self.plan,
            routing_type=self.routing_type,
            preferred=(self.preferred,) if self.preferred else (),
            specialist=self.specialist,
            urgent=self.urgent,
            concern=self.concern,
            vehicle=str(self.vehicle),
            contact_email=self.contact_email,
            contact_phone=self.contact_phone,
        )

    @property
    def kept(self) -> dict[str, str]:
        """Whom to ask, and how urgently, to be taken along to the next page."""
        kept: dict[str, str] = {}
        if self.preferred:
            kept |= {"preferred_mechanic_id": str(self.preferred)}
            kept |= {"routing_type": self.routing_type.value}
        return kept | ({"urgent": "true"} if self.urgent else {})


def _vehicle(values: "ImmutableMultiDict[str, str] | Values") -> Vehicle:
    """One line each: what stands in an address may hold anything."""
    read = {name: " ".join(_first(values, name).split()) for name in ("year", "make", "model")}
    return Vehicle(vin="".join(_first(values, "vin").split()).upper(), **read)


def _first(values: "ImmutableMultiDict[str, str] | Values", name: str) -> str:
    """Line breaks as one character, as the browser counts them; nothing that cannot be shown."""
    given = next((one for one in values.getlist(name) if isinstance(one, str)), "")
    return given.replace("\r\n", "\n").encode("utf-8", "replace").decode()


def _uuid(text: str) -> MechanicId | None:
    try:
        return MechanicId(UUID(text))
    except ValueError:
        return None


def _routing_type(text: str, preferred: MechanicId | None) -> RoutingType:
    """Without a routing type a favourite asks for priority, as in the API."""
    if preferred is None:
        return RoutingType.BROADCAST
    if not text or text == RoutingType.PRIORITY_BROADCAST:
        return RoutingType.PRIORITY_BROADCAST
    return RoutingType.BROADCAST
