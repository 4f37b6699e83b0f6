"""Small files, small functions, a small core, and no drawer for the rest.

What is over a ceiling is listed with its size. The lists may shrink; they may not grow.
"""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import PurePath

import pytest

from headstart.realtime.channel import Channel
from headstart.realtime.connection import Connection
from headstart.realtime.outbox import Outbox
from headstart.realtime.socket import Socket
from tests.habits.source import CORE, ROOT, code_lines, committed, modules, parsed

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 40
FUNCTION_LINES_HARD_MAX = 70
CORE_LINES_MAX = 850

LONG_FILES: dict[str, int] = {}
LONG_FUNCTIONS: dict[str, int] = {}

WRITTEN_BY_HAND = {".py", ".sql", ".js", ".css", ".html"}
DRAWERS = {"utils", "util", "helpers", "misc"}
COMMAND_LINE = {"headstart.command_line"}
LEFTOVERS = re.compile(r"\b(TO·DO|FIX·ME|XX·X|HA·CK)\b".replace("·", ""))

Functions = ast.FunctionDef | ast.AsyncFunctionDef
Blocks = ast.stmt | ast.ExceptHandler | ast.match_case


@cache
def file_lines() -> dict[str, int]:
    return {
        name: text.count("\n")
        for name, text in committed().items()
        if PurePath(name).suffix in WRITTEN_BY_HAND or name == "dev"
    }


@cache
def function_lines() -> dict[str, int]:
    pythons = [name for name in committed() if name.endswith(".py") or name == "dev"]
    return {
        f"{name}::{function}": length
        for name in pythons
        for function, length in _functions(parsed(ROOT / name), "")
    }


def _functions(node: ast.AST, within: str) -> Iterator[tuple[str, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Functions | ast.ClassDef):
            name = f"{within}{child.name}"
            if isinstance(child, Functions):
                yield name, (child.end_lineno or child.lineno) - child.lineno + 1
            yield from _functions(child, f"{name}.")
        elif isinstance(child, Blocks):
            yield from _functions(child, within)


CEILINGS = pytest.mark.parametrize(
    ("measure", "ceiling", "exceptions"),
    [
        pytest.param(file_lines, FILE_LINES_MAX, LONG_FILES, id="files"),
        pytest.param(function_lines, FUNCTION_LINES_MAX, LONG_FUNCTIONS, id="functions"),
    ],
)
Sizes = dict[str, int]


@CEILINGS
def test_nothing_new_is_too_long(
    measure: Callable[[], Sizes], ceiling: int, exceptions: Sizes
) -> None:
    too_long = {name: size for name, size in measure().items() if size > ceiling}
    assert {n: size for n, size in too_long.items() if size > exceptions.get(n, 0)} == {}


@CEILINGS
def test_the_exceptions_only_shrink(
    measure: Callable[[], Sizes], ceiling: int, exceptions: Sizes
) -> None:
    """One that has become shorter is listed so; one that is fine, or gone, leaves the list."""
    sizes = measure()
    now = {name: sizes.get(name, 0) for name in exceptions}
    assert exceptions == {name: size for name, size in now.items() if size > ceiling}


def test_no_exception_is_allowed_to_be_huge() -> None:
    assert all(length <= FUNCTION_LINES_HARD_MAX for length in LONG_FUNCTIONS.values())


def test_the_core_stays_small() -> None:
    assert sum(map(code_lines, CORE)) < CORE_LINES_MAX


def test_there_is_no_drawer_for_the_rest() -> None:
    parts = {(PurePath(part).stem, name) for name in committed() for part in PurePath(name).parts}
    assert [name for stem, name in sorted(parts) if stem in DRAWERS] == []


def test_nobody_prints_but_the_command_line() -> None:
    prints = [
        f"{module}:{node.lineno}"
        for module, tree in modules().items()
        if module not in COMMAND_LINE
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert prints == []


def test_nothing_is_left_for_later_in_a_comment() -> None:
    assert [name for name, text in committed().items() if LEFTOVERS.search(text)] == []


@pytest.mark.parametrize("part", [Channel, Connection, Outbox, Socket])
def test_what_belongs_to_one_of_thousands_lies_together(part: type) -> None:
    assert part.__dictoffset__ == 0, "has a dictionary beside its slots"
