"""The table of who may do what, and what somebody is to a request: deny by default."""

from dataclasses import replace
from typing import get_args
from uuid import UUID

import pytest

from headstart.core import commands
from headstart.core.access import (
    ORDERED_BY,
    Operation,
    Principal,
    Relation,
    Role,
    may,
    owning,
    relation,
)
from headstart.core.facts import Facts
from tests.core.cast import (
    CANCELLED,
    COMPLETED,
    CUSTOMER,
    FAVORITE,
    MATCHED,
    OPEN,
    OPERATOR,
    PREFERRED,
    RESERVED,
    RIVAL,
    STRANGER,
    UNFILLED,
    WORLD,
    Story,
    accept,
    ask_everyone,
    cancel,
    deadline,
    decline,
    given,
    matched_in_window,
    requested,
    reserved,
)

THE_CUSTOMER = Principal(Role.CUSTOMER, CUSTOMER)
SOMEBODY_ELSE = Principal(Role.CUSTOMER, UUID(int=99))
THE_FAVORITE = Principal(Role.MECHANIC, PREFERRED)
THE_RIVAL = Principal(Role.MECHANIC, RIVAL)
A_STRANGER = Principal(Role.MECHANIC, STRANGER)
THE_OPERATOR = Principal(Role.OPERATOR, OPERATOR)

SUSPENDED = Facts({PREFERRED: replace(FAVORITE, approved=False)})
EVERYBODY = [THE_CUSTOMER, SOMEBODY_ELSE, THE_FAVORITE, THE_RIVAL, A_STRANGER, THE_OPERATOR]
ONLY_THE_FAVORITE = {THE_CUSTOMER, THE_FAVORITE, THE_OPERATOR}
ALL_MECHANICS = set(EVERYBODY) - {SOMEBODY_ELSE}

TWO = given(requested(PREFERRED, RIVAL), reserved(PREFERRED))


def may_see(who: Principal, story: Story, facts: Facts = WORLD) -> bool:
    """May this person know that the request of this story exists?"""
    return may(who, Operation.REQUEST_READ, relation(who, story.known, facts))


@pytest.mark.parametrize(
    ("story", "seen_by"),
    [
        (given(requested(PREFERRED)), {THE_CUSTOMER, THE_OPERATOR}),
        (RESERVED, ONLY_THE_FAVORITE),
        (RESERVED.when(cancel()), ONLY_THE_FAVORITE),
        (RESERVED.when(accept(PREFERRED)), ONLY_THE_FAVORITE),
        (RESERVED.when(decline(PREFERRED)), ALL_MECHANICS),
        (RESERVED.when(ask_everyone()), ALL_MECHANICS),
        (TWO, ONLY_THE_FAVORITE),
        (TWO.after(10).when(deadline()), ONLY_THE_FAVORITE | {THE_RIVAL}),
        (TWO.when(decline(PREFERRED)), ONLY_THE_FAVORITE | {THE_RIVAL}),
        (TWO.when(decline(PREFERRED)).when(cancel()), ONLY_THE_FAVORITE | {THE_RIVAL}),
        (OPEN, ALL_MECHANICS),
        (MATCHED, ALL_MECHANICS),
        (COMPLETED, ALL_MECHANICS),
        (UNFILLED, ALL_MECHANICS),
        (CANCELLED, ALL_MECHANICS),
    ],
    ids=[
        "asked for",
        "reserved",
        "reserved then cancelled",
        "taken in the window",
        "declined",
        "customer asked everyone",
        "first of two",
        "second after silence",
        "second after a no",
        "second then cancelled",
        "open",
        "matched",
        "completed",
        "unfilled",
        "cancelled",
    ],
)
def test_who_may_see_it(story: Story, seen_by: set[Principal]) -> None:
    assert {who for who in EVERYBODY if may_see(who, story)} == seen_by


