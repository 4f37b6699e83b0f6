"""The simulation's database beside PostgreSQL, in stories that nobody wrote.

Hypothesis decides what two actors do, in transactions and without. The answers must be the same,
and so must be who waits for whom: a twin in memory lies, unless something forces it to agree.

``TWINS_DEPTH=40`` tells forty times as many stories, other ones each time, and shortens what fails.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from headstart.lab.simulation.database import State, Transaction
from headstart.lab.simulation.store import ModelStore
from tests.conftest import with_database
from tests.store.plots import CUSTOMERS, MECHANICS, Databases
from tests.store.twins import Differ, Original, original

DEPTH = int(os.environ.get("TWINS_DEPTH", "1"))
STORIES, STEPS = 20, 40
STORIES_UNTIL_A_LIE_IS_FOUND_MAX = 100
PATIENCE_S = 60 + 5 * STORIES * DEPTH

Stage = tuple[asyncio.Runner, Original]


@pytest.fixture
def stage(postgres: str) -> Iterator[Stage]:
    """A database of its own with everybody in it, and the loop that everything happens on."""
    with asyncio.Runner() as runner:
        runner.run(_execute(postgres, "create database twins template headstart"))
        setting = original(with_database(postgres, "twins"))
        postgresql = runner.run(setting.__aenter__())
        try:
            runner.run(postgresql.add_people(CUSTOMERS, MECHANICS))
            yield runner, postgresql
        finally:
            runner.run(setting.__aexit__(None, None, None))
            runner.run(_execute(postgres, "drop database twins with (force)"))


async def _execute(dsn: str, statement: str) -> None:
    admin = await asyncpg.connect(with_database(dsn, "postgres"))
    await admin.execute(statement)
    await admin.close()


def tell(stage: Stage, stories: int, **named: Any) -> Counter[str]:
    """Stories of both; what was answered, and how often."""
    answers: Counter[str] = Counter()

    class Staged(Databases):
        def __init__(self) -> None:
            super().__init__(*stage, answers)

    run_state_machine_as_test(
        Staged,
        settings=settings(
            max_examples=stories,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            **named,
        ),
    )
    return answers


WORTH_COMPARING = {
    *("write: some", "write: none", "write: waits", "create: True", "create: False"),
    *("claim_due: some", "claim_due: none", "claim_unfit: some", "claim_unfit: none"),
    *("first_receipt: True", "first_receipt: False", "first_receipt: waits"),
}


@pytest.mark.timeout(PATIENCE_S)
def test_the_model_says_what_postgresql_says(stage: Stage) -> None:
    phases = [Phase.generate] if DEPTH == 1 else [Phase.generate, Phase.shrink]
    answers = tell(stage, STORIES * DEPTH, derandomize=DEPTH == 1, phases=phases)
    assert answers.keys() >= WORTH_COMPARING, "stories in which nothing happens compare nothing"


async def _at_once(*_: Any) -> None:
    """Nobody waits."""


def _locks_nothing(self: Transaction, key: Any) -> bool:
    return not self._is_held_by_another(key) and self.begin_writing() > 0


LIES: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "versions do not matter": (
        *(ModelStore, "_still_holds"),
        lambda self, change, snapshot: self._may_win(change, snapshot),
    ),
    "two jobs at once are no problem": (State, "holds_another", lambda *_: False),
    "nobody waits for anybody": (Transaction, "free", _at_once),
    "a claim locks nothing": (Transaction, "lock_if_free", _locks_nothing),
    "what may be overtaken is read": (State, "_readable", lambda self, _: len(self.log)),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_model_that_lies_is_found_out(stage: Stage, lie: str) -> None:
    with patch.object(*LIES[lie]), pytest.raises(Differ):
        tell(
            stage,
            STORIES_UNTIL_A_LIE_IS_FOUND_MAX,
            derandomize=True,
            phases=[Phase.generate],
        )
