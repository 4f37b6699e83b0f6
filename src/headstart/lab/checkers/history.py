"""What is judged, and what a judgement says."""

from dataclasses import dataclass, field
from typing import Any

INVARIANTS = {
    "I1": "a request has one match at a time",
    "I2": "an acknowledged command has had its effect, and a refused one never has",
    "I3": "every payment makes exactly one request, and nothing else makes any",
    "I4": "a window is never shorter than promised, unless for the reason that is given",
    "I5": "nobody but the favourite can learn of a request before it is broadcast",
    "I6": "whoever may accept now wins, and a refusal says what is true",
    "I7": "who is asked or wins is approved and has no other job",
    "I8": "the log of a request has no gaps and one order, and its time never runs backwards",
    "I9": "the stored row is what the log adds up to",
    "I10": "a request falls back at most once, and keeps the reason of what ended",
    "I11": "with the flag off there is nothing of priority, and the flag's answer is for good",
    "I12": "who declined, withdrew or did not join is never asked again and never wins",
    "M1": "what was paid is kept for a served request, and otherwise given back in full",
    "M2": "nothing is taken twice, and nothing is given back twice",
    "M3": "money is taken only after somebody accepted, and given back only after the end",
    "M4": "nobody works unpaid, and nobody is told so who has paid",
    "M5": "a customer has one live request at a time, and nothing is lost for one they do not have",
    "L1": "every request comes to an end, and every payment is acknowledged",
    "L2": "once nothing breaks any more, every deadline is met at once",
    "L3": "everybody is told everything meant for them, once, in order, and nothing else",
    "L4": "every payment is noticed, and every debt settled, or left to a person for a reason",
    "W": "what anybody saw, the database would have shown them; what it would, was not denied",
    "E": "nothing fails in a way that nobody thought of",
}

Plain = dict[str, Any]
Interval = tuple[str, float, float]  # whom it is about, from when, until when


@dataclass(slots=True)
class History:
    """Plain values. Times are seconds since the beginning.

    Operations end ``ok``, ``fail`` or ``unknown``; the last is never folded into either. The log is
    in the order of committing; ``cursor`` is the order of reading.

    ``terms`` say what was promised, and, where the world is real, how exact its clocks are:
    ``slack_s`` may pass until a commit is seen by everybody, ``soon_s`` until a deadline is acted
    on, ``told_s`` until a stream has brought its news, ``debt_s`` until a debt is settled.

    ``money`` is the payment service's ledger, ``debts`` is what was to be done there.
    """

    seed: int
    terms: Plain = field(default_factory=dict)
    operations: list[Plain] = field(default_factory=list)
    streams: list[Plain] = field(default_factory=list)
    payments: list[Plain] = field(default_factory=list)
    log: list[Plain] = field(default_factory=list)
    final: list[Plain] = field(default_factory=list)
    suspensions: list[Interval] = field(default_factory=list)
    presence: list[Interval] = field(default_factory=list)
    favorites: set[tuple[str, str]] = field(default_factory=set)
    flags: list[tuple[float, bool]] = field(default_factory=list)
    money: list[Plain] = field(default_factory=list)
    debts: list[Plain] = field(default_factory=list)
    against_the_wall: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    healed_s: float = 0.0
    ended_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise. ``request`` is empty when it is about no single one."""

    invariant: str
    request: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A finding, with the seed that repeats it and the rows of the log that show it."""

    seed: int
    finding: Finding
    story: tuple[str, ...]

    def __str__(self) -> str:
        found = self.finding
        return "\n".join(
            [
                f"seed {self.seed} breaks {found.invariant}: {INVARIANTS[found.invariant]}",
                f"  {found.request or 'everybody'}: {found.sentence}",
                *(f"    {line}" for line in self.story),
            ]
        )
