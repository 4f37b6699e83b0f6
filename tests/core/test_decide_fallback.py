"""How a favourite's turn ends: by an answer, by silence, by a wish, or because they cannot."""

import pytest

from headstart.core.refusals import Refusal
from headstart.core.request import FallbackReason, Open, Reserved
from tests.core.cast import (
    PREFERRED,
    RESERVED,
    RIVAL,
    SHORTEN,
    SKIP,
    STRANGER,
    THE_OPERATOR,
    Story,
    accept,
    ask_everyone,
    cancel,
    cancelled,
    deadline,
    decline,
    declined,
    ended,
    given,
    matched,
    matched_in_window,
    minute,
    opened,
    requested,
    reserved,
    review,
    shortened,
)

NO_RESPONSE = FallbackReason.NO_RESPONSE
OFFLINE = FallbackReason.MECHANIC_OFFLINE

RESERVED_SHORTEN = given(requested(PREFERRED, policy=SHORTEN), reserved(PREFERRED))
RESERVED_SKIP = given(requested(PREFERRED, policy=SKIP), reserved(PREFERRED))


def fell_back(story: Story, reason: FallbackReason) -> Story:
    return story.then(ended(PREFERRED, reason), opened(reason, untold=[PREFERRED]))


# The deadline -------------------------------------------------------------------------------


def test_silence_until_the_deadline_asks_everybody() -> None:
    story = fell_back(RESERVED.after(10).when(deadline()), NO_RESPONSE)
    assert story.known.due_at == minute(60)
    assert story.known.fallback is not None
    assert story.known.fallback.at == minute(10)


@pytest.mark.parametrize("too_early", [0, 5, 9.999])
def test_the_window_is_never_shorter_than_promised(too_early: float) -> None:
    RESERVED.after(too_early).when(deadline()).then_nothing()


def test_accept_exactly_at_the_deadline_wins_if_it_comes_first() -> None:
    story = RESERVED.after(10).when(accept(PREFERRED)).then(matched_in_window(PREFERRED, at=10))
    story.when(deadline()).then_nothing()


def test_accept_exactly_at_the_deadline_competes_if_the_fallback_comes_first() -> None:
    story = RESERVED.after(10).when(deadline())
    story.when(accept(PREFERRED)).then(matched(PREFERRED, at=10))
    story.when(accept(RIVAL)).then(matched(RIVAL, at=10))


def test_an_accept_after_the_deadline_still_wins_while_nobody_else_was_asked() -> None:
    story = RESERVED.after(11).when(accept(PREFERRED))
    story.then(matched_in_window(PREFERRED, at=11))


def test_a_late_fallback_still_leaves_the_broadcast_its_minimum() -> None:
    story = RESERVED.after(55).when(deadline())
    story.then(ended(PREFERRED, NO_RESPONSE), opened(NO_RESPONSE, untold=[PREFERRED], until=75))


def test_nobody_accepts_before_the_overall_limit() -> None:
    story = RESERVED.after(10).when(deadline()).after(59.9).when(deadline()).then_nothing()
    assert story.after(60).when(deadline()).known.due_at is None


# Not told again is not forbidden ------------------------------------------------------------


def test_a_silent_favourite_is_not_told_again_but_may_still_accept() -> None:
    story = RESERVED.after(10).when(deadline())
    assert opened(NO_RESPONSE, untold=[PREFERRED]) in story.events
    story.after(12).when(accept(PREFERRED)).then(matched(PREFERRED, at=12))


def test_a_favourite_who_declined_may_not_accept_any_more() -> None:
    story = fell_back(RESERVED.when(decline(PREFERRED)), FallbackReason.DECLINED)
    story.when(accept(PREFERRED)).refused(Refusal.ALREADY_DECLINED)


def test_a_silent_favourite_who_declines_later_may_not_accept_any_more() -> None:
    story = RESERVED.after(10).when(deadline()).when(decline(PREFERRED)).then(declined(PREFERRED))
    story.when(accept(PREFERRED)).refused(Refusal.ALREADY_DECLINED)


def test_a_favourite_the_customer_skipped_may_still_accept() -> None:
    story = RESERVED.after(3).when(ask_everyone())
    story.after(4).when(accept(PREFERRED)).then(matched(PREFERRED, at=4))


# Wishes -------------------------------------------------------------------------------------


def test_the_customer_asks_everyone() -> None:
    fell_back(RESERVED.after(3).when(ask_everyone()), FallbackReason.CUSTOMER_SKIPPED)


def test_the_operator_asks_everyone() -> None:
    fell_back(RESERVED.after(3).when(ask_everyone(THE_OPERATOR)), FallbackReason.OPERATOR)


def test_the_customer_cancels_within_the_window() -> None:
    story = RESERVED.after(3).when(cancel()).then(cancelled(asked=PREFERRED))
    story.when(accept(PREFERRED)).refused(Refusal.GONE)
    story.after(10).when(deadline()).then_nothing()


