"""The picture of a run, drawn from its JSON alone."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.drawing import HUES, LIMIT, OTHER, OURS, TUNED, Dot, Line, Panel, Spread, dots, lines
from bench.drawing import picture as drawn

Document = Mapping[str, Any]
Rows = Sequence[Mapping[str, Any]]


COLOURS = "blue is tuned, green is no library"
BRIEF = {
    "(a) lock, update, insert, commit": "lock, update, insert",
    "(a) and the facts our rules ask for": "the same, and asking facts",
    "(b) one statement": "one statement, rules in SQL",
    "(c) lock first, then our rules": "lock first, then our rules",
    "pgbench, the same SQL as (a)": "pgbench: lock, update, insert",
}


def picture(document: Document) -> str:
    """As SVG, with a panel for everything that was run."""
    around = document["benchmarks"][0]["surroundings"]
    caption = (
        f"{around['cpus']} CPUs, {around['machine']}, PostgreSQL {around['postgresql']}, Python"
        f" {around['python']}, {around['date'][:10]}; dots are medians of {around['repeat']}"
        " repetitions, whiskers and bands their range; axes are logarithmic"
    )
    rows = {one["name"]: one["rows"] for one in document["benchmarks"]}
    return drawn("What a window costs, and how late it ends", caption, list(_panels(rows)))


def _panels(rows: Mapping[str, Rows]) -> Iterator[Panel]:
    if "peers" in rows:
        at_work = [row for row in rows["peers"] if row["setting"] == "at work"]
        yield _peers(
            at_work, "late_p99_ms", 1e-3, "Lateness, p99", f"100 windows a second end; {COLOURS}"
        )
        at_once = f"5,000 windows end in one instant; {COLOURS}"
        yield _peers(at_work, "all_fired_s", 1.0, "Until all are fired", at_once)
    if "accept" in rows:
        yield _variants(rows["accept"], "One accept, 1 client", "by the wall clock, durable")
    if "lifecycle" in rows:
        caption = "create, fall back, accept, complete: four commits"
        yield _variants(rows["lifecycle"], "One whole life, 1 client", caption)
    if "growth" in rows:
        yield from _growth(rows["growth"])
    if "contention" in rows:
        points = [
            (_leading(row["setting"]), _spread(row["each_us"], 1e-6)) for row in rows["contention"]
        ]
        winner = [
            (_leading(row["setting"]), _spread(row["winner_db_ms"], 1e-3))
            for row in rows["contention"]
        ]
        series = [Line("each", points, HUES[0]), Line("winner, in db", winner, HUES[2])]
        yield lines(
            "Contenders for one request",
            "time until all are answered, by their number",
            series,
            _count,
            duration,
        )


def _peers(rows: Rows, figure: str, unit_s: float, title: str, caption: str) -> Panel:
    found = [
        Dot(row["variant"], _spread(row[figure], unit_s), _colour(row["variant"])) for row in rows
    ]
    found.sort(key=lambda dot: dot.spread.middle)
    return dots(title, caption, found, duration)


def _variants(rows: Rows, title: str, caption: str) -> Panel:
    found = [
        Dot(_brief(row["variant"]), _spread(row["cost_us"], 1e-6), _colour(row["variant"]))
        for row in rows
        if row["setting"] == "1 client" and "own connection" not in row["variant"]
    ]
    found.sort(key=lambda dot: dot.spread.middle)
    return dots(title, caption, found, duration)


def _growth(rows: Rows) -> Iterator[Panel]:
    def line(label: str, figure: str, unit_s: float, colour: str) -> Line:
        points = [(_leading(row["setting"]), _spread(row[figure], unit_s)) for row in rows]
        return Line(label, points, colour)

    lateness = [
        line("p99", "late_p99_ms", 1e-3, HUES[0]),
        line("p50", "late_p50_ms", 1e-3, HUES[2]),
    ]
    caption = "by the number of armed windows; until others can see it"
    yield lines("Lateness as windows grow", caption, lateness, _count, duration)
    names = (("accept", "accept_us"), ("arm", "arm_us"), ("fire, in a batch", "fire_us"))
    costs = [
        line(label, figure, 1e-6, hue) for (label, figure), hue in zip(names, HUES, strict=False)
    ]
    caption = "of one row, by the number of armed windows"
    yield lines("Cost as windows grow", caption, costs, _count, duration)


def _spread(figure: Mapping[str, float], unit_s: float) -> Spread:
    return Spread(*(figure[name] * unit_s for name in ("median", "min", "max")))


def _colour(variant: str) -> str:
    if variant == "ours":
        return OURS
    if variant.startswith(("bare SQL", "pgbench")):
        return LIMIT
    return TUNED if variant.endswith("tuned") else OTHER


def _brief(variant: str) -> str:
    """Names of the table, short enough for a label."""
    return BRIEF.get(variant, variant)


def _leading(setting: str) -> float:
    """ "10,000 armed" counts 10,000."""
    return float(re.sub(r"\D.*", "", setting.replace(",", "")))


def _count(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def duration(seconds: float) -> str:
    """Three figures at most, and the unit that fits."""
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= size * 0.9995:
            number = seconds / size
            return f"{number:.3g} {unit}" if number < 999.5 else f"{number:,.0f} {unit}"
    return f"{seconds * 1e6:.2g} µs"
