"""The judge knows the rules and not the service, and says what it sees."""

import ast
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from headstart.lab import checkers
from headstart.lab.checkers import INVARIANTS, History, judge
from headstart.lab.simulation.world import simulate

ITSELF = "headstart.lab.checkers"
FILES = sorted(Path(str(checkers.__file__)).parent.glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_the_judge_imports_nothing_of_the_service(path: Path) -> None:
    imported = {
        name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _imported(node)
    }
    ours = {name for name in imported if name.startswith(ITSELF)}
    assert {name.partition(".")[0] for name in imported - ours} <= sys.stdlib_module_names


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [str(node.module)] if isinstance(node, ast.ImportFrom) else []


@cache
def sound() -> History:
    """A story without a fault, to be tampered with in copies."""
    return simulate(3)


def _rows(history: History, kind: str) -> list[dict[str, Any]]:
    return [row for row in history.log if row["kind"] == kind]


def _lose_a_frame(history: History) -> History:
    streams = [
        stream | {"frames": stream["frames"][:1] + stream["frames"][2:]}
        for stream in history.streams
    ]
    return replace(history, streams=streams)


def _forge_an_answer(history: History) -> History:
    return replace(
        history,
        operations=[
            asked | {"outcome": "ok"} if asked["outcome"] == "fail" else asked
            for asked in history.operations
        ],
    )


def _drop(kind: str) -> Callable[[History], History]:
    def drop(history: History) -> History:
        """One that others follow: without the last, a log is shorter and has no gap."""
        latest = {row["request"]: row["version"] for row in history.log}
        rows = _rows(history, kind)
        victim = next(row for row in rows if row["version"] < latest[row["request"]])
        return replace(history, log=[row for row in history.log if row is not victim])

    return drop


def _change_final(**columns: Any) -> Callable[[History], History]:
    def change(history: History) -> History:
        return replace(history, final=[row | columns for row in history.final])

    return change


def _change_money(**columns: Any) -> Callable[[History], History]:
    """Of all that was paid."""

    def change(history: History) -> History:
        changed = [one | columns if one["paid_s"] else one for one in history.money]
        return replace(history, money=changed)

    return change


def _act(act: str, at_s: float, *keys: str) -> dict[str, Any]:
    done = [{"act": act, "by": "us", "at_s": at_s, "key": key, "outcome": "done"} for key in keys]
    return {"acts": done}


def _end_all(status: str) -> Callable[[History], History]:
    def end(history: History) -> History:
        debts = [debt | {"state": status, "due_s": 0.0, "result": ""} for debt in history.debts]
        return replace(history, debts=debts, ended_s=1e6)

    return end


TAMPERED: dict[str, tuple[str, Callable[[History], History]]] = {
    "an answer that is not true": ("I2", _forge_an_answer),
    "a payment that made nothing": (
        "I3",
        lambda one: replace(
            one, payments=[*one.payments, {"checkout": "cs_lost", "acknowledged": True}]
        ),
    ),
    "a payment nobody made": ("I3", lambda one: replace(one, payments=one.payments[1:])),
    "a payment nobody acknowledged": (
        "L1",
        lambda one: replace(one, payments=[p | {"acknowledged": False} for p in one.payments]),
    ),
    "a gap in the log": ("I8", _drop("request_matched")),
    "a row with a life of its own": ("I9", _change_final(fallback="tired")),
    "a fold that is not the row": ("I9", _change_final(replays=False)),
    "a frame that is lost": ("L3", _lose_a_frame),
    "money that stays with us": ("M1", _change_money(money="taken", returned=0, acts=[])),
    "money that is held for ever": ("M1", _change_money(money="held", acts=[])),
    "money that is returned and kept": ("M1", _change_money(money="taken", returned_by_us=1)),
    "more returned than was taken": ("M1", _change_money(returned=10**9)),
    "a capture under two keys": ("M2", _change_money(**_act("capture", 1e6, "one", "two"))),
    "a refund under two keys": ("M2", _change_money(**_act("refund", 1e6, "one", "two"))),
    "a capture before the match": ("M3", _change_money(**_act("capture", 0.0, "one"))),
    "a refund before the end": ("M3", _change_money(**_act("refund", 0.0, "one"))),
    "somebody who works unpaid": (
        "M4",
        lambda one: replace(_change_money(money="held")(one), terms=one.terms | {"debt_s": 0.0}),
    ),
    "a page that is closed for nothing": ("M5", _change_money(**_act("expire", -1.0, "one"))),
    "a debt that is never settled": ("L4", _end_all("due")),
    "a person who is called for nothing": ("L4", _end_all("refused")),
    "an error": ("E", lambda one: replace(one, errors=["sweep_failed"])),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_tampering_is_noticed(name: str) -> None:
    invariant, tamper = TAMPERED[name]
    assert not judge(sound())
    assert invariant in {verdict.finding.invariant for verdict in judge(tamper(sound()))}


def test_a_verdict_names_the_seed_the_promise_the_request_and_its_story() -> None:
    verdict = next(
        verdict
        for verdict in judge(_change_final(fallback="tired")(sound()))
        if verdict.finding.invariant == "I9"
    )
    told = str(verdict)
    assert told.startswith(f"seed 3 breaks I9: {INVARIANTS['I9']}")
    assert verdict.finding.request in told
    assert "session_requested" in told
