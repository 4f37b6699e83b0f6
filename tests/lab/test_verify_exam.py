"""Verification that cannot fail is worth nothing: each broken copy of the program is caught.

A copy of the source is broken in one place, and ``headstart verify`` of that copy has to fail, with
the check that names the promise it broke. The program itself has no switch for any of this.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

import headstart

SOURCE = Path(headstart.__file__).parent
PATIENCE_S = 100
AT_A_TIME = 2


@dataclass(frozen=True, slots=True)
class Sabotage:
    """In one file, what stands there, and what stands there instead; and who notices."""

    name: str
    file: str
    sound: str
    broken: str
    scenario: str
    noticed_by: str


SABOTAGES = (
    Sabotage(
        "the offer is told to every mechanic",
        "core/audience.py",
        "return (Notice(FEED_TOPIC, name, OneMechanic(mechanic), card=True),)",
        "return (Notice(FEED_TOPIC, name, EveryMechanic(), card=True),)",
        "1",
        "no other mechanic is told it (stream, replay), can list it or look at it",
    ),
    Sabotage(
        "deadlines are not enforced",
        "app/deadlines.py",
        "acted = await self._exhaust(self._dispatcher.enforce_due)",
        "acted = 0",
        "2",
        "Carla is told new_request at 10:00",
    ),
    Sabotage(
        "the flag is always on",
        "app/flags.py",
        "return flag.enabled and",
        "return True or",
        "5",
        "Fay (favourite) is told new_request",
    ),
    Sabotage(
        "the metadata forgets when the favourite was told",
        "store/migrations/0001_initial.sql",
        "        'priority_notified_at', iso_instant(priority_notified_at),\n",
        "",
        "1",
        "metadata has priority_notified_at",
    ),
    Sabotage(
        "the fallback has the wrong reason",
        "core/decide.py",
        "else FallbackReason.NO_RESPONSE",
        "else FallbackReason.CUSTOMER_SKIPPED",
        "2",
        "the stored reason is no_response",
    ),
)


Run = Future["subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def runs(
    database_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Run]]:
    """The broken copies at work, two at a time."""
    with ThreadPoolExecutor(AT_A_TIME) as hands:
        yield {
            sabotage.name: hands.submit(
                _verify, sabotage, tmp_path_factory.mktemp("broken"), database_server
            )
            for sabotage in SABOTAGES
        }
        hands.shutdown(cancel_futures=True)


def _verify(
    sabotage: Sabotage, place: Path, database_server: str
) -> "subprocess.CompletedProcess[str]":
    shutil.copytree(SOURCE, place / "headstart")
    target = place / "headstart" / sabotage.file
    text = target.read_text()
    assert text.count(sabotage.sound) == 1, "the sabotage fits the source"
    target.write_text(text.replace(sabotage.sound, sabotage.broken))
    return subprocess.run(
        [sys.executable, "-m", "headstart", "verify", "--only", sabotage.scenario],
        cwd=place,
        env=os.environ | {"DATABASE_URL": database_server, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
def test_it_is_noticed(sabotage: Sabotage, runs: Mapping[str, Run]) -> None:
    verified = runs[sabotage.name].result()
    assert verified.returncode == 1, verified.stdout + verified.stderr
    assert sabotage.noticed_by in _failed(verified.stdout), verified.stdout


def _failed(output: str) -> str:
    """The rows of the checks that failed, in one line each, however they were folded."""
    rows: list[str] = []
    for line in output.splitlines():
        begins = line[:8].strip()
        text = line.replace("✗", "").replace("✓", "")
        if begins:
            rows.append(("✗" if "✗" in line else "✓") + " " + text.strip())
        elif rows:
            rows[-1] += f" {text.strip()}"
    return "\n".join(row for row in rows if row.startswith("✗"))
