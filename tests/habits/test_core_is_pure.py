"""The rules have no clock, no randomness, no logging, no I/O and no async: they only decide."""

import ast
from pathlib import Path

import pytest

from tests.habits.source import CORE, imports_of, parsed

MAY_IMPORT = {"collections.abc", "dataclasses", "datetime", "enum", "typing", "uuid"}
ASYNC = ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await
NOT_PURE = {"open", "print", "input", "exec", "eval", "__import__"}
NOT_REPEATABLE = {"now", "utcnow", "today", "uuid1", "uuid4"}

each_file = pytest.mark.parametrize("path", CORE, ids=[path.stem for path in CORE])


@each_file
def test_it_imports_only_what_computes(path: Path) -> None:
    imported = imports_of(parsed(path))
    assert {name for name in imported if not name.startswith("headstart.core")} <= MAY_IMPORT


@each_file
def test_it_waits_for_nothing(path: Path) -> None:
    assert not [node.lineno for node in ast.walk(parsed(path)) if isinstance(node, ASYNC)]


@each_file
def test_it_asks_neither_clock_nor_chance_nor_world(path: Path) -> None:
    calls = [node.func for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    methods = {call.attr for call in calls if isinstance(call, ast.Attribute)}
    assert not names & NOT_PURE
    assert not methods & NOT_REPEATABLE


@each_file
def test_it_remembers_nothing(path: Path) -> None:
    state = ast.Global | ast.Nonlocal
    assert not [node.lineno for node in ast.walk(parsed(path)) if isinstance(node, state)]
