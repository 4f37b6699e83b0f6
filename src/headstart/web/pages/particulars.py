"""What the form of the intake has to say before anybody is asked, and what an urgent case may leave
out. Programs are not held to it: whoever writes one has asked their customer in their own way."""

import re
from dataclasses import dataclass

from headstart.app.intake import EMAIL

CONCERN_CHARACTERS_MIN = 10
PHONE_DIGITS_MIN = 6
VIN = re.compile(r"[A-HJ-NPR-Z0-9]{17}")  # ISO 3779: never I, O or Q
YEAR = re.compile(r"(19|20)\d\d")


@dataclass(frozen=True, slots=True)
class Vehicle:
    """Which car it is: by its number, or as people say it."""

    vin: str = ""
    year: str = ""
    make: str = ""
    model: str = ""

    def __str__(self) -> str:
        """In one line, as mechanics read it."""
        said = " ".join(one for one in (self.year, self.make, self.model) if one)
        return ", ".join(one for one in (said, f"VIN {self.vin}" if self.vin else "") if one)

    @property
    def is_known(self) -> bool:
        """Whether a mechanic knows what awaits them."""
        return bool(self.vin or (self.year and self.make and self.model))


@dataclass(frozen=True, slots=True)
class Particulars:
    """What the customer has written, as they wrote it."""

    concern: str
    vehicle: Vehicle
    contact_email: str
    contact_phone: str
    urgent: bool

    def complaints(self) -> dict[str, str]:
        """What is still missing or wrong, by its field, in words for the person who wrote it."""
        found = {
            "concern": self._of_the_concern(),
            "vin": self._of_the_number(),
            "year": self._of_the_vehicle(),
            "contact_email": self._of_the_contact(),
            "contact_phone": self._of_the_phone(),
        }
        return {field: said for field, said in found.items() if said}

    def _of_the_concern(self) -> str | None:
        length = len(self.concern.strip())
        if self.urgent:
            return None if length else "Say in a word or two what is wrong."
        if length < CONCERN_CHARACTERS_MIN:
            return f"Say what is wrong in {CONCERN_CHARACTERS_MIN} characters or more."
        return None

    def _of_the_number(self) -> str | None:
        if self.vehicle.vin and not VIN.fullmatch(self.vehicle.vin):
            return "A VIN has 17 letters and digits, without I, O and Q."
        return None

    def _of_the_vehicle(self) -> str | None:
        if self.vehicle.year and not YEAR.fullmatch(self.vehicle.year):
            return "Write the year with four digits, such as 2016."
        if self.urgent or self.vehicle.is_known:
            return None
        return "Say which car it is: year, make and model, or its VIN."

    def _of_the_contact(self) -> str | None:
        if self.contact_email and not EMAIL.fullmatch(self.contact_email):
            return "This does not look like an e-mail address."
        reachable = self.contact_email or self.contact_phone
        return None if reachable else "Leave an e-mail address or a phone number."

    def _of_the_phone(self) -> str | None:
        digits = sum(one.isdigit() for one in self.contact_phone)
        if self.contact_phone and digits < PHONE_DIGITS_MIN:
            return "This does not look like a phone number."
        return None
