"""The broadcast and after: exactly one wins, and a match that comes to nothing is undone."""

from dataclasses import replace

import pytest

from headstart.core import commands
from headstart.core.refusals import Refusal
from headstart.core.request import Completed, FallbackReason, Matched, Open
from tests.core.cast import (
    FLAG_OFF,
    MATCHED,
    OPEN,
    PREFERRED,
    RESERVED,
    RIVAL,
    STRANGER,
    accept,
    complete,
    completed,
    deadline,
    decline,
    declined,
    given,
    join,
    joined,
    matched,
    matched_in_window,
    minute,
    no_show,
    opened,
    release,
    released,
    requested,
    unfilled,
)

# Exactly one wins ---------------------------------------------------------------------------


def test_the_first_to_accept_wins_and_the_next_is_told_so() -> None:
    story = OPEN.after(3).when(accept(STRANGER)).then(matched(STRANGER, at=3))
    assert story.known.state == Matched(STRANGER, minute(3), minute(18))
    story.when(accept(RIVAL)).refused(Refusal.ALREADY_MATCHED)


def test_the_winner_may_accept_again_although_busy_by_now() -> None:
    MATCHED.after(1).when(accept(PREFERRED)).then_nothing()


def test_a_busy_mechanic_cannot_win_another() -> None:
    OPEN.where(STRANGER, busy=True).when(accept(STRANGER)).refused(Refusal.MECHANIC_BUSY)
    RESERVED.where(PREFERRED, busy=True).when(accept(PREFERRED)).refused(Refusal.MECHANIC_BUSY)


def test_only_an_approved_mechanic_may_win() -> None:
    no = Refusal.MECHANIC_NOT_APPROVED
    OPEN.where(STRANGER, approved=False).when(accept(STRANGER)).refused(no)
    OPEN.without(STRANGER).when(accept(STRANGER)).refused(no)
    RESERVED.where(PREFERRED, approved=False).when(accept(PREFERRED)).refused(no)


def test_an_offline_mechanic_may_win() -> None:
    OPEN.where(STRANGER, online=False).when(accept(STRANGER)).then(matched(STRANGER))


def test_an_accept_after_the_overall_limit_wins_while_nobody_has_ended_it() -> None:
    OPEN.after(61).when(accept(STRANGER)).then(matched(STRANGER, at=61))


def test_a_match_keeps_no_trace_of_a_fallback_that_did_not_happen() -> None:
    story = RESERVED.after(3).when(accept(PREFERRED)).then(matched_in_window(PREFERRED, at=3))
    assert story.known.fallback is None
    assert story.known.broadcast_at is None


# A no is remembered -------------------------------------------------------------------------


def test_a_no_is_final_for_the_one_who_said_it() -> None:
    story = OPEN.when(decline(STRANGER)).then(declined(STRANGER))
    story.when(accept(STRANGER)).refused(Refusal.ALREADY_DECLINED)
    story.when(decline(STRANGER)).then_nothing()
    story.when(accept(RIVAL)).then(matched(RIVAL))


def test_a_no_of_nobody_is_not_written() -> None:
    OPEN.without(STRANGER).when(decline(STRANGER)).then_nothing()


# The mechanic withdraws ---------------------------------------------------------------------


def test_a_released_request_is_dispatched_again_and_keeps_its_age() -> None:
    story = MATCHED.after(5).when(release(PREFERRED))
    story.then(released(PREFERRED), opened(untold=[PREFERRED], until=60))
    assert story.known.created_at == minute(0)
    assert story.known.round == 1
    story.when(accept(STRANGER)).then(matched(STRANGER, at=5))


def test_a_request_released_late_still_gets_the_broadcast_minimum() -> None:
    story = MATCHED.when(join(PREFERRED)).after(90).when(release(PREFERRED))
    story.then(released(PREFERRED), opened(untold=[PREFERRED], until=110))


def test_who_withdrew_may_not_win_it_again() -> None:
    story = MATCHED.after(5).when(release(PREFERRED)).where(PREFERRED, busy=False)
    story.when(accept(PREFERRED)).refused(Refusal.ALREADY_DECLINED)
    story.when(release(PREFERRED)).then_nothing()


def test_a_favourite_who_withdraws_is_followed_by_everybody_not_by_the_chain() -> None:
    story = given(requested(PREFERRED, RIVAL), matched_in_window(PREFERRED)).after(5)
    story = story.when(release(PREFERRED))
    story.then(released(PREFERRED), opened(untold=[PREFERRED]))
    assert story.known.fallback is None


def test_everybody_who_had_a_turn_stays_untold_after_a_release() -> None:
    story = RESERVED.after(10).when(deadline()).when(decline(RIVAL)).when(accept(STRANGER))
    story = story.after(15).when(release(STRANGER))
    story.then(released(STRANGER), opened(untold=[PREFERRED, RIVAL, STRANGER]))
    assert story.known.fallback is not None
    assert story.known.fallback.reason is FallbackReason.NO_RESPONSE
    assert story.known.broadcast_at == minute(10)


def test_a_released_request_that_nobody_else_takes_ends_unfilled() -> None:
    story = MATCHED.after(5).when(release(PREFERRED)).after(60).when(deadline())
    story.then(unfilled())


# Joining ------------------------------------------------------------------------------------


def test_a_mechanic_who_does_not_join_loses_the_match() -> None:
    story = MATCHED.after(15).when(deadline())
    story.then(no_show(PREFERRED), opened(untold=[PREFERRED]))
    assert isinstance(story.known.state, Open)
    story.where(PREFERRED).when(accept(PREFERRED)).refused(Refusal.ALREADY_DECLINED)


def test_a_mechanic_who_joined_keeps_the_match() -> None:
    story = MATCHED.after(14).when(join(PREFERRED)).then(joined(PREFERRED))
    assert story.known.due_at is None
    story.after(15).when(deadline()).then_nothing()
    story.when(join(PREFERRED)).then_nothing()


def test_joining_exactly_at_the_deadline_counts_if_it_comes_first() -> None:
    MATCHED.after(15).when(join(PREFERRED)).then(joined(PREFERRED))


def test_a_mechanic_who_lost_the_match_cannot_join() -> None:
    MATCHED.after(15).when(deadline()).when(join(PREFERRED)).refused(Refusal.NOT_YOURS)


def test_without_a_join_limit_a_match_waits_for_nobody() -> None:
    policy = replace(FLAG_OFF, join_limit=None)
    story = given(requested(policy=policy), opened()).when(accept(STRANGER))
    assert story.known.due_at is None
    story.after(1000).when(deadline()).then_nothing()
    story.when(join(STRANGER)).then_nothing()


# Completion ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [complete(PREFERRED), complete(None)], ids=["by_the_mechanic", "by_the_operator"]
)
def test_a_completed_session_is_over(command: commands.CompleteSession) -> None:
    story = MATCHED.after(45).when(command).then(completed(PREFERRED))
    assert story.known.state == Completed(PREFERRED, matched_at=minute(0))
    story.when(command).then_nothing()
    story.after(1000).when(deadline()).then_nothing()
    story.when(release(PREFERRED)).refused(Refusal.GONE)


def test_completing_needs_no_joining() -> None:
    story = MATCHED.when(complete(PREFERRED)).then(completed(PREFERRED))
    assert story.known.due_at is None
