"""Logs that an earlier release wrote mean the same to this one."""

import json

import pytest

from headstart.store.rows import EVENT_TYPES
from tests.store.recording import RECORDED, Entry, folded, row_of

BEFORE = {"window_extensions": 0}  # by their migrations' defaults

LOGS: dict[str, list[Entry]] = {
    f"{path.stem}: {name}": log
    for path in sorted(RECORDED.glob("*.json"))
    for name, log in json.loads(path.read_text(encoding="utf-8")).items()
}


@pytest.mark.parametrize("log", LOGS.values(), ids=LOGS.keys())
def test_a_recorded_log_folds_to_the_rows_it_left(log: list[Entry]) -> None:
    """A column that is newer than the record has the value that an old row has."""
    rows = [row_of(request) for request in folded(log)]
    assert [BEFORE | entry["row"] for entry in log] == rows


def test_every_kind_of_event_was_recorded() -> None:
    """A new one is recorded with the release that brings it, in a file of its own."""
    assert {entry["kind"] for log in LOGS.values() for entry in log} == set(EVENT_TYPES)
