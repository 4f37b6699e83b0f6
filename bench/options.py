"""How much of everything: full size, or a fraction to see that it runs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """``scale`` shrinks the world; figures from a shrunken one are not comparable."""

    repeat: int = 5
    scale: float = 1.0
    crowd: int = 1000

    def scaled(self, number: int) -> int:
        """At least a few, so that percentiles exist."""
        return max(20, round(number * self.scale))
