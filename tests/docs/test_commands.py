"""Whatever a page asks its reader to type exists."""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from headstart.lab.reference_commands import command_names
from tests.docs.pages import DOCS, ROOT, name_of, pages, text_of, typed_on

_ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")
KNOWN_PROGRAMS = {
    *("./dev", "headstart", "export", "curl", "openssl"),
    *("pg_dump", "pg_restore", "createdb"),
}


@cache
def dev_help() -> dict[str, str]:
    """What ``./dev help`` lists: each command and its promise."""
    said = subprocess.run(
        [sys.executable, ROOT / "dev", "help"], capture_output=True, text=True, check=True
    ).stdout
    lines = [line.split(maxsplit=1) for line in said.splitlines() if line.startswith("  ")]
    return dict(lines)


def commands_on(page: Path) -> Iterator[list[str]]:
    """What is typed, without what is set before it."""
    for line in typed_on(page):
        words = line.partition("#")[0].split()
        while words and _ASSIGNMENT.fullmatch(words[0]):
            words = words[1:]
        yield words


def wrong(words: list[str]) -> bool:
    """Is there no such command?"""
    match words:
        case ["./dev", "run", "--", *inside]:
            return inside[:2] != ["python", "-m"] and wrong(inside)
        case ["./dev", name, *_]:
            return name not in dev_help()
        case ["headstart", first, *rest]:
            return first not in command_names() and f"{first} {''.join(rest[:1])}" not in (
                command_names()
            )
        case [program, *_]:
            return program not in KNOWN_PROGRAMS
        case _:
            return True


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_command_on_a_page_exists(page: Path) -> None:
    assert [words for words in commands_on(page) if wrong(words)] == []


def test_the_readme_and_the_tutorial_start_the_demo() -> None:
    for page in (ROOT / "README.md", DOCS / "tutorial.md"):
        assert ["./dev", "demo"] in list(commands_on(page))


def test_every_option_that_is_typed_is_in_the_reference() -> None:
    options = set(re.findall(r"`(--[\w-]+)`", text_of(DOCS / "reference" / "commands.md")))
    for page in pages():
        for words in commands_on(page):
            if "headstart" in words or words[:2] == ["./dev", "demo"]:
                typed = {word for word in words if word.startswith("--") and word != "--"}
                assert typed <= options, name_of(page)


def test_the_developers_commands_are_told_in_the_same_words() -> None:
    rows = re.findall(
        r"^\| `\./dev (\w+)` \| (.+) \|$",
        text_of(DOCS / "reference" / "commands.md"),
        re.MULTILINE,
    )
    told = {name: promise.replace("`", "") for name, promise in rows}
    assert told == dev_help()


def test_a_command_that_does_not_exist_is_noticed() -> None:
    assert wrong(["./dev", "dance"])
    assert wrong(["headstart", "flags", "burn"])
    assert wrong(["./dev", "run", "--", "headstart", "fly"])
