"""When an operator has to look: every bound from both of its sides."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headstart.app import watch
from headstart.app.watch import Tone, alarms, tone_of_age

NOW = datetime(2025, 11, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WELL: dict[str, Any] = {"pending": 0, "oldest": None, "unfilled": 0, "matched": 0} | {
    "match_p50_s": None
}


def test_age_is_told_in_fifths_of_its_limit() -> None:
    begun, limit = NOW, NOW + timedelta(seconds=100)
    tones = [tone_of_age(begun, limit, begun + at * SECOND) for at in (0, 79, 80, 99, 100, 500)]
    assert tones == [Tone.WELL, Tone.WELL, Tone.SOON, Tone.SOON, Tone.BAD, Tone.BAD]
    assert tone_of_age(NOW, NOW, NOW) is Tone.BAD
    assert tone_of_age(NOW, None, NOW) is Tone.UNKNOWN


@pytest.mark.parametrize(
    ("name", "pulse", "tone"),
    [
        pytest.param("unfilled", {"unfilled": 6, "matched": 14}, Tone.WELL, id="thirty per cent"),
        pytest.param("unfilled", {"unfilled": 7, "matched": 14}, Tone.BAD, id="a third"),
        pytest.param("unfilled", {"unfilled": 19, "matched": 0}, Tone.UNKNOWN, id="all of few"),
        pytest.param("pending", {"pending": 10}, Tone.WELL, id="ten wait"),
        pytest.param("pending", {"pending": 11}, Tone.BAD, id="eleven wait"),
        pytest.param("oldest", {"oldest": NOW - watch.PENDING_AGE_MAX}, Tone.WELL, id="half hour"),
        pytest.param(
            "oldest", {"oldest": NOW - watch.PENDING_AGE_MAX - SECOND}, Tone.BAD, id="and a second"
        ),
        pytest.param(
            "time_to_match", {"matched": 20, "match_p50_s": 300.0}, Tone.WELL, id="five minutes"
        ),
        pytest.param(
            "time_to_match", {"matched": 20, "match_p50_s": 301.0}, Tone.BAD, id="a second more"
        ),
        pytest.param(
            "time_to_match", {"matched": 19, "match_p50_s": 9e3}, Tone.UNKNOWN, id="slow but few"
        ),
    ],
)
def test_an_alarm_says_what_it_found(name: str, pulse: dict[str, Any], tone: Tone) -> None:
    [alarm] = [one for one in alarms(WELL | {"match_p50_s": 1.0} | pulse, NOW) if one.name == name]
    assert alarm.tone is tone
    assert not any(sign in alarm.said for sign in ("None", "nan", "{"))


def test_a_shop_where_nothing_has_happened_is_calm() -> None:
    assert {one.tone for one in alarms(WELL, NOW)} <= {Tone.WELL, Tone.UNKNOWN}
