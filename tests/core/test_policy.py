"""The policy refuses, when it is set, whatever would leave somebody waiting for nothing."""

from dataclasses import replace

import pytest

from headstart.core.policy import PolicyError, require_room_to_broadcast
from headstart.core.refusals import Refusal
from tests.core.cast import POLICY, minutes


def test_favourites_may_use_the_overall_limit_less_the_broadcast() -> None:
    assert POLICY.priority_limit == minutes(40)


@pytest.mark.parametrize("windows", [[], [10], [40], [10, 10, 20], [0.5]], ids=str)
def test_windows_that_leave_room_are_fine(windows: list[float]) -> None:
    require_room_to_broadcast(POLICY, *map(minutes, windows))


@pytest.mark.parametrize("windows", [[41], [20, 20, 0.1]], ids=str)
def test_windows_that_leave_no_room_are_refused_in_plain_words(windows: list[float]) -> None:
    with pytest.raises(PolicyError, match=r"leave less than 20 min .* limit of 60 min"):
        require_room_to_broadcast(POLICY, *map(minutes, windows))


@pytest.mark.parametrize("window", [0, -10])
def test_a_window_has_a_length(window: float) -> None:
    with pytest.raises(PolicyError, match="longer than zero"):
        require_room_to_broadcast(POLICY, minutes(10), minutes(window))


def test_a_limit_that_is_all_broadcast_leaves_no_window() -> None:
    policy = replace(POLICY, overall_limit=POLICY.broadcast_minimum)
    with pytest.raises(PolicyError):
        require_room_to_broadcast(policy, minutes(1))


@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_is_a_sentence_for_a_person(refusal: Refusal) -> None:
    assert refusal.sentence[0].isupper()
    assert refusal.sentence.endswith(".")
    assert refusal.value == refusal.name.lower()
