"""One row of an older system: what it says is taken over, and what it cannot say is reported."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.app.older.notes import text_of, time_of
from headstart.app.older.priority import MIRRORED
from headstart.app.older.reading import Fate, Reader, Reading
from headstart.app.older.report import shown
from headstart.app.ports import Existing, OlderRow, Past
from headstart.core import events as happened
from headstart.core.request import Cancelled, Completed, FallbackReason, MechanicId, Unfilled
from headstart.store.rows import event_kind, request_row

ID, CUSTOMER, STRANGER = (UUID(int=number) for number in range(1, 4))
FAVORITE, OTHER = MechanicId(UUID(int=4)), MechanicId(UUID(int=5))
NOW = datetime(2025, 11, 2, 12, tzinfo=UTC)
MADE = NOW - timedelta(days=3)
PRIORITY = {
    "routing_type": "priority_broadcast",
    "preferred_mechanic_id": str(FAVORITE),
    "priority_notified_at": (MADE + timedelta(seconds=1)).isoformat(),
    "priority_window_minutes": 10,
}
FELL_BACK = {"fallback_broadcast_at": (MADE + timedelta(minutes=10)).isoformat()}


def read(metadata: Any = None, *, known: bool = False, **columns: Any) -> Reading:
    """A row that somebody accepted five minutes after it was made, but for what is said here."""
    row = {
        "customer_id": str(CUSTOMER),
        "mechanic_id": str(OTHER),
        "status": "accepted",
        "session_type": "video",
        "created_at": MADE.isoformat(),
        "accepted_at": (MADE + timedelta(minutes=15)).isoformat(),
        "metadata": metadata,
        **columns,
    }
    existing = Existing({ID} if known else (), {CUSTOMER}, {FAVORITE, OTHER})
    return Reader("public.older", existing, {"quick", "standard"}, NOW).read(OlderRow(str(ID), row))


def past(reading: Reading) -> Past:
    """What was taken over."""
    assert reading.past, reading
    return reading.past


def kinds(reading: Reading) -> list[str]:
    """The events, by name."""
    return [event_kind(type(event)) for _, event, _ in past(reading).history]


def test_a_plain_broadcast_was_opened_matched_and_completed() -> None:
    reading = read()
    assert kinds(reading) == [
        "session_requested",
        "request_opened",
        "request_matched",
        "session_completed",
    ]
    request = past(reading).request
    assert request.state == Completed(OTHER, MADE + timedelta(minutes=15))
    assert (request.preferred, request.fallback, request.version) == (None, None, 4)
    assert not reading.unreadable


def test_the_favourite_accepted_within_the_window() -> None:
    reading = read(PRIORITY, mechanic_id=str(FAVORITE))
    assert "request_opened" not in kinds(reading)
    request = past(reading).request
    assert request.preferred == FAVORITE
    assert request.priority_notified_at == MADE + timedelta(seconds=1)
    assert request.priority_window == timedelta(minutes=10)
    [matched] = [e for _, e, _ in past(reading).history if isinstance(e, happened.RequestMatched)]
    assert matched.stage is happened.Stage.RESERVED


@pytest.mark.parametrize(
    ("noted", "reason"),
    [({}, "no_response"), ({"fallback_reason": "mechanic_offline"}, "mechanic_offline")],
)
def test_a_fallback_without_a_reason_was_the_timers(noted: dict[str, str], reason: str) -> None:
    reading = read({**PRIORITY, **FELL_BACK, **noted})
    fallback = past(reading).request.fallback
    assert fallback
    assert fallback.reason == FallbackReason(reason)
    assert fallback.at == MADE + timedelta(minutes=10)
    assert not reading.unreadable


@pytest.mark.parametrize("status", ["pending", "unattended"])
def test_what_is_still_open_there_is_left_to_the_older_system(status: str) -> None:
    young = (NOW - timedelta(hours=23)).isoformat()
    nobody: dict[str, Any] = {"mechanic_id": None, "accepted_at": None}
    assert read(status=status, created_at=young, **nobody).fate is Fate.STILL_OPEN
    assert past(read(status=status, **nobody)).request.state == Unfilled()


def test_a_cancellation_before_within_and_after_a_match() -> None:
    nobody: dict[str, Any] = {"mechanic_id": None, "accepted_at": None}
    assert kinds(read(status="cancelled", **nobody))[1:] == ["request_opened", "request_cancelled"]
    held = read(PRIORITY, status="cancelled", **nobody)
    assert kinds(held)[1:] == ["request_reserved", "request_cancelled"]
    assert past(held).request.silent == {FAVORITE}
    matched = read(status="cancelled")
    assert kinds(matched)[2:] == ["request_matched", "match_released", "request_cancelled"]
    assert past(matched).request.state == Cancelled()


def test_what_is_known_is_not_even_judged() -> None:
    assert read("nonsense", known=True, status="nonsense") == Reading(str(ID), Fate.KNOWN)


def test_clocks_that_differ_a_little_are_believed() -> None:
    early = (MADE - timedelta(seconds=2)).isoformat()
    assert not read({**PRIORITY, **FELL_BACK, "priority_notified_at": early}).unreadable


def test_other_keys_of_the_metadata_are_kept() -> None:
    reading = read({**PRIORITY, **FELL_BACK, "source": "web", "tries": 2})
    assert past(reading).metadata == {"source": "web", "tries": 2}


@pytest.mark.parametrize("metadata", ['{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"a": 1e999}'])
def test_what_cannot_be_stored_is_reported_and_not_tried(metadata: str) -> None:
    reading = read(metadata)
    assert past(reading).metadata == {}
    [told] = reading.unreadable
    told.value.encode()
    assert told.key == "metadata"


times = st.one_of(
    st.datetimes(MADE.replace(tzinfo=None) - timedelta(hours=1), NOW.replace(tzinfo=None)).map(
        lambda moment: moment.isoformat() + "Z"
    ),
    st.sampled_from(["soon", "2025-13-01", 1730550896789, True, ""]),
)
noted = st.fixed_dictionaries(
    {},
    optional={
        "routing_type": st.sampled_from(
            ["priority_broadcast", "priority_broadcast", "broadcast", "hybrid", 1, None]
        ),
        "preferred_mechanic_id": st.sampled_from(
            [str(FAVORITE), str(OTHER), str(STRANGER), "Fay", 7, None, FAVORITE.hex]
        ),
        "priority_notified_at": times,
        "priority_window_minutes": st.sampled_from([10, 2.5, 0, -1, "ten", "10", 10**9, True]),
        "fallback_broadcast_at": times,
        "fallback_reason": st.sampled_from(["no_response", "declined", "timeout", 3, []]),
    },
)


@given(noted, st.sampled_from(["accepted", "expired", "cancelled", "pending"]))
def test_every_value_is_a_column_or_stands_in_the_report(
    metadata: dict[str, Any], status: str
) -> None:
    reading = read(metadata, status=status)
    request = past(reading).request
    row = request_row(request) | {
        "routing_type": request.routing_type,
        "preferred_mechanic_id": request.preferred,
    }
    reported = {one.key: one.value for one in reading.unreadable}
    for key in MIRRORED:
        value = metadata.get(key)
        if value is None:
            continue
        if key in reported:
            assert reported[key] in (text_of(value), str(time_of(value)).replace(" ", "T"))
        elif key.endswith("_at"):
            assert row[key] == datetime.fromisoformat(value)
        else:
            assert row[key] == value or str(row[key]) == value


@given(noted)
def test_no_key_is_reported_twice(metadata: dict[str, Any]) -> None:
    keys = [one.key for one in read(metadata, status="cancelled").unreadable]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    "value",
    ["Fay Canary", "canary@example.test", "+1 555 0100", "5550100", "sk_live_51Hx", '{"a": 1}', ""],
)
def test_the_report_shows_nothing_that_could_be_personal(value: str) -> None:
    assert shown(value) == f"({len(value)} characters)"


@pytest.mark.parametrize(
    "value",
    ["35ee7fa8-5afd-4b1a-b2ef-a8fe6278ca62", "-10", "2025-11-02T12:34:56.789Z", "no_response"],
)
def test_the_report_shows_what_is_harmless(value: str) -> None:
    assert shown(value) == value
