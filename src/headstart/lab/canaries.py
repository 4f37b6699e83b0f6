"""Canaries: what stands in every private field of a test, and where alone it may be heard.

Each is one word, so that it is found in a page, an address, JSON or a log line alike.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from headstart.core.access import Role

SURNAME, ACCOUNT, PHONE = "canarysurname", "canaryaccount", "canaryphone"
CONTACT, CALL = "canarycontact", "canarycall"
CHECKOUT, PAYMENT = "checkout session", "payment"
PERSONAL = frozenset({SURNAME, ACCOUNT, PHONE, CONTACT, CALL})

_SUNG = re.compile(rf"({'|'.join(sorted(PERSONAL))})([a-z]*)", re.IGNORECASE)
_IDS = {
    CHECKOUT: re.compile(r"\bcs_test_\w+"),
    # As long as Stripe's are, and no part of a longer word: what is sealed may look like anything.
    PAYMENT: re.compile(
        r"(?<![\w-])(?:pi|ch|re|py)_[A-Za-z0-9]{24,32}(?:_secret_\w+)?(?![\w-])", re.ASCII
    ),
}


@dataclass(frozen=True, slots=True, order=True)
class Sighting:
    """What was heard, and whose it is; of an id only what it is the id of is known."""

    what: str
    whose: str = ""


def account_of(mark: str) -> Mapping[str, str]:
    """What the marketplace knows of a customer. ``mark`` is one word of letters."""
    return {
        "first_name": mark.title(),
        "last_name": f"{SURNAME}{mark}".title(),
        "email": f"{ACCOUNT}{mark}@example.test",
        "phone": f"+1 555 0101 {PHONE}{mark}",
    }


def contact_of(mark: str) -> Mapping[str, str]:
    """What they write into the intake."""
    return {
        "contact_email": f"{CONTACT}{mark}@example.test",
        "contact_phone": f"+1 555 0100 {CALL}{mark}",
    }


def sightings(text: str) -> set[Sighting]:
    """Everything private in a text."""
    sung = {Sighting(what.lower(), whose.lower()) for what, whose in _SUNG.findall(text)}
    return sung | {Sighting(what) for what, ids in _IDS.items() if ids.search(text)}


# Where somebody may read what is private: the customer their own, operators everybody's.
ENTITLED: Mapping[str, Mapping[Role, frozenset[str]]] = {
    "GET /": {Role.CUSTOMER: frozenset({SURNAME})},
    "GET /dashboard": {Role.CUSTOMER: frozenset({SURNAME})},
    "GET /intake": {Role.CUSTOMER: frozenset({SURNAME, ACCOUNT})},
    "GET /plans": {Role.CUSTOMER: frozenset({SURNAME})},
    "GET /favourites/{id}": {Role.CUSTOMER: frozenset({SURNAME})},
    "GET /messages": {Role.CUSTOMER: frozenset({SURNAME})},
    "POST /intake": {Role.CUSTOMER: frozenset({SURNAME, CONTACT, CALL, CHECKOUT})},
    "POST /intake/resumption": {Role.CUSTOMER: frozenset({CHECKOUT})},
    "GET /intake/success": {Role.CUSTOMER: frozenset({SURNAME})},
    "GET /requests/{id}": {Role.CUSTOMER: frozenset({SURNAME})},
    "POST /api/v1/intakes": {Role.CUSTOMER: frozenset({CHECKOUT})},
    "PUT /api/v1/customers/{id}": {Role.OPERATOR: frozenset({SURNAME, ACCOUNT, PHONE})},
    "GET /admin": {Role.OPERATOR: frozenset({CHECKOUT, PAYMENT})},
    "GET /admin/requests/{id}": {Role.OPERATOR: frozenset({CHECKOUT, PAYMENT})},
    "GET /api/v1/money-troubles": {Role.OPERATOR: frozenset({CHECKOUT, PAYMENT})},
}


def is_entitled(route: str, role: Role | None, name: str, heard: Sighting) -> bool:
    """May this person read this here? An operator reads for everybody, a customer for one."""
    allowed = ENTITLED.get(route, {}).get(role, frozenset()) if role else frozenset()
    return heard.what in allowed and (role is Role.OPERATOR or heard.whose in ("", name))
