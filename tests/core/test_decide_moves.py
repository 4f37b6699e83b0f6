"""What people may do to a request that waits: give the favourite more time, or name who comes."""

from dataclasses import replace

import pytest

from headstart.core.commands import Actor
from headstart.core.events import Stage
from headstart.core.policy import EXTENSIONS_MAX
from headstart.core.refusals import Refusal
from headstart.core.request import FallbackReason, Matched, Reserved
from tests.core.cast import (
    MATCHED,
    OPEN,
    POLICY,
    PREFERRED,
    RESERVED,
    RIVAL,
    SHORTEN,
    STRANGER,
    THE_CUSTOMER,
    THE_OPERATOR,
    Story,
    accept,
    assign,
    assigned,
    deadline,
    decline,
    ended,
    extend,
    extended,
    given,
    matched_in_window,
    minute,
    minutes,
    opened,
    release,
    released,
    requested,
    reserved,
    review,
    shortened,
)

AT_LIMIT = Refusal.WINDOW_AT_LIMIT


# More time ----------------------------------------------------------------------------------


@pytest.mark.parametrize("actor", [THE_CUSTOMER, THE_OPERATOR], ids=["customer", "operator"])
def test_more_time_moves_the_deadline_and_the_length_of_the_window(actor: Actor) -> None:
    story = RESERVED.after(3).when(extend(actor)).then(extended(PREFERRED, until=15))
    assert story.known.state == Reserved(PREFERRED, 0, minute(15), extensions=1)
    assert story.known.due_at == minute(15)
    assert story.known.priority_window == minutes(15)
    assert story.known.priority_notified_at == minute(0)
    story.after(10).when(deadline()).then_nothing()
    story.after(14.9).when(accept(PREFERRED)).then(matched_in_window(PREFERRED, at=14.9))
    fallback = opened(FallbackReason.NO_RESPONSE, untold=[PREFERRED])
    story.after(15).when(deadline()).then(ended(PREFERRED, FallbackReason.NO_RESPONSE), fallback)


@pytest.mark.parametrize("too_late", [10, 10.1, 40])
def test_there_is_no_more_time_once_the_window_is_over(too_late: float) -> None:
    RESERVED.after(too_late).when(extend()).refused(Refusal.NOT_RESERVED)
    RESERVED.after(too_late).when(deadline()).when(extend()).refused(Refusal.NOT_RESERVED)


def test_more_time_is_given_so_often_and_not_oftener() -> None:
    story = RESERVED
    for _ in range(EXTENSIONS_MAX):
        story = story.when(extend())
    assert story.known.due_at == minute(20)
    story.when(extend()).refused(AT_LIMIT)


@pytest.mark.parametrize(("left", "fits"), [(15, True), (14.9, False)])
def test_everybody_keeps_the_time_to_be_asked(left: float, fits: bool) -> None:
    """Window and extension together fit into what the overall limit leaves, or are refused."""
    policy = replace(POLICY, broadcast_minimum=POLICY.overall_limit - minutes(left))
    story = given(requested(PREFERRED, policy=policy), reserved(PREFERRED)).after(9)
    if fits:
        story.when(extend()).then(extended(PREFERRED, until=15))
    else:
        story.when(extend()).refused(AT_LIMIT)


def test_the_length_is_the_one_the_request_began_with() -> None:
    policy = replace(POLICY, extension=minutes(2))
    story = given(requested(PREFERRED, policy=policy), reserved(PREFERRED))
    story.when(extend()).then(extended(PREFERRED, until=12))


def test_the_next_favourite_has_a_window_of_their_own() -> None:
    two = given(requested(PREFERRED, RIVAL), reserved(PREFERRED))
    story = two.when(extend()).after(12).when(decline(PREFERRED))
    assert story.known.state == Reserved(RIVAL, 1, minute(22))
    assert story.known.priority_window == minutes(10)
    story.when(extend()).then(extended(RIVAL, until=27))


def test_a_shortened_window_may_be_lengthened_and_is_not_cut_again() -> None:
    story = given(requested(PREFERRED, policy=SHORTEN), reserved(PREFERRED))
    story = story.where(PREFERRED, online=False).after(3).when(review())
    story = story.then(shortened(PREFERRED, until=5)).when(extend())
    assert story.known.state == Reserved(PREFERRED, 0, minute(10), shortened=True, extensions=1)
    story.when(review()).then_nothing()
    gone = FallbackReason.MECHANIC_OFFLINE
    over = story.after(10).when(deadline())
    over.then(ended(PREFERRED, gone), opened(gone, untold=[PREFERRED]))


# Who an operator names ----------------------------------------------------------------------


def test_an_assigned_mechanic_ends_the_turn_of_the_one_who_was_asked() -> None:
    story = RESERVED.after(4).when(assign(STRANGER))
    turn = ended(PREFERRED, FallbackReason.OPERATOR)
    story = story.then(turn, assigned(STRANGER, at=4, stage=Stage.RESERVED))
    assert story.known.state == Matched(STRANGER, minute(4), minute(19))
    assert story.known.fallback is None
    assert story.known.broadcast_at is None
    assert story.known.silent == {PREFERRED}
    story.when(accept(PREFERRED)).refused(Refusal.ALREADY_MATCHED)


def test_a_match_is_given_to_somebody_else_by_releasing_it_first() -> None:
    MATCHED.when(assign(STRANGER)).refused(Refusal.ALREADY_MATCHED)
    story = MATCHED.after(6).when(release(PREFERRED))
    story = story.then(released(PREFERRED), opened(untold=[PREFERRED]))
    story.when(assign(STRANGER)).then(assigned(STRANGER, at=6))


def unfit(story: Story, why: Refusal) -> Story:
    """The stranger as somebody whom this refusal is about."""
    match why:
        case Refusal.MECHANIC_BUSY:
            return story.where(STRANGER, busy=True)
        case Refusal.ALREADY_DECLINED:
            return story.when(decline(STRANGER))
        case _:
            return story.where(STRANGER, approved=False)


@pytest.mark.parametrize(
    ("story", "why"),
    [
        (RESERVED, Refusal.MECHANIC_NOT_APPROVED),
        (RESERVED, Refusal.MECHANIC_BUSY),
        (OPEN, Refusal.MECHANIC_NOT_APPROVED),
        (OPEN, Refusal.MECHANIC_BUSY),
        (OPEN, Refusal.ALREADY_DECLINED),
    ],
    ids=["suspended", "busy", "suspended, open", "busy, open", "said no"],
)
def test_nobody_is_assigned_who_could_not_accept(story: Story, why: Refusal) -> None:
    unfit(story, why).when(assign(STRANGER)).refused(why)
    RESERVED.without(STRANGER).when(assign(STRANGER)).refused(Refusal.MECHANIC_NOT_APPROVED)


def test_somebody_offline_and_no_favourite_may_be_assigned() -> None:
    away = RESERVED.where(STRANGER, online=False, favorite=False)
    assert isinstance(away.when(assign(STRANGER)).known.state, Matched)
