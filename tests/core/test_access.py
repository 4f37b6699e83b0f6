"""Who may see a request, and who may order what: deny by default."""

from dataclasses import replace
from typing import get_args
from uuid import UUID

import pytest

from headstart.core import commands
from headstart.core.access import Principal, Role, may_order, may_see
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
    assert {who for who in EVERYBODY if may_see(who, story.known, WORLD)} == seen_by


def test_a_match_within_the_window_stays_between_those_who_had_it() -> None:
    story = given(requested(PREFERRED, RIVAL), reserved(PREFERRED), matched_in_window(PREFERRED))
    assert not may_see(THE_RIVAL, story.known, WORLD)
    assert may_see(THE_FAVORITE, story.known, WORLD)


@pytest.mark.parametrize("facts", [SUSPENDED, Facts()], ids=["suspended", "unknown"])
def test_a_mechanic_who_is_not_approved_sees_their_own_job_and_nothing_else(facts: Facts) -> None:
    for story in (RESERVED, OPEN, CANCELLED):
        assert not may_see(THE_FAVORITE, story.known, facts)
    own = given(requested(PREFERRED), reserved(PREFERRED), matched_in_window(PREFERRED))
    assert may_see(THE_FAVORITE, own.known, facts)


def test_an_id_alone_opens_no_door() -> None:
    """A mechanic with the id of the customer is still a mechanic, and the reverse."""
    assert not may_see(Principal(Role.MECHANIC, CUSTOMER), RESERVED.known, WORLD)
    assert not may_see(Principal(Role.CUSTOMER, PREFERRED), RESERVED.known, WORLD)


MAY_ORDER = {
    commands.AcceptOffer: {Role.MECHANIC},
    commands.DeclineOffer: {Role.MECHANIC},
    commands.ReleaseMatch: {Role.MECHANIC, Role.OPERATOR},
    commands.JoinSession: {Role.MECHANIC},
    commands.CompleteSession: {Role.MECHANIC, Role.OPERATOR},
    commands.AskEveryone: {Role.CUSTOMER, Role.OPERATOR},
    commands.CancelRequest: {Role.CUSTOMER, Role.OPERATOR},
    commands.RequestSession: set[Role](),  # only a payment creates a request
    commands.EnforceDeadline: set[Role](),  # only time does
    commands.ReviewReservation: set[Role](),
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("command", get_args(commands.Command))
def test_who_may_order_what(command: type[commands.Command], role: Role) -> None:
    assert may_order(Principal(role, OPERATOR), command) == (role in MAY_ORDER[command])


def test_people_are_named_on_what_they_cause() -> None:
    assert str(THE_FAVORITE.actor) == f"mechanic:{PREFERRED}"
    assert str(commands.SYSTEM) == "system"
