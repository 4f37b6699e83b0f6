"""Prove it: in simulation, on real processes, and against ourselves. No promise may be broken.

``./dev prove`` runs every part as deep as every change deserves; ``--tier nightly`` as deep as a
night allows; ``--part`` names one. ``--seed K`` repeats one simulated story.
"""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from headstart.lab import stories
from headstart.lab.chaos import running as monkey
from headstart.lab.evidence import Evidence, publish, this_commit, this_machine
from headstart.lab.older import takeover
from headstart.lab.races import crowd, deadline, lost_answers
from headstart.lab.sabotage import SABOTAGES

VIOLATIONS_SHOWN = 3

console = Console()
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Tier(StrEnum):
    """How much is enough: for every change, for every night, and once for a release."""

    CI = "ci"
    NIGHTLY = "nightly"
    RECORD = "record"


class Part(StrEnum):
    """What can be run."""

    SIMULATION = "simulation"
    EXAM = "exam"
    LOST_ANSWERS = lost_answers.PART
    CROWD = crowd.PART
    DEADLINE_RACES = deadline.PART
    TAKEOVER = takeover.PART
    MONKEY = "monkey"


@dataclass(frozen=True, slots=True)
class Depth:
    """How deep a part goes: stories, lost answers, people in a crowd, races, older rows,
    or requests."""

    ci: int
    nightly: int
    record: int

    def of(self, tier: Tier) -> int:
        """In this tier."""
        return {Tier.CI: self.ci, Tier.NIGHTLY: self.nightly, Tier.RECORD: self.record}[tier]


DEPTHS: Mapping[Part, Depth] = {
    Part.SIMULATION: Depth(25, 25_000, 250_000),  # stories of forty requests
    Part.LOST_ANSWERS: Depth(50, 1_000, 10_000),
    Part.CROWD: Depth(500, 10_000, 10_000),
    Part.DEADLINE_RACES: Depth(1_000, 50_000, 500_000),
    Part.TAKEOVER: Depth(1_000, 100_000, 1_000_000),
    Part.MONKEY: Depth(150, 50_000, 250_000),
}
REQUESTS_PER_KILL = 100


def _tell(line: str) -> None:
    console.print(escape(line), highlight=False, soft_wrap=True)


def _monkey(requests: int, first: int) -> Evidence:
    kills = max(5, requests // REQUESTS_PER_KILL)
    size = monkey.SMALL if requests <= DEPTHS[Part.MONKEY].ci else monkey.LARGE
    return monkey.run(requests, kills, first, _tell, size=size)


def _run(part: Part, depth: int, first: int, processes: int) -> Evidence:
    """One part, to its end."""
    runs: Mapping[Part, Callable[[], Evidence]] = {
        Part.SIMULATION: lambda: stories.simulation(
            range(first, first + depth), processes, console
        ),
        Part.EXAM: lambda: stories.exam(processes, console),
        Part.LOST_ANSWERS: lambda: lost_answers.run(depth, first, _tell),
        Part.CROWD: lambda: crowd.run(depth, first, _tell),
        Part.DEADLINE_RACES: lambda: deadline.run(depth, first, _tell),
        Part.TAKEOVER: lambda: takeover.run(depth, first, _tell),
        Part.MONKEY: lambda: _monkey(depth, first),
    }
    return runs[part]()


def _one_story(seed: int, sabotage: str | None) -> Evidence:
    """Once more, and perhaps with something broken."""
    if sabotage is not None and sabotage not in SABOTAGES:
        raise typer.BadParameter(f"there is no sabotage called {sabotage!r}")
    began_s = perf_counter()
    with SABOTAGES[sabotage].committed() if sabotage else nullcontext():
        return stories.evidence_of([stories.prove(seed)], perf_counter() - began_s)


@app.command()
def main(
    part: Annotated[list[Part] | None, typer.Option(help="Only this; may be repeated.")] = None,
    tier: Annotated[Tier, typer.Option(help="How deep.")] = Tier.CI,
    depth: Annotated[int | None, typer.Option(min=1, help="How deep, for one part.")] = None,
    first: Annotated[int, typer.Option(help="The first seed.")] = 0,
    seed: Annotated[int | None, typer.Option(help="Repeat this one simulated story.")] = None,
    sabotage: Annotated[str | None, typer.Option(help="With this broken, for one story.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Of the simulation.")] = 2,
    report: Annotated[
        Path | None, typer.Option(help="Keep the evidence in this folder, and a page beside it.")
    ] = None,
) -> None:
    """Run the parts, show what they did, and fail when a promise was broken."""
    if seed is not None:
        raise typer.Exit(_show(_one_story(seed, sabotage)))
    broken = 0
    for one in part or list(Part):
        deep = depth or (DEPTHS[one].of(tier) if one in DEPTHS else 0)
        evidence = _run(one, deep, first, processes)
        if report:
            _signed(evidence, _command(one, deep, first)).keep(report)
            publish(report)
        broken += _show(evidence)
    raise typer.Exit(1 if broken else 0)


def _command(part: Part, depth: int, first: int) -> str:
    deep = ["--depth", str(depth)] if part in DEPTHS else []
    return shlex.join(["./dev", "prove", "--part", part, *deep, "--first", str(first)])


def _signed(evidence: Evidence, command: str) -> Evidence:
    """With what it takes to run it again."""
    return replace(evidence, command=command, commit=this_commit(), machine=this_machine())


def _show(evidence: Evidence) -> int:
    """The figures, and the first broken promises with their stories; answers 1 if there are any."""
    if evidence.table:
        _tell(evidence.table)
    for sentence in evidence.violations[:VIOLATIONS_SHOWN]:
        _tell(sentence)
    figures = ", ".join(f"{_number(value)} {name}" for name, value in evidence.figures.items())
    _tell(
        f"{evidence.part}: {figures}; {len(evidence.violations)} broken promises;"
        f" {evidence.wall_s:.1f} s, seeds {evidence.seeds}"
    )
    if evidence.violations and evidence.part == Part.SIMULATION:
        _tell(f"repeat it with: ./dev prove --seed {_seed_of(evidence.violations)}")
    return int(bool(evidence.violations))


def _seed_of(violations: Sequence[str]) -> str:
    """Of the first broken promise."""
    return violations[0].removeprefix("seed ").split()[0]


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,.4g}" if value % 1 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(app())
