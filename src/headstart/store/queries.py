"""SQL lives in ``queries/*.sql``: a line with the name, a sentence that says what, the statement.

Parameters are written ``:name`` and become ``$1, $2 …`` in the order of their first appearance.
What several statements share has a name in braces, and stands wherever they write it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

_NAME = re.compile(r"^-- (\{?[a-z_]+\}?)$", re.MULTILINE)
_SHARED = re.compile(r"\{[a-z_]+\}")
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


@dataclass(frozen=True, slots=True)
class Query:
    """One named statement."""

    name: str
    sql: str
    parameters: tuple[str, ...]
    names: frozenset[str]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the statement's order; a missing or extra one is a programmer's error."""
        if values.keys() != self.names:
            raise TypeError(f"{self.name} takes {self.parameters}, not {tuple(values)}")
        return [values[name] for name in self.parameters]


@cache
def queries() -> Mapping[str, Query]:
    """All statements by name."""
    pieces = _pieces()
    return {
        name: _compile(name, _SHARED.sub(lambda shared: pieces[shared[0]], text))
        for name, text in pieces.items()
        if not _SHARED.fullmatch(name)
    }


def _pieces() -> Mapping[str, str]:
    """Everything that has a name, without its comments."""
    found: dict[str, str] = {}
    for path in sorted(files("headstart.store").joinpath("queries").iterdir(), key=str):
        pieces = _NAME.split(path.read_text("utf-8"))[1:]
        for name, text in zip(pieces[::2], pieces[1::2], strict=True):
            assert name not in found, f"two statements are called {name}"
            found[name] = _without_comments(text)
    return found


def _without_comments(text: str) -> str:
    lines = text.strip().splitlines()
    return "\n".join(line for line in lines if not line.strip().startswith("--"))


def _compile(name: str, statement: str) -> Query:
    parameters = tuple(dict.fromkeys(_PARAMETER.findall(statement)))
    numbered = _PARAMETER.sub(lambda m: f"${parameters.index(m[1]) + 1}", statement)
    return Query(name, f"/* {name} */ {numbered}", parameters, frozenset(parameters))
