"""The map of security requirements is whole, and whatever it names exists."""

from collections import Counter
from pathlib import Path

import pytest

from headstart.lab.asvs import CHAPTERS, Requirement, requirements
from tests.docs.pages import ROOT
from tests.docs.test_decisions import defined_in

# How many requirements of levels 1 and 2 each chapter of ASVS 5.0.0 has.
IN_CHAPTER = (27, 11, 19, 10, 9, 35, 18, 7, 7, 29, 14, 9, 13, 9, 13, 16, 7)
LEVELS = {1: 70, 2: 183}


def test_every_requirement_has_its_answer() -> None:
    found = requirements()
    assert len(found) == sum(IN_CHAPTER) == 253
    assert len({one.number for one in found}) == 253
    assert Counter(one.level for one in found) == LEVELS
    by_chapter = Counter(one.chapter for one in found)
    assert tuple(by_chapter[number] for number in range(1, len(CHAPTERS) + 1)) == IN_CHAPTER


def missing_in(one: Requirement) -> list[str]:
    """The tests that a requirement names and that do not exist."""
    named = [test.partition("::") for test in one.met]
    return [
        f"{path}::{name}" for path, _, name in named if name not in defined_in(ROOT / Path(path))
    ]


def test_every_test_that_answers_exists() -> None:
    assert {one.number: missing for one in requirements() if (missing := missing_in(one))} == {}


def test_a_test_that_nobody_wrote_and_a_blank_are_noticed(tmp_path: Path) -> None:
    invented = Requirement("1.1.1", 2, "something", met=("tests/docs/test_asvs.py::test_no",))
    assert missing_in(invented) == ["tests/docs/test_asvs.py::test_no"]
    for answers in ("", ', met = ["a"], not_met = "b"', ', not_met = ""'):
        path = tmp_path / "asvs.toml"
        path.write_text(f'"1.1.1" = {{ level = 1, asks = "x"{answers} }}')
        with pytest.raises(ValueError, match="one answer"):
            requirements(path)
