"""What the doctor says: one line for each finding."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

SHOWN_MAX = 100  # of each check; the others are counted


class Severity(StrEnum):
    """A failure needs somebody now; a warning should be known."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """``check`` is what was looked at."""

    severity: Severity
    check: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity:8} {self.check}: {self.message}"


@dataclass(slots=True)
class Findings:
    """All of them, as far as they are worth keeping."""

    shown: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    failed: bool = False

    def say(self, severity: Severity, check: str, message: str) -> None:
        """One finding."""
        self.failed |= severity is Severity.FAILURE
        self.counts[check] += 1
        if self.counts[check] <= SHOWN_MAX:
            self.shown.append(Finding(severity, check, message))
        elif self.counts[check] == SHOWN_MAX + 1:
            self.shown.append(Finding(severity, check, "and more of the kind"))

    def fail(self, check: str, messages: Iterable[str]) -> None:
        """Failures."""
        for message in messages:
            self.say(Severity.FAILURE, check, message)

    def conclude(self, check: str, message: str) -> None:
        """What was looked at, if nothing was found."""
        if not self.counts[check]:
            self.say(Severity.OK, check, message)
