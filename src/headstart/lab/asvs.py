"""The map of OWASP ASVS 5.0.0: what each requirement of levels 1 and 2 is met by, or why it is not.

The map is ``docs/reference/asvs.toml``, kept by people; the page beside it is made from it.
"""

import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.lab.reference_tables import code, table

MAP = Path(__file__).parents[3] / "docs" / "reference" / "asvs.toml"
CHAPTERS = (
    *("Encoding and sanitisation", "Validation and business logic", "Web front end"),
    *("API and web service", "Files", "Authentication", "Sessions", "Authorisation"),
    *("Self-contained tokens", "OAuth and OpenID Connect", "Cryptography", "Communication"),
    *("Configuration", "Data protection", "Code and architecture", "Logs and errors", "WebRTC"),
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement, and exactly one of three answers."""

    number: str
    level: int
    asks: str
    met: tuple[str, ...] = ()
    not_applicable: str = ""
    not_met: str = ""

    def __post_init__(self) -> None:
        answers = [bool(self.met), bool(self.not_applicable), bool(self.not_met)]
        if sum(answers) != 1 or not self.asks:
            raise ValueError(f"{self.number} needs one answer")

    @property
    def chapter(self) -> int:
        """Of the standard."""
        return int(self.number.partition(".")[0])

    @property
    def verdict(self) -> str:
        """In two words."""
        if self.met:
            return "met"
        return "not applicable" if self.not_applicable else "not met"

    @property
    def answer(self) -> str:
        """As the page says it."""
        if self.met:
            return "met by " + ", ".join(code(test.removeprefix("tests/")) for test in self.met)
        if self.not_applicable:
            return f"not applicable because: {self.not_applicable}"
        return f"**not met**: {self.not_met}"


def requirements(path: Path = MAP) -> Sequence[Requirement]:
    """All of them, in the standard's order; ValueError for one without exactly one answer."""
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        Requirement(number, **{**given, "met": tuple(given.get("met", ()))})
        for number, given in found.items()
    ]


def asvs_part() -> str:
    """How it stands, then chapter by chapter."""
    found = requirements()
    verdicts = Counter(one.verdict for one in found)
    parts = [
        f"{len(found)} requirements: {verdicts['met']} met, {verdicts['not applicable']} not"
        f" applicable, {verdicts['not met']} not met."
    ]
    for number, name in enumerate(CHAPTERS, 1):
        rows = [
            [one.number, str(one.level), one.asks, one.answer]
            for one in found
            if one.chapter == number
        ]
        parts += [f"### V{number} {name}", table(["", "level", "asks that", "answer"], rows)]
    return "\n\n".join(parts)
