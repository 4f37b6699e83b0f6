"""A request is decided in the instant it is created: reserved, or open with the reason."""

from dataclasses import replace

import pytest

from headstart.core import commands
from headstart.core.request import FallbackReason, RoutingType
from tests.core.cast import (
    CUSTOMER,
    FLAG_OFF,
    NOTHING_YET,
    PREFERRED,
    SHORTEN,
    SKIP,
    STRANGER,
    Story,
    minute,
    minutes,
    opened,
    request_session,
    requested,
    reserved,
    skipped,
)

PRIORITY_FIELDS = ("preferred", "priority_window", "priority_notified_at", "fallback")


def test_a_fit_favourite_gets_the_head_start() -> None:
    story = NOTHING_YET.when(request_session(PREFERRED))
    story.then(requested(PREFERRED), reserved(PREFERRED))
    assert story.known.due_at == minute(10)
    assert story.known.preferred == PREFERRED
    assert story.known.priority_notified_at == minute(0)
    assert story.known.customer == CUSTOMER
    assert story.known.fallback is None


@pytest.mark.parametrize(
    ("world", "reason"),
    [
        (NOTHING_YET.where(PREFERRED, favorite=False), FallbackReason.NOT_A_FAVORITE),
        (NOTHING_YET.where(PREFERRED, approved=False), FallbackReason.MECHANIC_UNAVAILABLE),
        (NOTHING_YET.where(PREFERRED, busy=True), FallbackReason.MECHANIC_BUSY),
        (
            NOTHING_YET.where(PREFERRED, approved=False, busy=True, favorite=False),
            FallbackReason.NOT_A_FAVORITE,
        ),
    ],
    ids=["not_a_favorite", "unavailable", "busy", "several"],
)
def test_an_unfit_favourite_opens_it_at_once_with_the_reason(
    world: Story, reason: FallbackReason
) -> None:
    story = world.when(request_session(PREFERRED))
    story.then(requested(PREFERRED), skipped(PREFERRED, reason), opened(reason))
    assert story.known.fallback is not None
    assert story.known.fallback.at == minute(0)
    assert story.known.priority_notified_at is None


def test_a_mechanic_who_does_not_exist_is_nobodys_favourite_and_is_not_written() -> None:
    reason = FallbackReason.NOT_A_FAVORITE
    story = NOTHING_YET.without(PREFERRED).when(request_session(PREFERRED))
    nobody = replace(requested(PREFERRED), preferred=None)
    story.then(nobody, skipped(PREFERRED, reason), opened(reason))


def test_an_offline_favourite_is_asked_anyway_by_default() -> None:
    story = NOTHING_YET.where(PREFERRED, online=False)
    story.when(request_session(PREFERRED)).then(requested(PREFERRED), reserved(PREFERRED))


def test_an_offline_favourite_gets_a_short_window_if_the_policy_says_so() -> None:
    story = NOTHING_YET.where(PREFERRED, online=False)
    story.when(request_session(PREFERRED, policy=SHORTEN)).then(
        requested(PREFERRED, policy=SHORTEN), reserved(PREFERRED, window=2, shortened=True)
    )


def test_the_short_window_never_prolongs_a_window() -> None:
    story = NOTHING_YET.where(PREFERRED, online=False)
    story.when(request_session(PREFERRED, policy=SHORTEN, window=1)).then(
        requested(PREFERRED, policy=SHORTEN, window=1), reserved(PREFERRED, window=1)
    )


def test_an_online_favourite_gets_the_whole_window_under_any_policy() -> None:
    for policy in (SHORTEN, SKIP):
        NOTHING_YET.when(request_session(PREFERRED, policy=policy)).then(
            requested(PREFERRED, policy=policy), reserved(PREFERRED)
        )


def test_an_offline_favourite_is_skipped_if_the_policy_says_so() -> None:
    reason = FallbackReason.MECHANIC_OFFLINE
    story = NOTHING_YET.where(PREFERRED, online=False)
    story.when(request_session(PREFERRED, policy=SKIP)).then(
        requested(PREFERRED, policy=SKIP), skipped(PREFERRED, reason), opened(reason)
    )


def test_an_error_in_the_priority_path_opens_it_once() -> None:
    story = NOTHING_YET.blind().when(request_session(PREFERRED))
    nobody_known = replace(requested(PREFERRED), preferred=None)
    story.then(nobody_known, opened(FallbackReason.ERROR))


def test_a_window_that_leaves_no_time_to_broadcast_opens_it_at_once() -> None:
    """No policy allows such a window; should one slip through, nobody waits for it."""
    story = NOTHING_YET.when(request_session(PREFERRED, window=41))
    story.then(requested(PREFERRED, window=41), opened(FallbackReason.ERROR))


def test_the_longest_window_that_fits() -> None:
    story = NOTHING_YET.when(request_session(PREFERRED, window=40))
    story.then(requested(PREFERRED, window=40), reserved(PREFERRED, window=40))


@pytest.mark.parametrize(
    "command",
    [
        request_session(PREFERRED, policy=FLAG_OFF),
        request_session(PREFERRED, routing_type=RoutingType.BROADCAST),
        request_session(),
    ],
    ids=["flag_off", "broadcast_asked_for", "no_favourite_named"],
)
@pytest.mark.parametrize("world", [NOTHING_YET, NOTHING_YET.blind()], ids=["seen", "unseen"])
def test_a_plain_broadcast_writes_nothing_of_priority(
    world: Story, command: commands.RequestSession
) -> None:
    story = world.when(command).then(requested(policy=command.policy), opened())
    assert story.known.routing_type is RoutingType.BROADCAST
    assert story.known.chain == ()
    assert [getattr(story.known, field) for field in PRIORITY_FIELDS] == [None] * 4


def test_the_same_request_again_changes_nothing_even_with_other_wishes() -> None:
    story = NOTHING_YET.when(request_session(PREFERRED))
    story.after(5).when(request_session(STRANGER, policy=FLAG_OFF)).then_nothing()


def test_the_policy_is_a_snapshot() -> None:
    """The request takes its policy with it: what is set afterwards does not reach it."""
    story = NOTHING_YET.when(request_session(PREFERRED, policy=SHORTEN))
    story.when(request_session(PREFERRED, policy=FLAG_OFF)).then_nothing()
    assert story.known.policy == SHORTEN


def test_the_overall_limit_counts_from_the_creation() -> None:
    policy = replace(FLAG_OFF, overall_limit=minutes(30))
    story = NOTHING_YET.after(7).when(request_session(policy=policy))
    story.then(requested(policy=policy), opened(until=37))
