"""The races, at the depth of every change; and each of them loses to a service that is broken."""

from pathlib import Path

import pytest

from headstart.lab.races import crowd, deadline, lost_answers
from tests.lab import broken
from tests.lab.broken import Fault

LOST, CROWD, RACES = 50, 200, 500
FEW = 60


def quiet(_: str) -> None:
    """Nobody watches."""


def test_answers_get_lost_and_nothing_else_does(database_server: str) -> None:
    evidence = lost_answers.run(LOST, 1, quiet, database_url=database_server)
    assert evidence.violations == []
    lost = int(evidence.figures["answers lost"])
    assert lost == evidence.figures["committed, by witness"]
    assert lost >= LOST
    assert evidence.figures["told again after the world had moved on"]


def test_a_crowd_has_one_winner(database_server: str) -> None:
    evidence = crowd.run(CROWD, 1, quiet, database_url=database_server)
    assert evidence.violations == []
    assert evidence.figures["answered 200"] == len(crowd.ROUNDS)


def test_the_deadline_has_two_outcomes_and_never_both(database_server: str) -> None:
    evidence = deadline.run(RACES, 1, quiet, database_url=database_server)
    assert evidence.violations == []
    for side in ("accept won", "fallback won"):
        assert evidence.figures[side], "a race has two sides"
    assert evidence.figures["judged again after a lost race"]


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        (broken.no_version_check, "ViolationError"),
        (broken.obeyed_early, "before the deadline"),
        (broken.acknowledged_only, "were told that they won, and None did"),
        (broken.open_to_strangers, "a stranger "),
    ],
)
def test_a_race_for_the_deadline_notices(
    database_server: str, fault: Fault, complaint: str
) -> None:
    with fault():
        evidence = deadline.run(FEW, 1, quiet, database_url=database_server)
    assert complaint in "\n".join(evidence.violations)


def test_lost_answers_notice_that_keys_are_ignored(database_server: str, tmp_path: Path) -> None:
    environment = broken.in_servers(broken.command_keys_ignored, tmp_path)
    evidence = lost_answers.run(
        FEW // 2, 1, quiet, database_url=database_server, environment=environment
    )
    assert "the repeated acceptance was answered with 409" in "\n".join(evidence.violations)


def test_a_crowd_notices_that_versions_are_ignored(database_server: str, tmp_path: Path) -> None:
    environment = broken.in_servers(broken.old_news_and_no_version_check, tmp_path)
    evidence = crowd.run(FEW, 1, quiet, database_url=database_server, environment=environment)
    assert "were answered with (500, 'internal')" in "\n".join(evidence.violations)
