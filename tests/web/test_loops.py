"""What runs beside the requests: should one of the loops end, a person is told."""

import pytest
from structlog.testing import capture_logs

from headstart.app.attendance import Attendance
from tests.web.conftest import world_on


async def test_a_loop_that_ends_is_reported(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: Attendance) -> None:
        raise RuntimeError("over")

    broken.__qualname__ = "Attendance.run"
    monkeypatch.setattr(Attendance, "run", broken)
    with capture_logs() as logged:
        async with world_on(database):
            pass
    [told] = [one for one in logged if one["event"] == "loop_ended"]
    assert (told["log_level"], told["loop"], str(told["exc_info"])) == (
        *("error", "Attendance.run"),
        "over",
    )
