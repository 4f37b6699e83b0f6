"""The simulator sits an exam: a sabotage that it does not notice is a fault of the simulator."""

import pytest

from headstart.lab.checkers import INVARIANTS
from headstart.lab.sabotage import SABOTAGES
from headstart.lab.stories import Mark, examine, in_markdown

# The others take more stories; ``./dev prove --exam`` breaks everything.
CAUGHT_AT_ONCE = (
    "no version check",
    "two jobs at once",
    "second yes refused",
    "deadline obeyed early",
    "request id by chance",
    "early leak",
    "cursor is only an id",
)


@pytest.mark.parametrize("name", CAUGHT_AT_ONCE)
def test_a_sabotage_is_noticed_by_the_promise_it_breaks(name: str) -> None:
    mark = examine(SABOTAGES[name])
    assert mark.seeds is not None
    assert mark.invariants[0] == SABOTAGES[name].invariant


def test_nearly_every_promise_is_broken_by_some_sabotage() -> None:
    """All but what nobody thought of, and what only a real database can say."""
    assert len(SABOTAGES) >= 25
    assert {one.invariant for one in SABOTAGES.values()} == INVARIANTS.keys() - {"E", "W"}


def test_a_sabotage_is_one_sentence() -> None:
    for sabotage in SABOTAGES.values():
        assert sabotage.sentence.endswith(".")
        assert "\n" not in sabotage.sentence


def test_a_survivor_is_named_in_the_report() -> None:
    told = in_markdown([Mark("early leak", None, [], 1.0), Mark("fallback twice", 2, ["I10"], 0.5)])
    assert "| **early leak**: " in told
    assert "| **nobody** | over 40 | 1.0 |" in told
    assert "| I10 | 2 | 0.5 |" in told
