"""``./dev prove``: figures when all is well; the seed, the story and status 1 when it is not."""

import re
from contextlib import nullcontext
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headstart.lab import stories
from headstart.lab.evidence import Evidence
from headstart.lab.prove import app
from headstart.lab.sabotage import SABOTAGES
from headstart.lab.stories import Mark


def test_one_story_is_told_in_figures() -> None:
    answer = CliRunner().invoke(app, ["--seed", "7"])
    assert answer.exit_code == 0, answer.output
    assert re.search(r"1 stories, \d\d requests", answer.output)
    assert "0 broken promises" in answer.output


def test_a_broken_promise_is_told_with_its_seed_and_story() -> None:
    answer = CliRunner().invoke(app, ["--seed", "0", "--sabotage", "early leak"])
    assert answer.exit_code == 1
    assert "seed 0 breaks " in answer.output
    assert "request_reserved" in answer.output
    assert "./dev prove --seed 0" in answer.output


def test_a_sabotage_that_does_not_exist_is_a_message() -> None:
    answer = CliRunner().invoke(app, ["--seed", "7", "--sabotage", "sunshine"])
    assert answer.exit_code == 2
    assert "sunshine" in answer.output


@pytest.mark.parametrize(("seeds", "status"), [(2, 0), (None, 1)])
def test_the_exam_is_failed_by_one_survivor(
    seeds: int | None, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = {
        "early leak": Mark("early leak", 1, ["I5"], 0.5),
        "fallback twice": Mark("fallback twice", seeds, ["I10"], 0.5),
    }
    monkeypatch.setattr(stories, "SABOTAGES", {name: SABOTAGES[name] for name in marks})
    monkeypatch.setattr(stories, "_at_work", lambda *_: nullcontext(marks.values()))
    answer = CliRunner().invoke(app, ["--part", "exam", "--report", str(tmp_path)])
    assert answer.exit_code == status, answer.output
    kept = Evidence.read(tmp_path / "exam.json")
    assert kept.table.count("\n") == 3
    assert (kept.violations == []) is (status == 0)
    assert kept.command.startswith("./dev prove --part exam")


def test_many_stories_are_told_by_other_processes() -> None:
    answer = CliRunner().invoke(
        app, ["--part", "simulation", "--depth", "2", "--first", "7", "--processes", "1"]
    )
    assert answer.exit_code == 0, answer.output
    assert re.search(r"2 stories, \d+ requests", answer.output)
