"""A decision is one page, and a test stands behind it."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, name_of, pages, text_of

DECISIONS = sorted((DOCS / "decisions").glob("*.md"))
LINES_MAX = 80
PARTS = ("## Context", "## Decision", "## Consequences", "## Alternatives")
_NAMED = re.compile(r"(?:(tests/[\w/]+\.py)::)?\b(test_\w+)\b(?!\.py)")
_DEFINED = re.compile(r"^ *(?:async )?def (test_\w+)", re.MULTILINE)

each_decision = pytest.mark.parametrize("page", DECISIONS, ids=name_of)


@cache
def defined_in(path: Path) -> set[str]:
    """The tests that a file defines."""
    return set(_DEFINED.findall(path.read_text(encoding="utf-8"))) if path.exists() else set()


@cache
def all_tests() -> set[str]:
    """The tests of the whole repository."""
    return {name for path in (ROOT / "tests").rglob("test_*.py") for name in defined_in(path)}


def missing(text: str) -> list[str]:
    """The tests a text names that do not exist."""
    named = [(path, name) for path, name in _NAMED.findall(text)]
    return [
        f"{path}::{name}" if path else name
        for path, name in named
        if name not in (defined_in(ROOT / path) if path else all_tests())
    ]


def test_the_numbers_are_used_once() -> None:
    numbers = [path.name[:4] for path in DECISIONS]
    assert all(number.isdecimal() for number in numbers)
    assert len(set(numbers)) == len(numbers)


@each_decision
def test_a_decision_is_one_page_in_four_parts(page: Path) -> None:
    text = text_of(page)
    assert text.startswith(f"# {page.name[:4]} ")
    assert text.count("\n") <= LINES_MAX
    assert [part for part in PARTS if part not in text] == []


@each_decision
def test_a_decision_is_enforced_by_tests_that_exist(page: Path) -> None:
    _, enforced, by = text_of(page).rpartition("**Enforced by:**")
    assert enforced, "say which test fails if somebody forgets"
    assert _NAMED.search(by), "name a test"
    assert missing(by) == []


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_test_that_is_named_with_its_file_exists(page: Path) -> None:
    named = "\n".join(found[0] for found in _NAMED.finditer(text_of(page)) if found[1] is not None)
    assert missing(named) == []


def test_a_test_that_does_not_exist_is_noticed() -> None:
    here = "tests/docs/test_decisions.py"
    assert missing(f"`{here}::test_the_numbers_are_used_once`") == []
    assert missing(f"`{here}::" + "test_that_nobody_wrote`") == [f"{here}::test_that_nobody_wrote"]
