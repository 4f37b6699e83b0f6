"""Thousands of simulated stories, judged; and the exam, where the service is broken on purpose."""

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from headstart.lab.checkers import INVARIANTS, Finding, History, Verdict, judge
from headstart.lab.evidence import Evidence
from headstart.lab.sabotage import SABOTAGES, Sabotage
from headstart.lab.simulation.world import simulate

EXAM_SEEDS_MAX = 40
SEEDS_EACH_TURN = 4

Item = TypeVar("Item")
Result = TypeVar("Result")


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
    if not gc.isenabled():
        gc.collect()  # what the story before has left
    try:
        history = simulate(seed)
        verdicts = judge(history)
    except Exception as error:
        finding = Finding("E", "", f"the story cannot be told: {error!r}")
        return Proof(seed, verdicts=[Verdict(seed, finding, ())])
    return Proof(seed, len(history.final), len(history.operations), _frames(history), verdicts)


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


def simulation(seeds: Sequence[int], processes: int, console: Console) -> Evidence:
    """Tell these stories, until the end, or a broken promise, or Ctrl-C: what was told counts."""
    began_s, proofs = time.perf_counter(), list[Proof]()
    with (
        suppress(KeyboardInterrupt),
        _at_work(prove, seeds, processes, "stories", console) as arriving,
    ):
        for proof in arriving:
            proofs.append(proof)
            if proof.verdicts:
                break
    return evidence_of(proofs, time.perf_counter() - began_s)


def evidence_of(proofs: Sequence[Proof], wall_s: float) -> Evidence:
    """What was told, counted."""
    seeds, requests = [proof.seed for proof in proofs], sum(proof.requests for proof in proofs)
    return Evidence(
        part="simulation",
        seeds=" to ".join(map(str, sorted({min(seeds), max(seeds)}))) if seeds else "none",
        figures={
            "stories": len(proofs),
            "requests": requests,
            "operations": sum(proof.operations for proof in proofs),
            "frames": sum(proof.frames for proof in proofs),
            "requests per second": requests / wall_s,
        },
        violations=[str(verdict) for proof in proofs for verdict in proof.verdicts],
        wall_s=wall_s,
    )


def exam(processes: int, console: Console) -> Evidence:
    """Every sabotage there is. One that survives is a violation: of the simulator's promise."""
    began_s = time.perf_counter()
    names = list(SABOTAGES)
    with _at_work(_examine_named, names, processes, "sabotages", console) as arriving:
        marks = sorted(arriving, key=lambda mark: names.index(mark.sabotage))
    survivors = [mark.sabotage for mark in marks if mark.seeds is None]
    return Evidence(
        part="exam",
        seeds=f"0 to {EXAM_SEEDS_MAX - 1}, as far as it took",
        figures={"sabotages": len(marks), "noticed": len(marks) - len(survivors)},
        violations=[f"nobody noticed: {name}" for name in survivors],
        wall_s=time.perf_counter() - began_s,
        table=in_markdown(marks),
    )


def in_markdown(marks: Sequence[Mark]) -> str:
    """The exam as a table."""
    lines = ["| sabotage | noticed by | seeds | seconds |", "|---|---|--:|--:|"]
    for mark in marks:
        noticed = ", ".join(mark.invariants) or "**nobody**"
        sentence = SABOTAGES[mark.sabotage].sentence
        seeds = mark.seeds or f"over {EXAM_SEEDS_MAX}"
        row = f"| **{mark.sabotage}**: {sentence} | {noticed} | {seeds} | {mark.seconds:.1f} |"
        lines.append(row)
    return "\n".join(lines)


def _examine_named(name: str) -> Mark:
    return examine(SABOTAGES[name])


def _frames(history: History) -> int:
    return sum(len(stream["frames"]) for stream in history.streams)


def _leave_garbage() -> None:
    """A story makes next to none before its end: looking for it meanwhile costs an eighth."""
    gc.freeze()
    gc.disable()


@contextmanager
def _at_work(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    processes: int,
    called: str,
    console: Console,
) -> Iterator[Iterable[Result]]:
    """Results as they arrive, with a bar that says how far it is."""
    columns = (TextColumn(called), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    turn = min(SEEDS_EACH_TURN, max(1, len(items) // (4 * processes)))
    with (
        Progress(*columns, console=console) as progress,
        get_context("spawn").Pool(processes, _leave_garbage) as pool,
    ):
        arriving = pool.imap_unordered(work, items, chunksize=turn)
        yield progress.track(arriving, total=len(items))
