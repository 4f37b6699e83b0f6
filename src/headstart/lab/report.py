"""What was found, as tables for a terminal and as a report that is kept."""

import json
import platform
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich import box
from rich.markup import escape
from rich.table import Table

import headstart
from headstart.lab.checks import Check, Exhibit, Findings
from headstart.lab.criteria import CRITERIA
from headstart.lab.stage import Stage

PASSED, FAILED, OPEN = "[green]✓[/]", "[bold red]✗[/]", "[yellow]–[/]"
MARKS = {True: "✓", False: "**✗**", None: "–"}
VERDICTS = {True: "passed", False: "**failed**", None: "not decided"}
DETAIL_CHARACTERS_MAX = 2_000
WIDTH_MAX = 100
COMMIT_PATIENCE_S = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """All findings of one run, and on what they were made."""

    findings: Sequence[Findings]
    environment: str

    @property
    def passed(self) -> bool:
        """Every check of everything that was played."""
        return not any(found.failures for found in self.findings)

    @property
    def summary(self) -> str:
        """One line."""
        checks = sum(len(found.checks) for found in self.findings)
        failures = sum(len(found.failures) for found in self.findings)
        scenarios = f"{len(self.findings)} scenario{'s' if len(self.findings) > 1 else ''}"
        if failures:
            return f"{failures} of {checks} checks FAILED in {scenarios}"
        return f"all {checks} checks passed in {scenarios}"


def environment(stage: Stage) -> str:
    """Which programs met."""
    server = stage.rows("select current_setting('server_version') as version")[0]["version"]
    return (
        f"Headstart {headstart.__version__}, PostgreSQL {server.partition(' ')[0]},"
        f" Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )


# --- in a terminal -----------------------------------------------------------------------------


def scenario_table(findings: Findings, width: int) -> Table:
    """One scenario, check by check, for a terminal of this width."""
    scenario = findings.scenario
    table = Table(
        title=f"Scenario {scenario.id}: {scenario.title}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        width=min(width, WIDTH_MAX),
    )
    table.add_column("For", no_wrap=True)
    table.add_column("Check", overflow="fold", ratio=1)
    table.add_column("", no_wrap=True)
    for check in findings.checks:
        result = PASSED if check.passed else FAILED
        table.add_row(f"{scenario.id}.{check.promise}", _described(findings, check), result)
    return table


def _described(findings: Findings, check: Check) -> str:
    if check.passed:
        return escape(check.what)
    promise = findings.scenario.promises[check.promise]
    return f"[red]{escape(check.what)}[/]\n  for: {escape(promise)}\n  {escape(_detail(check))}"


def _detail(check: Check) -> str:
    return f"found: {check.detail[:DETAIL_CHARACTERS_MAX] or 'it is not so'}"


def criteria_table(outcome: Outcome, width: int) -> Table:
    """The plan's success criteria, likewise."""
    table = Table(
        title="Success criteria",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        width=min(width, WIDTH_MAX),
    )
    for heading, ratio in (("", None), ("Criterion", 1), ("Checks", None), ("", None)):
        table.add_column(heading, ratio=ratio)
    for criterion in CRITERIA:
        checks = sum(map(len, criterion.checks(outcome.findings).values()))
        result = {True: PASSED, False: FAILED, None: OPEN}[criterion.verdict(outcome.findings)]
        text = f"{criterion.title}: {criterion.text}"
        table.add_row(str(criterion.number), text, str(checks), result)
    return table


# --- on paper ----------------------------------------------------------------------------------


def markdown(outcome: Outcome) -> str:
    """The whole report."""
    parts = [_heading(outcome), _criteria(outcome)]
    parts += [_scenario(found) for found in outcome.findings]
    return "\n\n".join(parts) + "\n"


def _heading(outcome: Outcome) -> str:
    written_at = datetime.fromtimestamp(time.time(), UTC)
    commit = _commit()
    lines = [
        "# Verification report",
        "",
        f"{outcome.summary[0].upper()}{outcome.summary[1:]}.",
        "",
        f"- Date: {written_at:%Y-%m-%d %H:%M} UTC",
        f"- With: {outcome.environment}",
        *([f"- Commit: {commit}"] if commit else []),
        "- Made by: `headstart verify --report FILE`, which plays each scenario over HTTP against a"
        " running server, with a payment sandbox and a real PostgreSQL. The plan's ten minutes pass"
        " by the test clock.",
        "- `E` and `V` are the plan's expectations and verifications, in its words; `H` and `S` are"
        " what its criteria ask for beyond them.",
    ]
    return "\n".join(lines)


def _commit() -> str:
    """The commit this program was made from, when it runs from a checkout."""
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        answer = subprocess.run(
            asked,
            cwd=Path(headstart.__file__).parent,
            capture_output=True,
            text=True,
            timeout=COMMIT_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def _criteria(outcome: Outcome) -> str:
    lines = [
        "## Success criteria",
        "",
        "| | Criterion | Verdict | Decided by |",
        "|--:|---|---|---|",
    ]
    for criterion in CRITERIA:
        deciding = criterion.checks(outcome.findings)
        count = sum(map(len, deciding.values()))
        verdict = VERDICTS[criterion.verdict(outcome.findings)]
        by = f"{count} checks for {', '.join(deciding)}"
        lines.append(
            f"| {criterion.number} | **{criterion.title}**: {criterion.text} | {verdict} | {by} |"
        )
    return "\n".join(lines)


def _scenario(findings: Findings) -> str:
    scenario = findings.scenario
    lines = [f"## Scenario {scenario.id}: {scenario.title}", ""]
    lines += [f"- {step}" for step in scenario.setup]
    lines += ["", "| | Promise | Check | |", "|---|---|---|:-:|"]
    lines += _check_rows(findings)
    for exhibit in findings.exhibits:
        lines += _exhibit(exhibit)
    return "\n".join(lines)


def _check_rows(findings: Findings) -> Iterator[str]:
    """Ordered by promise, which is named once."""
    for promise, text in findings.scenario.promises.items():
        name, words = promise, text
        for check in findings.checks:
            if check.promise == promise:
                detail = "" if check.passed else f"; {_detail(check)}"
                what = f"{check.what}{detail}".replace("|", "\\|").replace("\n", " ")
                yield f"| {name} | {words} | {what} | {MARKS[check.passed]} |"
                name = words = ""


def _exhibit(exhibit: Exhibit) -> Sequence[str]:
    story = exhibit.story.partition("\n\n  metadata:")[0]  # shown above it, as JSON
    return [
        "",
        f"**{exhibit.title}**: metadata as stored, and the story of the request",
        "",
        "```json",
        json.dumps(exhibit.metadata, indent=2, sort_keys=True),
        "```",
        "```text",
        story,
        "```",
    ]
