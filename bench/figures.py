"""What a benchmark brings home: samples, figures with their spread, and verdicts against a bar."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least ``share`` of all samples do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1)]


@dataclass(frozen=True, slots=True)
class Figure:
    """One quantity, measured once per repetition. The median stands for it."""

    values: Sequence[float]

    @property
    def middle(self) -> float:
        """Half of the repetitions were better."""
        return median(self.values)

    def over(self, other: "Figure") -> "Figure":
        """The ratio, repetition by repetition: what slowed the machine slowed both."""
        return Figure(
            [mine / theirs for mine, theirs in zip(self.values, other.values, strict=True)]
        )

    def __str__(self) -> str:
        low, high = min(self.values), max(self.values)
        shown = _short(self.middle)
        return shown if len(self.values) == 1 else f"{shown} ({_short(low)}–{_short(high)})"

    def as_json(self) -> dict[str, Any]:
        """Every repetition is kept, so that nobody has to trust the median."""
        low, high = min(self.values), max(self.values)
        return {"median": self.middle, "min": low, "max": high, "values": list(self.values)}


def _short(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


@dataclass(frozen=True, slots=True)
class Row:
    """One variant in one setting; the figures by name, their unit last."""

    setting: str
    variant: str
    figures: dict[str, Figure]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A figure and, where there is a promise, the bar that its median must not exceed."""

    what: str
    figure: Figure
    bar: float | None = None

    @property
    def holds(self) -> bool | None:
        """None without a bar."""
        return None if self.bar is None else self.figure.middle <= self.bar


@dataclass(slots=True)
class Result:
    """Everything one benchmark found out. ``notes`` say what was not run."""

    name: str
    question: str
    rows: list[Row] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "question": self.question,
            "rows": [
                {
                    "setting": row.setting,
                    "variant": row.variant,
                    **{name: figure.as_json() for name, figure in row.figures.items()},
                }
                for row in self.rows
            ],
            "verdicts": [
                {"what": one.what, "bar": one.bar, "holds": one.holds, **one.figure.as_json()}
                for one in self.verdicts
            ],
            "notes": self.notes,
        }


class Tally:
    """Collects measurements as they are made, repetition after repetition."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], dict[str, list[float]]] = {}

    def add(self, setting: str, variant: str, **figures: float) -> None:
        """One repetition of one variant in one setting."""
        row = self._values.setdefault((setting, variant), {})
        for name, value in figures.items():
            row.setdefault(name, []).append(value)

    def rows(self) -> list[Row]:
        """In the order of first appearance."""
        return [
            Row(setting, variant, {name: Figure(values) for name, values in figures.items()})
            for (setting, variant), figures in self._values.items()
        ]

    def figure(self, setting: str, variant: str, name: str) -> Figure:
        """One cell."""
        return Figure(self._values[setting, variant][name])

    def has(self, setting: str, variant: str) -> bool:
        """Was it measured?"""
        return (setting, variant) in self._values
