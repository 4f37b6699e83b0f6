"""Run one of the races: ``python -m headstart.lab.races crowd --count 500``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from headstart.lab.races import crowd, deadline, lost_answers

RUNS = {part.PART: part.run for part in (lost_answers, crowd, deadline)}


class Part(StrEnum):
    """The names that they have in the proof."""

    LOST_ANSWERS = lost_answers.PART
    CROWD = crowd.PART
    DEADLINE_RACES = deadline.PART


console = Console()
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    part: Annotated[Part, typer.Argument(help="Which race.")],
    count: Annotated[int, typer.Option(min=1, help="How many, or how large a crowd.")],
    seed: Annotated[int, typer.Option(help="Decides what chance decides.")] = 0,
    report: Annotated[Path | None, typer.Option(help="Keep the evidence there.")] = None,
) -> None:
    """Run it, show the figures, and fail when a promise was broken."""
    evidence = RUNS[part.value](
        count, seed, lambda text: console.print(escape(text), soft_wrap=True)
    )
    for name, figure in evidence.figures.items():
        console.print(f"{name}: {figure}", highlight=False)
    for violation in evidence.violations:
        console.print(escape(violation), style="red", soft_wrap=True)
    console.print(f"{len(evidence.violations)} violations, {evidence.wall_s:g} s")
    if report:
        evidence.keep(report)
    raise typer.Exit(1 if evidence.violations else 0)


if __name__ == "__main__":
    app()
