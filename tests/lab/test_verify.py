"""The plan's five scenarios and eight success criteria hold, and the report shows it."""

import os
import subprocess
import sys
from pathlib import Path

from headstart.lab.criteria import CRITERIA
from headstart.lab.verify import PLAYBILL

PATIENCE_S = 100


def test_every_promise_of_the_plan_is_kept(database_server: str, tmp_path: Path) -> None:
    verified = subprocess.run(
        [sys.executable, "-m", "headstart", "verify", "--report", "report.md"],
        cwd=tmp_path,
        env=os.environ | {"DATABASE_URL": database_server},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    report = (tmp_path / "report.md").read_text()
    assert report.count(" | passed | ") == len(CRITERIA)
    assert "✗" not in report
    assert str(tmp_path) not in report
    for scenario in PLAYBILL:
        assert f"## Scenario {scenario.id}: {scenario.title}" in report
