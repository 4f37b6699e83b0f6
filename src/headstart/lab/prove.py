"""Prove it: thousands of simulated stories, none of which may break a promise.

``./dev prove`` runs them; ``--seed K`` repeats one; ``--exam`` breaks the service on purpose in
every way we know, and asks whether the simulator notices.
"""

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from headstart.lab.checkers import INVARIANTS, Finding, History, Verdict, judge
from headstart.lab.sabotage import SABOTAGES, Sabotage
from headstart.lab.simulation.world import simulate

EXAM_SEEDS_MAX = 40
VERDICTS_SHOWN = 3
SEEDS_EACH_TURN = 4

Item = TypeVar("Item")
Result = TypeVar("Result")


class Tier(StrEnum):
    """How much is enough: for every change, and for every night (a million requests)."""

    CI = "ci"
    NIGHTLY = "nightly"

    @property
    def seeds(self) -> int:
        """How many stories."""
        return {Tier.CI: 25, Tier.NIGHTLY: 25_000}[self]


@dataclass(frozen=True, slots=True)
class Proof:
    """One story, counted and judged."""

    seed: int
    requests: int = 0
    operations: int = 0
    frames: int = 0
    verdicts: Sequence[Verdict] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """What became of one sabotage: the seeds it took, or None when it survived."""

    sabotage: str
    seeds: int | None
    invariants: Sequence[str]
    seconds: float


def prove(seed: int) -> Proof:
    """Live one story and judge it. One that cannot be told or judged is a verdict, too."""
    try:
        with _no_rubbish_collected():
            history = simulate(seed)
            verdicts = judge(history)
    except Exception as error:
        finding = Finding("E", "", f"the story cannot be told: {error!r}")
        return Proof(seed, verdicts=[Verdict(seed, finding, ())])
    return Proof(seed, len(history.final), len(history.operations), _frames(history), verdicts)


