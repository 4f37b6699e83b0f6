"""Results as JSON for machines and as tables for people."""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from rich.console import Console
from rich.table import Table

from bench.figures import Result, Verdict
from bench.options import Options

ROOT = Path(__file__).parents[1]
Surroundings = dict[str, Any]


async def surroundings(dsn: str, options: Options) -> Surroundings:
    """What somebody must know to compare two reports. A load above 0.5 at the start spoils them."""
    connection = await asyncpg.connect(dsn)
    try:
        server = await connection.fetchval("select current_setting('server_version')")
        durable = await connection.fetchval(
            "select string_agg(name || '=' || setting, ' ' order by name) from pg_settings"
            " where name in ('fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers')"
        )
    finally:
        await connection.close()
    return {
        "command": " ".join(["./dev bench", *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "--short", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--", "src", "bench")),
        "cpus": os.cpu_count(),
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "postgresql": server,
        "settings": durable,
        "load_at_start": round(os.getloadavg()[0], 2),
        "repeat": options.repeat,
        "scale": options.scale,
    }


def _git(*arguments: str) -> str | None:
    """None where there is no commit yet, or no git."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def kept(
    known: Sequence[dict[str, Any]], measured: dict[str, Any], order: Sequence[str]
) -> list[dict[str, Any]]:
    """What is known of all benchmarks, with this one in the place of an earlier run of it."""
    others = [one for one in known if one["name"] != measured["name"]]
    return sorted([*others, measured], key=lambda one: order.index(one["name"]))


def show_surroundings(console: Console, around: Surroundings) -> None:
    """The first thing to read."""
    console.print(" · ".join(f"{name} {value}" for name, value in around.items()), style="dim")


def show(console: Console, result: Result) -> None:
    """One table of figures, one of verdicts; medians, with the range over the repetitions."""
    console.print()
    console.print(_figures(result))
    if result.verdicts:
        console.print(_verdicts(result.verdicts))
    for note in result.notes:
        console.print(note, style="bold yellow")


def _figures(result: Result) -> Table:
    names = list(dict.fromkeys(name for row in result.rows for name in row.figures))
    table = Table("", "", title=f"{result.name}: {result.question}", title_justify="left")
    for name in names:
        table.add_column(name, justify="right")
    previous = None
    for row in result.rows:
        if previous not in (None, row.setting):
            table.add_section()
        cells = [str(row.figures[name]) if name in row.figures else "" for name in names]
        table.add_row("" if row.setting == previous else row.setting, row.variant, *cells)
        previous = row.setting
    return table


def _verdicts(verdicts: Sequence[Verdict]) -> Table:
    table = Table("", "figure", "bar", "", title_justify="left")
    words = {None: "", True: "[green]holds", False: "[bold red]MISSED"}
    for one in verdicts:
        bar = "" if one.bar is None else f"≤ {one.bar:g}"
        table.add_row(one.what, str(one.figure), bar, words[one.holds])
    return table
