"""Charts as shapes: where every column and every point stands. A template draws them as SVG.

One unit is one pixel of a chart that is WIDTH wide. The figures themselves stand in a table beside
each chart, so a chart is never the only place of anything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 12, 26
LABELS_MAX = 8
GAP = 0.25  # of a column's place
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across, and what it stands for."""

    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Label:
    """A word under the chart."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """One part of a column."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Line:
    """One series: the points there are, and the stretches between neighbours."""

    kind: str
    paths: Sequence[str]
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that is drawn, and the words for whoever does not see it."""

    name: str
    title: str
    said: str
    legend: Sequence[tuple[str, str]]
    ticks: Sequence[Tick]
    labels: Sequence[Label]
    blocks: Sequence[Block] = ()
    lines: Sequence[Line] = ()
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = RIGHT


@dataclass(frozen=True, slots=True)
class Series:
    """What is shown of every place in turn; None where there is nothing to show."""

    kind: str
    name: str
    values: Sequence[float | None]


def stacked(
    name: str, title: str, said: str, places: Sequence[str], series: Sequence[Series]
) -> Chart:
    """Columns of parts, the first part at the bottom."""
    totals = [sum(one.values[at] or 0 for one in series) for at in range(len(places))]
    scale = _Scale(max(totals, default=0), len(places))
    blocks = []
    for at in range(len(places)):
        below = 0.0
        for one in series:
            value = one.values[at] or 0
            if value:
                top, bottom = scale.y(below + value), scale.y(below)
                x, width = scale.x(at) + scale.step * GAP / 2, scale.step * (1 - GAP)
                blocks.append(Block(one.kind, _r(x), _r(top), _r(width), _r(bottom - top)))
            below += value
    legend = [(one.kind, one.name) for one in series]
    return Chart(
        name, title, said, legend, scale.ticks(_count), _labels(places, scale), blocks=blocks
    )


def lined(
    name: str, title: str, said: str, places: Sequence[str], series: Sequence[Series]
) -> Chart:
    """One line for each series, broken where there is nothing; lengths of time, in seconds."""
    highest = max((value for one in series for value in one.values if value is not None), default=0)
    scale = _Scale(highest / 60, len(places))
    return Chart(
        name,
        title,
        said,
        [(one.kind, one.name) for one in series],
        scale.ticks(_minutes),
        _labels(places, scale),
        lines=[_line(one, scale) for one in series],
    )


def _line(series: Series, scale: "_Scale") -> Line:
    points: list[tuple[float, float]] = []
    stretches: list[list[str]] = [[]]
    for at, value in enumerate(series.values):
        if value is None:
            stretches.append([])
            continue
        x, y = _r(scale.x(at) + scale.step / 2), _r(scale.y(value / 60))
        points.append((x, y))
        stretches[-1].append(f"{x},{y}")
    return Line(series.kind, [" ".join(one) for one in stretches if len(one) > 1], points)


class _Scale:
    """From values to places, with a round number at the top."""

    def __init__(self, highest: float, places: int) -> None:
        self.top = _round_above(highest)
        self.step = (WIDTH - LEFT - RIGHT) / max(1, places)

    def x(self, at: int) -> float:
        """Where a place begins."""
        return LEFT + at * self.step

    def y(self, value: float) -> float:
        """How far down a value is."""
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / self.top)

    def ticks(self, words: Callable[[float], str]) -> Sequence[Tick]:
        """Nothing, half, and the top."""
        values = [0, self.top] if self.top % 2 else [0, self.top / 2, self.top]
        return [Tick(_r(self.y(value)), words(value)) for value in values]


def _labels(places: Sequence[str], scale: _Scale) -> Sequence[Label]:
    every = ceil(len(places) / LABELS_MAX) or 1
    return [
        Label(_r(scale.x(at) + scale.step / 2), place)
        for at, place in enumerate(places)
        if at % every == 0
    ]


def _round_above(value: float) -> int:
    """The least of 1, 2, 5, 10, 20, 50 … that is not below."""
    power = 1
    while True:
        for step in _STEPS:
            if step * power >= value:
                return step * power
        power *= 10


def _count(value: float) -> str:
    return f"{value:.0f}"


def _minutes(value: float) -> str:
    return f"{value:g} min"


def _r(value: float) -> float:
    return round(value, 1)
