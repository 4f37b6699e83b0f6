"""A promise that nothing has checked is broken, and one scenario's trouble stays its own."""

from typing import Any, cast

import pytest

from headstart.lab import report, verify
from headstart.lab.checks import Abandoned, Findings, Scenario
from headstart.lab.criteria import CRITERIA, Criterion
from headstart.lab.stage import Stage

PROMISES = {"E1": "First", "E2": "Second"}


class Server:
    """One that runs."""

    is_running = True


class Nothing:
    """As much of a stage as a scenario without people needs."""

    server = Server()

    def close_streams(self) -> None:
        """Nobody listens."""


STAGE = cast(Stage, Nothing())


def played(play: Any) -> Findings:
    return verify.play(Scenario("7", "A test", (), PROMISES, play), STAGE)


def verdicts(findings: Findings) -> list[tuple[str, str, bool]]:
    return [(check.promise, check.what, check.passed) for check in findings.checks]


def test_what_was_checked_is_kept() -> None:
    def play(stage: Stage, holds: Findings) -> None:
        holds("E1", "one", True)
        holds("E2", "two", False, "three")

    found = played(play)
    assert verdicts(found) == [("E1", "one", True), ("E2", "two", False)]
    assert [check.detail for check in found.failures] == ["three"]


def test_a_promise_that_nothing_checked_is_broken() -> None:
    found = played(lambda stage, holds: holds("E1", "one", True))
    assert verdicts(found) == [("E1", "one", True), ("E2", "was checked", False)]


def test_a_crash_is_a_failed_check() -> None:
    def play(stage: Stage, holds: Findings) -> None:
        raise LookupError("no such door")

    [crash, *_] = played(play).checks
    assert (crash.what, crash.passed) == ("the scenario runs to its end", False)
    assert crash.detail == "LookupError: no such door"


def test_a_required_check_that_fails_ends_the_scenario() -> None:
    def play(stage: Stage, holds: Findings) -> None:
        holds.require("E1", "one", False)
        raise AssertionError("not reached")

    assert verdicts(played(play)) == [("E1", "one", False), ("E2", "was checked", False)]


def test_a_check_of_what_was_not_promised_is_an_error() -> None:
    found = Findings(Scenario("7", "A test", (), PROMISES, lambda stage, holds: None))
    with pytest.raises(AssertionError, match="E9 is not promised"):
        found("E9", "one", True)
    with pytest.raises(Abandoned):
        found.require("E1", "one", False)


def test_every_criterion_is_decided_by_promises_that_exist() -> None:
    known = {scenario.id for scenario in verify.PLAYBILL}
    known |= {f"{scenario.id}.{one}" for scenario in verify.PLAYBILL for one in scenario.promises}
    assert [one for criterion in CRITERIA for one in criterion.deciding if one not in known] == []


def test_a_criterion_is_only_decided_when_all_of_it_was_played() -> None:
    def play(stage: Stage, holds: Findings) -> None:
        holds("E1", "one", True)
        holds("E2", "two", False)

    found = [played(play)]
    assert Criterion(1, "", "", ("7.E1",)).verdict(found) is True
    assert Criterion(1, "", "", ("7.E2",)).verdict(found) is False
    assert Criterion(1, "", "", ("7",)).verdict(found) is False
    assert Criterion(1, "", "", ("7.E1", "8.E1")).verdict(found) is None


def test_the_report_says_what_failed_and_why() -> None:
    found = played(lambda stage, holds: holds("E1", "a | b", False, "it was\nnot"))
    text = report.markdown(report.Outcome([found], "on paper"))
    assert "2 of 2 checks FAILED in 1 scenario" in text
    assert "| E1 | First | a \\| b; found: it was not | **✗** |" in text


def test_a_scenario_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(LookupError, match="there is no scenario 11: they are 1 to 10"):
        verify.chosen(["2", "11"])


def test_scenarios_are_played_in_the_order_of_the_bill() -> None:
    assert [scenario.id for scenario in verify.chosen(["5", "2"])] == ["2", "5"]
    assert [scenario.id for scenario in verify.chosen([])] == [str(n) for n in range(1, 11)]