def test_a_match_within_the_window_stays_between_those_who_had_it() -> None:
    story = given(requested(PREFERRED, RIVAL), reserved(PREFERRED), matched_in_window(PREFERRED))
    assert not may_see(THE_RIVAL, story)
    assert may_see(THE_FAVORITE, story)


@pytest.mark.parametrize("facts", [SUSPENDED, Facts()], ids=["suspended", "unknown"])
def test_a_mechanic_who_is_not_approved_sees_their_own_job_and_nothing_else(facts: Facts) -> None:
    for story in (RESERVED, OPEN, CANCELLED):
        assert not may_see(THE_FAVORITE, story, facts)
    own = given(requested(PREFERRED), reserved(PREFERRED), matched_in_window(PREFERRED))
    assert may_see(THE_FAVORITE, own, facts)


def test_an_id_alone_opens_no_door() -> None:
    """A mechanic with the id of the customer is still a mechanic, and the reverse."""
    assert not may_see(Principal(Role.MECHANIC, CUSTOMER), RESERVED)
    assert not may_see(Principal(Role.CUSTOMER, PREFERRED), RESERVED)


@pytest.mark.parametrize(
    ("who", "story", "is_to_it"),
    [
        (THE_CUSTOMER, OPEN, Relation.OWN),
        (SOMEBODY_ELSE, OPEN, Relation.OTHER),
        (THE_OPERATOR, OPEN, Relation.OTHER),
        (THE_FAVORITE, RESERVED, Relation.ASKED),
        (A_STRANGER, RESERVED, Relation.OTHER),
        (A_STRANGER, OPEN, Relation.OFFERED),
        (THE_FAVORITE, RESERVED.when(decline(PREFERRED)), Relation.ASKED),
        (A_STRANGER, OPEN.when(decline(STRANGER)), Relation.ASKED),
        (THE_FAVORITE, MATCHED, Relation.MATCHED),
        (THE_FAVORITE, COMPLETED, Relation.MATCHED),
        (THE_RIVAL, MATCHED, Relation.OFFERED),
    ],
)
def test_what_somebody_is_to_a_request(who: Principal, story: Story, is_to_it: Relation) -> None:
    assert relation(who, story.known, WORLD) is is_to_it


def test_only_its_customer_owns_what_is_a_customers() -> None:
    assert owning(THE_CUSTOMER, CUSTOMER) is Relation.OWN
    assert owning(SOMEBODY_ELSE, CUSTOMER) is Relation.OTHER
    assert owning(Principal(Role.MECHANIC, CUSTOMER), CUSTOMER) is Relation.OTHER
    assert owning(Principal(Role.OPERATOR, CUSTOMER), CUSTOMER) is Relation.OTHER


NOBODYS = {commands.RequestSession, commands.EnforceDeadline, commands.ReviewReservation}


def test_every_command_of_a_person_has_its_row_and_no_other_has() -> None:
    """Only a payment creates a request; only time ends a window."""
    assert set(ORDERED_BY) == set(get_args(commands.Command)) - NOBODYS


@pytest.mark.parametrize("who", [None, *EVERYBODY], ids=str)
def test_what_is_not_in_the_table_nobody_may(who: Principal | None) -> None:
    for command in NOBODYS:
        assert not may(who, ORDERED_BY.get(command))


def test_every_row_names_what_it_is() -> None:
    assert len({one.label for one in Operation}) == len(Operation)
    assert all(one.name.lower() == one.label.replace(".", "_") for one in Operation)


def test_being_let_in_is_not_being_let_at_everything() -> None:
    assert may(SOMEBODY_ELSE, Operation.REQUEST_CANCEL)
    assert not may(SOMEBODY_ELSE, Operation.REQUEST_CANCEL, Relation.OTHER)


def test_people_are_named_on_what_they_cause() -> None:
    assert str(THE_FAVORITE.actor) == f"mechanic:{PREFERRED}"
    assert str(commands.SYSTEM) == "system"
