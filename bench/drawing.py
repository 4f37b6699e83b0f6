"""Panels of a picture as SVG: rows of dots, and lines, on logarithmic axes. No library needed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log10
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH = 500.0  # of one panel
TOP = 58.0  # for its title
ROW = 21.0
LINES_HEIGHT = 230.0
LABELS = 188.0  # for the names of rows
VALUES = 62.0  # for the figures behind them
MARGIN = 18.0
FLOOR = 1e-9

INK, FAINT, GRID, PAPER = "#1f2933", "#66727f", "#e4e8ec", "#ffffff"
OURS, LIMIT, OTHER, TUNED, BAR = "#d1495b", "#2e7d6b", "#8b98a5", "#4a6fa5", "#d1495b"
HUES = ("#d1495b", "#2e7d6b", "#4a6fa5", "#c98a1b", "#7a5195")

STYLE = f"""text {{ font: 12px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: {INK} }}
.title {{ font-size: 14px; font-weight: 600 }} .faint {{ fill: {FAINT}; font-size: 11px }}
.value {{ font-size: 11px; font-variant-numeric: tabular-nums }} .ours {{ font-weight: 600 }}"""


class Spread(NamedTuple):
    """Median, least and most."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Dot:
    """One row: a name, what was measured, and its colour."""

    label: str
    spread: Spread
    colour: str = OTHER


@dataclass(frozen=True, slots=True)
class Line:
    """One series: a name, points, and its colour."""

    label: str
    points: Sequence[tuple[float, Spread]]
    colour: str


Shown = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Panel:
    """A finished panel: its height, and its elements with the origin at its corner."""

    height: float
    body: str


class _Axis:
    """A logarithmic axis over whole decades, or a linear one from zero where so told."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self._low = floor(log10(max(FLOOR, min(values))) + 1e-9)
        self._high = max(self._low + 1, ceil(log10(max(FLOOR, *values)) - 1e-9))
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        """Where a value is drawn."""
        share = (log10(max(value, 10.0**self._low)) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    def ticks(self) -> Iterator[float]:
        """Every decade."""
        yield from (10.0**power for power in range(self._low, self._high + 1))


def dots(
    title: str, caption: str, rows: Sequence[Dot], shown: Shown, *, bar: float | None = None
) -> Panel:
    """Rows of dots with their range as a whisker; a dashed line where the bar is."""
    bottom = TOP + ROW * len(rows)
    values = [one for row in rows for one in (row.spread.low, row.spread.high)]
    axis = _Axis([*values, *([bar] if bar else [])], LABELS, WIDTH - VALUES - MARGIN)
    parts = [_title(title, caption)]
    for tick in axis.ticks():
        parts.append(_line(axis.at(tick), TOP - 4, axis.at(tick), bottom, GRID))
        parts.append(_text(axis.at(tick), bottom + 15, shown(tick), "faint", "middle"))
    if bar:
        dash = 'stroke-dasharray="4 3"'
        parts.append(_line(axis.at(bar), TOP - 4, axis.at(bar), bottom, BAR, dash))
        parts.append(_text(axis.at(bar) + 4, TOP - 7, f"bar {shown(bar)}", "faint"))
    for index, row in enumerate(rows):
        y = TOP + ROW * (index + 0.5)
        left, right = axis.at(row.spread.low), axis.at(row.spread.high)
        kind = "ours" if row.colour == OURS else ""
        parts.append(_text(LABELS - 10, y + 4, row.label, kind, "end"))
        parts.append(_line(left, y, right, y, row.colour, 'stroke-width="2.5" opacity="0.45"'))
        parts.append(_circle(axis.at(row.spread.middle), y, row.colour))
        value = shown(row.spread.middle)
        parts.append(_text(WIDTH - MARGIN, y + 4, value, f"value {kind}", "end"))
    return Panel(bottom + 34, "".join(parts))


def lines(
    title: str, caption: str, series: Sequence[Line], x_shown: Shown, y_shown: Shown
) -> Panel:
    """Lines over a logarithmic axis, each with its range as a band."""
    bottom, left, right = TOP + LINES_HEIGHT, 62.0, WIDTH - MARGIN - 92
    points = [point for line in series for point in line.points]
    x_axis = _Axis([x for x, _ in points], left, right)
    spreads = [one for _, spread in points for one in (spread.low, spread.high)]
    y_axis = _Axis(spreads, bottom, TOP)
    parts = [_title(title, caption)]
    for tick in y_axis.ticks():
        parts.append(_line(left, y_axis.at(tick), right, y_axis.at(tick), GRID))
        parts.append(_text(left - 8, y_axis.at(tick) + 4, y_shown(tick), "faint", "end"))
    for tick in x_axis.ticks():
        parts.append(_text(x_axis.at(tick), bottom + 16, x_shown(tick), "faint", "middle"))
    ends = _apart([y_axis.at(line.points[-1][1].middle) for line in series])
    for line, end in zip(series, ends, strict=True):
        upper = [(x_axis.at(x), y_axis.at(spread.high)) for x, spread in line.points]
        lower = [(x_axis.at(x), y_axis.at(spread.low)) for x, spread in line.points]
        middle = [(x_axis.at(x), y_axis.at(spread.middle)) for x, spread in line.points]
        band = _path([*upper, *reversed(lower)])
        parts.append(f'<polygon points="{band}" fill="{line.colour}" opacity="0.14"/>')
        stroke = f'fill="none" stroke="{line.colour}" stroke-width="2"'
        parts.append(f'<polyline points="{_path(middle)}" {stroke}/>')
        parts += [_circle(x, y, line.colour) for x, y in middle]
        parts.append(_text(right + 10, end + 4, line.label, "", colour=line.colour))
    return Panel(bottom + 34, "".join(parts))


def picture(title: str, caption: str, panels: Sequence[Panel]) -> str:
    """Panels in two columns, each put where there is more room."""
    heights = [76.0, 76.0]
    placed = []
    for panel in panels:
        column = heights.index(min(heights))
        x = MARGIN + column * (WIDTH + MARGIN)
        placed.append(f'<g transform="translate({x:g} {heights[column]:g})">{panel.body}</g>')
        heights[column] += panel.height
    width, height = 2 * WIDTH + 3 * MARGIN, max(heights) + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        f' width="{width:g}" height="{height:g}" role="img">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
        f'<rect width="100%" height="100%" fill="{PAPER}"/>'
        f'<text x="{2 * MARGIN:g}" y="36" style="font-size:19px;font-weight:700">'
        f"{escape(title)}</text>"
        f"{_text(2 * MARGIN, 56, caption, 'faint')}{''.join(placed)}</svg>\n"
    )


def _apart(places: Sequence[float], least: float = 15.0) -> list[float]:
    """Labels that do not cover each other, each as near to its line as can be."""
    found = list(places)
    order = sorted(range(len(places)), key=lambda index: places[index])
    for before, after in pairwise(order):
        found[after] = max(found[after], found[before] + least)
    return found


def _title(title: str, caption: str) -> str:
    return _text(MARGIN, 20, title, "title") + _text(MARGIN, 37, caption, "faint")


def _text(
    x: float, y: float, said: str, kind: str = "", anchor: str = "start", *, colour: str = ""
) -> str:
    style = f' style="fill:{colour}"' if colour else ""
    place = f'x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}"'
    return f"<text {place}{style}>{escape(said)}</text>"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    place = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {place} stroke="{colour}" {more}/>'


def _circle(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
