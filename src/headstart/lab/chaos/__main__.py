"""``python -m headstart.lab.chaos``: the monkey on its own."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from headstart.lab.chaos.running import LARGE, SMALL, run
from headstart.lab.chaos.sabotage import SABOTAGES

console = Console()
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    requests: Annotated[int, typer.Option(min=1, help="How many session requests.")] = 2_000,
    kills: Annotated[int, typer.Option(min=0, help="How many times kill -9.")] = 20,
    seed: Annotated[int, typer.Option(help="The first round's; each takes the next.")] = 1,
    sabotage: Annotated[
        list[str] | None, typer.Option(help=f"Break it so: {', '.join(SABOTAGES)}.")
    ] = None,
    short: Annotated[bool, typer.Option("--short", help="Shorter windows and limits.")] = False,
    report: Annotated[Path | None, typer.Option(help="Keep the evidence here.")] = None,
) -> None:
    """Let people book, pay and accept on real servers while a monkey breaks them, and judge it."""
    unknown = set(sabotage or ()) - SABOTAGES.keys()
    if unknown:
        raise typer.BadParameter(f"there is no sabotage called {', '.join(unknown)}")

    def tell(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    size = SMALL if short else LARGE
    evidence = run(requests, kills, seed, tell, size=size, sabotage=sabotage or ())
    for violation in evidence.violations:
        tell(violation)
    for name, value in evidence.figures.items():
        tell(f"{name:44} {value:>12,}" if not isinstance(value, str) else f"{name:44} {value}")
    if report:
        evidence.keep(report)
    raise typer.Exit(1 if evidence.violations else 0)


if __name__ == "__main__":
    app()