@contextmanager
def _no_rubbish_collected() -> Iterator[None]:
    """A story is short, and to look for its rubbish on the way costs a tenth of it."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()


def examine(sabotage: Sabotage) -> Mark:
    """Break the service, and count the stories until the right promise is seen to be broken."""
    began_s = time.perf_counter()
    with sabotage.committed():
        for seed in range(EXAM_SEEDS_MAX):
            broken = {verdict.finding.invariant for verdict in prove(seed).verdicts}
            if sabotage.invariant in broken:
                others = sorted(broken - {sabotage.invariant}, key=list(INVARIANTS).index)
                seconds = time.perf_counter() - began_s
                return Mark(sabotage.name, seed + 1, [sabotage.invariant, *others], seconds)
    return Mark(sabotage.name, None, [], time.perf_counter() - began_s)


def _examine_named(name: str) -> Mark:
    return examine(SABOTAGES[name])


def _frames(history: History) -> int:
    return sum(len(stream["frames"]) for stream in history.streams)


# --- the command line ------------------------------------------------------------------------

console = Console()
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    seeds: Annotated[int | None, typer.Option(min=1, help="How many stories.")] = None,
    seed: Annotated[int | None, typer.Option(help="Repeat this one story.")] = None,
    first: Annotated[int, typer.Option(help="The first seed.")] = 0,
    tier: Annotated[Tier, typer.Option(help="How many, if nothing is said.")] = Tier.CI,
    exam: Annotated[bool, typer.Option("--exam", help="Break it on purpose.")] = False,
    sabotage: Annotated[str | None, typer.Option(help="Break it so, for one seed.")] = None,
    processes: Annotated[int, typer.Option(min=1)] = 2,
    report: Annotated[Path | None, typer.Option(help="Write the exam as Markdown.")] = None,
) -> None:
    """Simulate the whole service among people and faults, and judge what happened."""
    if exam:
        marks = _exam(processes)
        if report:
            report.write_text(in_markdown(marks), encoding="utf-8")
        _show_exam(marks)
        kept = all(mark.seeds for mark in marks)
    elif seed is not None:
        kept = _prove_one(seed, sabotage)
    else:
        kept = _prove_all(range(first, first + (seeds or tier.seeds)), processes)
    raise typer.Exit(0 if kept else 1)


def _prove_all(seeds: Sequence[int], processes: int) -> bool:
    """Until the end, or until a promise is broken."""
    began_s, proofs = time.perf_counter(), []
    with _at_work(prove, seeds, processes, "stories") as arriving:
        for proof in arriving:
            proofs.append(proof)
            if proof.verdicts:
                break
    return _show(proofs, began_s)


def _prove_one(seed: int, sabotage: str | None) -> bool:
    """Once more, and perhaps with something broken."""
    if sabotage is not None and sabotage not in SABOTAGES:
        raise typer.BadParameter(f"there is no sabotage called {sabotage!r}")
    began_s = time.perf_counter()
    with SABOTAGES[sabotage].committed() if sabotage else nullcontext():
        return _show([prove(seed)], began_s)


def _exam(processes: int) -> Sequence[Mark]:
    with _at_work(_examine_named, list(SABOTAGES), processes, "sabotages") as arriving:
        marks = list(arriving)
    order = list(SABOTAGES)
    return sorted(marks, key=lambda mark: order.index(mark.sabotage))


@contextmanager
def _at_work(
    work: Callable[[Item], Result], items: Sequence[Item], processes: int, called: str
) -> Iterator[Iterable[Result]]:
    """Results as they arrive, with a bar that says how far it is."""
    columns = (TextColumn(called), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    turn = min(SEEDS_EACH_TURN, max(1, len(items) // (4 * processes)))
    with (
        Progress(*columns, console=console) as progress,
        get_context("spawn").Pool(processes, gc.freeze) as pool,  # modules are no rubbish
    ):
        arriving = pool.imap_unordered(work, items, chunksize=turn)
        yield progress.track(arriving, total=len(items))


def _show(proofs: Sequence[Proof], began_s: float) -> bool:
    """The figures, and the first broken promises with their stories."""
    verdicts = [verdict for proof in proofs for verdict in proof.verdicts]
    for verdict in verdicts[:VERDICTS_SHOWN]:
        console.print(escape(str(verdict)), highlight=False, soft_wrap=True)
    took_s = time.perf_counter() - began_s
    requests = sum(proof.requests for proof in proofs)
    console.print(
        f"{len(proofs):,} stories, {requests:,} requests,"
        f" {sum(proof.operations for proof in proofs):,} operations,"
        f" {sum(proof.frames for proof in proofs):,} frames,"
        f" {len(verdicts):,} broken promises; {took_s:.1f} s, {requests / took_s:.0f} requests/s"
    )
    for proof in proofs:
        if proof.verdicts:
            console.print(f"repeat it with: ./dev prove --seed {proof.seed}")
    return not verdicts


def _show_exam(marks: Sequence[Mark]) -> None:
    console.print(in_markdown(marks), highlight=False, soft_wrap=True)
    survivors = [mark.sabotage for mark in marks if mark.seeds is None]
    caught = f"{len(marks) - len(survivors)} of {len(marks)} sabotages caught"
    console.print(f"{caught}; survivors: {', '.join(survivors) or 'none'}")


def in_markdown(marks: Sequence[Mark]) -> str:
    """The exam as a table."""
    lines = ["| sabotage | noticed by | seeds | seconds |", "|---|---|--:|--:|"]
    for mark in marks:
        noticed = ", ".join(mark.invariants) or "**nobody**"
        sentence = SABOTAGES[mark.sabotage].sentence
        seeds = mark.seeds or f"over {EXAM_SEEDS_MAX}"
        row = f"| **{mark.sabotage}**: {sentence} | {noticed} | {seeds} | {mark.seconds:.1f} |"
        lines.append(row)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    app()
