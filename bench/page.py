"""The tables of a run as Markdown, put between the markers of a page."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.figures import Figure

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
WORDS = {None: "", True: "holds", False: "**missed**"}
UNITS = {"us": "µs", "ms": "ms", "s": "s"}


def put_between_the_markers(page: Path, document: Mapping[str, Any], picture: str | None) -> None:
    """Replace what an earlier run left there."""
    text = page.read_text()
    head, _, rest = text.partition(BEGIN)
    _, marker, tail = rest.partition(END)
    if not marker:
        raise ValueError(f"{page} has no line {BEGIN!r} before a line {END!r}")
    image = [f"![The figures below, drawn]({picture})", ""] if picture else []
    body = "\n".join(["", *image, *_lines(document), ""])
    page.write_text(f"{head}{BEGIN}\n{body}\n{END}{tail}")


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    before = None
    for benchmark in document["benchmarks"]:
        around = benchmark["surroundings"]
        if around != before:
            yield from _around(around)
        before = around
        yield from ("", f"### {benchmark['name']}: {benchmark['question']}", "")
        yield from _figures(benchmark["rows"])
        if benchmark["verdicts"]:
            yield from ("", "| | figure | bar | |", "|---|--:|--:|---|")
        for verdict in benchmark["verdicts"]:
            bar = "" if verdict["bar"] is None else f"≤ {verdict['bar']:g}"
            shown = Figure(verdict["values"])
            yield f"| {verdict['what']} | {shown} | {bar} | {WORDS[verdict['holds']]} |"
        for note in benchmark["notes"]:
            yield from ("", note[0].upper() + note[1:] + ".")


def _around(around: Mapping[str, Any]) -> Iterator[str]:
    changed = " with uncommitted changes" if around["uncommitted_changes"] else ""
    yield from ("", "```console", f"$ {around['command']}", "```", "")
    yield (
        f"{around['date'][:16].replace('T', ' ')} UTC, commit {around['commit']}{changed}:"
        f" {around['cpus']} CPUs, {around['machine']}, Python {around['python']}, PostgreSQL"
        f" {around['postgresql']} ({around['settings']}), load {around['load_at_start']} at the"
        f" start. Median (least–most) of {around['repeat']} repetitions."
    )


def _figures(rows: list[dict[str, Any]]) -> Iterator[str]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    names = [name for name in names if name not in ("setting", "variant")]
    yield "| | | " + " | ".join(map(_words, names)) + " |"
    yield "|---|---|" + "--:|" * len(names)
    before = None
    for row in rows:
        setting = "" if row["setting"] == before else row["setting"]
        before = row["setting"]
        cells = [str(Figure(row[name]["values"])) if name in row else "" for name in names]
        yield f"| {setting} | {row['variant']} | {' | '.join(cells)} |"


def _words(name: str) -> str:
    """``late_p99_ms`` is "late p99, ms"; ``arm_16_per_s`` is "arm 16, per s"."""
    if name.endswith("per_s"):
        return f"{name.removesuffix('per_s').replace('_', ' ').strip()}, per s".removeprefix(", ")
    if (found := re.fullmatch(r"(.+)_(us|ms|s)", name)) is not None:
        return f"{found[1].replace('_', ' ')}, {UNITS[found[2]]}"
    return name.replace("_", " ")
