"""The whole service among people and faults, on a virtual clock."""

from functools import cache

import pytest

from headstart.lab.checkers import History, judge
from headstart.lab.prove import DEPTHS, Part, Tier
from headstart.lab.simulation.world import simulate

STORIES = DEPTHS[Part.SIMULATION].of(Tier.CI)


@cache
def story(seed: int) -> History:
    """Told once for all tests of this file."""
    return simulate(seed)


@pytest.mark.parametrize("seed", range(STORIES))
def test_no_promise_is_broken(seed: int) -> None:
    verdicts = judge(story(seed))
    assert not verdicts, "\n".join(map(str, verdicts[:3]))


KINDS = """
    session_requested favorite_skipped request_reserved window_shortened window_extended
    reservation_ended request_opened offer_declined request_matched mechanic_joined match_released
    session_completed request_cancelled request_unfilled
"""
REASONS = """
    no_response declined mechanic_offline mechanic_unavailable mechanic_busy not_a_favorite
    customer_skipped operator released no_show cancelled customer cashier second_purchase
"""
REFUSALS = """
    unknown_request already_matched gone already_declined mechanic_busy not_yours
    not_reserved window_at_limit
"""
ACTS = """
    us:capture:done us:capture:card_refused us:capture:hold_expired us:cancel:done us:refund:done
    us:refund:no_balance us:expire:done dashboard:cancel:done dashboard:refund:done
    bank:cancel:done bank:dispute:done bank:refund_came_back:done
"""
DEBTS = """
    capture:done capture:refused capture:superseded give_back:done give_back:refused expire:done
    look:done
"""


def test_the_stories_have_everything_that_is_worth_proving() -> None:
    """A simulator in which nothing happens proves nothing."""
    histories = [story(seed) for seed in range(STORIES)]
    rows = [row for history in histories for row in history.log]
    asked = [one for history in histories for one in history.operations]
    assert {row["kind"] for row in rows} == set(KINDS.split())
    assert {row["payload"].get("reason") for row in rows} >= set(REASONS.split())
    assert {one["detail"] for one in asked} >= set(REFUSALS.split())
    assert {one["outcome"] for one in asked} == {"ok", "fail", "unknown"}


def test_the_stories_have_everything_that_happens_to_money() -> None:
    """Taken, returned, refused, taken away, sent back: by us, a bank, or in the Dashboard."""
    histories = [story(seed) for seed in range(STORIES)]
    paid = [one for history in histories for one in history.money]
    acts = {":".join((one["by"], one["act"], one["outcome"])) for p in paid for one in p["acts"]}
    debts = {f"{debt['kind']}:{debt['state']}" for story in histories for debt in story.debts}
    assert acts >= set(ACTS.split())
    assert debts >= set(DEBTS.split())
    assert {one["mode"] for one in paid} == {"charge", "hold"}
    assert {payment.get("given_up") for story in histories for payment in story.payments} == {
        None,
        True,
    }
