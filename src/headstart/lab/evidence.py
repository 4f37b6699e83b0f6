"""What a run of the proof leaves behind: figures, seeds and every broken promise.

One file of JSON for each part, and one page over all of them, which says what was run and nothing
more.
"""

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import headstart


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one part of the proof did. ``figures`` are shown in their order.

    ``violations`` are the broken promises, as sentences that name a seed or a request.
    """

    part: str
    seeds: str
    figures: Mapping[str, int | float | str]
    violations: Sequence[str]
    wall_s: float
    table: str = ""
    command: str = ""
    commit: str = ""
    machine: str = ""
    ended_at: str = field(
        default_factory=lambda: time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    )

    def keep(self, directory: Path) -> None:
        """Write it where the page is made from; what an earlier run of this part left is gone."""
        directory.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (directory / f"{self.part}.json").write_text(f"{text}\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """One that was kept."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def this_machine() -> str:
    """What it ran on, without a name or an address."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}," + (
        f" Python {platform.python_version()}"
    )


def this_commit() -> str:
    """The version of the code, with a mark when it was changed since; empty outside a checkout."""
    asked = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    root = Path(headstart.__file__).parent
    found = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=False)
    return found.stdout.strip()


def publish(directory: Path) -> Path:
    """Write the page over everything that is kept in a folder, beside the folder."""
    beside = directory.with_suffix(".md")
    beside.write_text(page_of(directory), encoding="utf-8")
    return beside


def page_of(directory: Path) -> str:
    """Everything that is kept in a folder, as a page, in the reader's order."""
    kept = [Evidence.read(path) for path in directory.glob("*.json")]
    order = [*PARTS, *(one.part for one in kept if one.part not in PARTS)]
    ordered = sorted(kept, key=lambda one: order.index(one.part))
    return "\n\n".join([_HEAD, _summary(ordered), *(_section(one) for one in ordered)]) + "\n"


def _summary(kept: Sequence[Evidence]) -> str:
    lines = ["| part | broken promises | wall time | version | ended |", "|---|--:|--:|---|---|"]
    lines += [
        f"| {_title(one)} | **{len(one.violations)}** | {_duration(one.wall_s)}"
        f" | `{one.commit}` | {one.ended_at} |"
        for one in kept
    ]
    return "\n".join(lines)


def _section(one: Evidence) -> str:
    figures = "\n".join(f"| {name} | {_figure(value)} |" for name, value in one.figures.items())
    parts = [
        f"## {_title(one)}",
        PARTS.get(one.part, ""),
        f"| | |\n|---|--:|\n{figures}" if figures else "",
        f"Seeds: {one.seeds}. On {one.machine}.\n\n```sh\n{one.command}\n```",
        one.table,
        "\n".join(f"- {sentence}" for sentence in one.violations) or "No promise was broken.",
    ]
    return "\n\n".join(filter(None, parts))


def _title(one: Evidence) -> str:
    return one.part.replace("-", " ").capitalize()


def _duration(seconds: float) -> str:
    minutes, left_s = divmod(round(seconds), 60)
    return f"{minutes} min {left_s} s" if minutes else f"{seconds:.1f} s"


def _figure(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


_HEAD = """\
# Evidence: what was run, and what came of it

This page is made by the command that runs the proof. [Simulation](simulation.md) says what is
simulated and who judges. Every part can be run again, by the command that is named with it; a seed
repeats the same people, orders and faults. On real processes it cannot repeat the same instants."""

PARTS = {
    "simulation": "The real rules, dispatcher, deadlines, feed and fulfilment in virtual time.",
    "exam": "The service is broken on purpose. Each way must be noticed within 40 seeds.",
    "monkey": "Real servers, PostgreSQL and sandbox, among kills, restarts and lost answers.",
    "lost-answers": "The commit happens, its answer never arrives, and the client repeats.",
    "crowd": "Everybody accepts the same request in the same instant.",
    "deadline-races": "Accepts aimed at the deadline, with the sweep at work.",
    "takeover": "An older system's rows are taken over, some of them broken, while people book.",
    "two-stores": "The model of the database and PostgreSQL, asked the same things.",
}
