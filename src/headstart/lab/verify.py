"""``headstart verify``: the plan's promises, kept or broken, shown on the real thing."""

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console

from headstart.lab import report as reporting
from headstart.lab.checks import Abandoned, Findings, Scenario
from headstart.lab.hardships import HARDSHIPS
from headstart.lab.scenarios import SCENARIOS
from headstart.lab.stage import Stage, put_up
from headstart.settings import Settings

PLAYBILL = (*SCENARIOS, *HARDSHIPS)
TERMINATED = 128 + signal.SIGTERM


def run(report: Path | None = None, only: Sequence[str] = ()) -> bool:
    """Play the scenarios (or ``only`` some), show every check, and write the report.

    True when every check passed. LookupError for a scenario that does not exist.
    """
    playbill = chosen(only)
    console, began_s = Console(), time.monotonic()
    with stopped_by_sigterm(), put_up(Settings().database_url) as stage:
        console.print(f"The service stands at {stage.server.url}: {reporting.environment(stage)}")
        findings = [_shown(play(scenario, stage), console) for scenario in playbill]
        outcome = reporting.Outcome(findings, reporting.environment(stage))
    console.print(reporting.criteria_table(outcome, console.width))
    console.print(f"{outcome.summary} ({time.monotonic() - began_s:.1f} s)")
    if report is not None:
        report.write_text(reporting.markdown(outcome), encoding="utf-8")
        console.print(f"The report is in {report}.")
    return outcome.passed


def chosen(only: Sequence[str]) -> Sequence[Scenario]:
    """These scenarios, in the order of the bill; all when none is named."""
    known = {scenario.id for scenario in PLAYBILL}
    if strange := sorted(set(only) - known):
        raise LookupError(f"there is no scenario {strange[0]}: they are 1 to {len(PLAYBILL)}")
    return [scenario for scenario in PLAYBILL if not only or scenario.id in only]


def play(scenario: Scenario, stage: Stage) -> Findings:
    """Play one scenario. Whatever goes wrong is a failed check, and the next one is played."""
    findings = Findings(scenario)
    try:
        if not stage.server.is_running:
            stage.server.start()
        scenario.play(stage, findings)
    except Abandoned:
        pass
    except Exception as error:
        findings.crashed(error)
        if not stage.server.is_running:
            findings.crashed(RuntimeError(f"the server's last words:\n{stage.server.tail()}"))
    finally:
        stage.close_streams()
    findings.conclude(stage)
    return findings


def _shown(findings: Findings, console: Console) -> Findings:
    console.print(reporting.scenario_table(findings, console.width))
    return findings


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """An order to stop takes the stage down as well, like Ctrl-C."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        sys.exit(TERMINATED)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