def test_nobody_but_the_favourite_can_end_the_window_by_declining() -> None:
    story = RESERVED.after(3).when(decline(STRANGER)).then_nothing()
    assert isinstance(story.known.state, Reserved)


# The favourite cannot -----------------------------------------------------------------------


@pytest.mark.parametrize("policy", [RESERVED, RESERVED_SHORTEN, RESERVED_SKIP])
def test_a_suspended_favourite_loses_the_window_at_once(policy: Story) -> None:
    story = policy.after(3).where(PREFERRED, approved=False).when(review())
    fell_back(story, FallbackReason.MECHANIC_UNAVAILABLE)
    story.when(accept(PREFERRED)).refused(Refusal.MECHANIC_NOT_APPROVED)


@pytest.mark.parametrize("policy", [RESERVED, RESERVED_SHORTEN, RESERVED_SKIP])
def test_a_favourite_matched_elsewhere_loses_the_window_at_once(policy: Story) -> None:
    story = policy.after(3).where(PREFERRED, busy=True).when(review())
    fell_back(story, FallbackReason.MECHANIC_BUSY)
    story.when(accept(PREFERRED)).refused(Refusal.MECHANIC_BUSY)


def test_a_favourite_who_no_longer_exists_loses_the_window() -> None:
    story = RESERVED.after(3).without(PREFERRED).when(review())
    fell_back(story, FallbackReason.MECHANIC_UNAVAILABLE)


@pytest.mark.parametrize("policy", [RESERVED, RESERVED_SHORTEN, RESERVED_SKIP])
def test_a_review_of_a_fit_favourite_finds_nothing(policy: Story) -> None:
    policy.after(3).when(review()).then_nothing()


@pytest.mark.parametrize("policy", [RESERVED, RESERVED_SHORTEN, RESERVED_SKIP])
def test_facts_that_cannot_be_read_end_no_window(policy: Story) -> None:
    policy.after(3).blind().when(review()).then_nothing()


def test_facts_that_cannot_be_read_do_not_stop_the_deadline() -> None:
    fell_back(RESERVED.after(10).blind().when(deadline()), NO_RESPONSE)


def test_a_removed_favourite_keeps_the_window_they_were_promised() -> None:
    RESERVED.after(3).where(PREFERRED, favorite=False).when(review()).then_nothing()


# The favourite goes off duty within the window ----------------------------------------------


def test_policy_wait_lets_the_window_run() -> None:
    away = RESERVED.after(3).where(PREFERRED, online=False)
    story = away.when(review()).then_nothing()
    fell_back(story.after(10).when(deadline()), NO_RESPONSE)


def test_policy_shorten_cuts_the_window_from_that_moment() -> None:
    story = RESERVED_SHORTEN.after(3).where(PREFERRED, online=False).when(review())
    story.then(shortened(PREFERRED, until=5))
    assert story.known.due_at == minute(5)
    fell_back(story.after(5).when(deadline()), OFFLINE)


def test_policy_shorten_cuts_only_once() -> None:
    story = RESERVED_SHORTEN.after(3).where(PREFERRED, online=False).when(review())
    story.after(4).when(review()).then_nothing()


def test_policy_shorten_never_prolongs_a_window() -> None:
    story = RESERVED_SHORTEN.after(9).where(PREFERRED, online=False).when(review())
    story.then(shortened(PREFERRED, until=10))


def test_one_who_comes_back_into_a_shortened_window_and_stays_silent_did_not_respond() -> None:
    story = RESERVED_SHORTEN.after(3).where(PREFERRED, online=False).when(review())
    fell_back(story.where(PREFERRED, online=True).after(5).when(deadline()), NO_RESPONSE)


def test_one_who_comes_back_into_a_shortened_window_may_accept_in_what_is_left() -> None:
    story = RESERVED_SHORTEN.after(3).where(PREFERRED, online=False).when(review())
    story = story.where(PREFERRED, online=True).after(4).when(accept(PREFERRED))
    story.then(matched_in_window(PREFERRED, at=4))


def test_a_window_that_was_short_from_the_start_is_not_cut_again() -> None:
    short = reserved(PREFERRED, window=2, shortened=True)
    story = given(requested(PREFERRED, policy=SHORTEN), short).where(PREFERRED, online=False)
    story.after(1).when(review()).then_nothing()
    fell_back(story.after(2).when(deadline()), OFFLINE)


def test_policy_skip_ends_the_window_at_once() -> None:
    story = RESERVED_SKIP.after(3).where(PREFERRED, online=False).when(review())
    fell_back(story, OFFLINE)
    assert isinstance(story.known.state, Open)


def test_an_offline_favourite_may_accept_without_coming_on_duty() -> None:
    story = RESERVED.after(3).where(PREFERRED, online=False).when(accept(PREFERRED))
    story.then(matched_in_window(PREFERRED, at=3))
