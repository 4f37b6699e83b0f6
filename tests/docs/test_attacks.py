"""The list of attacks is whole, and every row has a test that exists."""

import re

from tests.docs.pages import DOCS
from tests.docs.test_decisions import missing

PAGE = DOCS / "explanation" / "payment-attacks.md"
ATTACKS = 25
_ROW = re.compile(r"^\| (\d+) \|.*\| (`test_[^|]+) \|$", re.MULTILINE)


def test_every_attack_is_answered_by_tests_that_exist() -> None:
    rows = _ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert [int(number) for number, _ in rows] == list(range(1, ATTACKS + 1))
    assert {number: missing(tests) for number, tests in rows if missing(tests)} == {}
