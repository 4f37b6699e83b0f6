"""The real thing under a monkey: nothing is lost, nothing is told early, everything ends."""

import subprocess
import sys
from pathlib import Path

from headstart.lab.evidence import Evidence

REQUESTS = 70
KILLS = 5
SEED = 2026
SEEDS_UNTIL_IT_IS_NOTICED_MAX = 3


def test_servers_and_database_are_killed_while_people_book_and_accept(tmp_path: Path) -> None:
    evidence = chaos(tmp_path, f"--requests={REQUESTS}", f"--kills={KILLS}")
    assert evidence.violations == []
    figures = evidence.figures
    assert figures["session requests"] == figures["paid"] == REQUESTS
    assert figures["kills"] == KILLS
    assert int(figures["database restarts"]) >= 1
    assert int(figures["frames"]) > REQUESTS
    assert int(figures["sights judged"]) > REQUESTS, "by row-level security, both ways"
    moved = int(figures["capture"]) + int(figures["cancel"]) + int(figures["refund"])
    assert moved > 0, "there was money to be judged"


def test_the_judge_of_the_real_thing_is_not_blind(tmp_path: Path) -> None:
    """Servers that leak, and that do not ask the database to keep what it acknowledges."""
    broken = ("--sabotage=early leak", "--sabotage=commits that are not kept")
    noticed: set[str] = set()
    for seed in range(SEED, SEED + SEEDS_UNTIL_IT_IS_NOTICED_MAX):
        evidence = chaos(tmp_path, "--requests=40", "--kills=0", *broken, seed=seed)
        noticed |= {violation.split()[3].strip(":") for violation in evidence.violations}
        if {"I5", "W"} <= noticed and noticed & {"I2", "I3"}:
            break
    assert "I5" in noticed, "somebody was told what is not for them"
    assert "W" in noticed, "and the database would not have shown it"
    assert noticed & {"I2", "I3"}, "a yes, or a payment, was acknowledged and lost"


def test_the_judge_of_the_real_thing_looks_into_the_books(tmp_path: Path) -> None:
    """Servers that write down what they owe as done, and do nothing."""
    broken = "--sabotage=money that is only talked about"
    evidence = chaos(tmp_path, "--requests=16", "--kills=0", broken)
    assert "M1" in {violation.split()[3].strip(":") for violation in evidence.violations}


def chaos(directory: Path, *arguments: str, seed: int = SEED) -> Evidence:
    """A short run, as a person starts it, and what it leaves behind."""
    command = [sys.executable, "-m", "headstart.lab.chaos", "--short", f"--seed={seed}"]
    done = subprocess.run(
        [*command, *arguments, "--report", str(directory)], capture_output=True, text=True
    )
    assert (directory / "monkey.json").exists(), done.stdout + done.stderr
    return Evidence.read(directory / "monkey.json")
