"""The plan's eight success criteria, and the promises whose checks decide each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headstart.lab.checks import Check, Findings


@dataclass(frozen=True, slots=True)
class Criterion:
    """``deciding``: promises by scenario and id; ``2`` alone stands for all of scenario 2."""

    number: int
    title: str
    text: str
    deciding: Sequence[str]

    def checks(self, findings: Sequence[Findings]) -> Mapping[str, Sequence[Check]]:
        """The checks that ran, by promise."""
        return {
            f"{found.scenario.id}.{promise}": [
                one for one in found.checks if one.promise == promise
            ]
            for found in findings
            for promise in found.scenario.promises
            if {found.scenario.id, f"{found.scenario.id}.{promise}"} & set(self.deciding)
        }

    def verdict(self, findings: Sequence[Findings]) -> bool | None:
        """None when not all that decides it was played."""
        played = {found.scenario.id for found in findings}
        if {one.partition(".")[0] for one in self.deciding} - played:
            return None
        return all(check.passed for checks in self.checks(findings).values() for check in checks)


CRITERIA = (
    Criterion(
        1,
        "Priority Notification",
        "Preferred mechanic receives targeted notification",
        ("1.E1", "1.E2", "1.H1", "2.E1", "3.E1"),
    ),
    Criterion(
        2,
        "Fallback Broadcast",
        "System broadcasts after 10 min if no response",
        ("2.E2", "2.E3", "2.E4", "2.V2", "3.E2", "3.E3", "3.E4", "3.V2"),
    ),
    Criterion(
        3,
        "No Stuck Sessions",
        "Customer never waits indefinitely",
        ("2.E6", "3.E5", "6", "7"),
    ),
    Criterion(
        4,
        "Feature Flag Gating",
        "All priority logic skipped when flag OFF",
        ("5", "8.S4"),
    ),
    Criterion(
        5,
        "Backward Compatible",
        "Standard broadcast unchanged",
        ("4", "5.E4"),
    ),
    Criterion(
        6,
        "Error Resilient",
        "Falls back to broadcast on ANY error",
        ("7", "8", "9"),
    ),
    Criterion(
        7,
        "Metadata Logged",
        "All priority events recorded in session metadata",
        ("1.V1", "1.V2", "1.H2", "2.V1", "2.V2", "2.H1", "3.V1", "3.V2", "3.H1", "8.S2", "9"),
    ),
    Criterion(
        8,
        "No Breaking Changes",
        "Existing flows work identically",
        ("1.H3", "4.V3", "5.E4", "10"),
    ),
)
