"""Verdicts over what people saw and did, by somebody who knows the rules but not the service.

Nothing of the service is imported. The log is folded once more, and every answer, every frame and
every final row is compared with that. Each request is judged by itself, so the effort is linear in
the length of the history.
"""

from collections.abc import Iterator, Sequence

from headstart.lab.checkers.history import INVARIANTS, Finding, History, Plain, Verdict
from headstart.lab.checkers.money import OF_MONEY
from headstart.lab.checkers.people import OF_EVERYBODY
from headstart.lab.checkers.requests import OF_EACH_REQUEST, the_row
from headstart.lab.checkers.tale import Case

__all__ = ["INVARIANTS", "Finding", "History", "Plain", "Verdict", "judge"]


def judge(history: History) -> Sequence[Verdict]:
    """Everything that is wrong with a history; nothing when all promises were kept."""
    case = Case(history)
    return [
        Verdict(history.seed, finding, _story(case, finding.request)) for finding in _findings(case)
    ]


def _findings(case: Case) -> Iterator[Finding]:
    for sentence in case.history.errors:
        yield Finding("E", "", sentence)
    for sentence in case.history.against_the_wall:
        yield Finding("W", "", sentence)
    for tale in case.tales.values():
        for rule in OF_EACH_REQUEST:
            yield from rule(case, tale)
    for final in case.history.final:
        yield from the_row(case, final)
    for judged in (*OF_EVERYBODY, *OF_MONEY):
        yield from judged(case)


def _story(case: Case, request: str) -> tuple[str, ...]:
    tale = case.tales.get(request)
    rows = tale.rows if tale else []
    return tuple(
        f"{row['committed_s']:9.4f}  v{row['version']:<2} {row['kind']:18} {row['actor']}"
        f" {_short(row)}"
        for row in rows
    )


def _short(row: Plain) -> str:
    """What matters of a payload."""
    worth = ("mechanic", "reason", "fallback", "until_s", "stage", "asked")
    return " ".join(f"{name}={row['payload'][name]}" for name in worth if row["payload"].get(name))
