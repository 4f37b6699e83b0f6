"""The benchmarks run and check their own work. What they measure here, in small, means nothing."""

from pathlib import Path

import pytest

from bench import accept, contention, deadlines, growth, lifecycle, told
from bench.__main__ import BENCHMARKS
from bench.figures import Figure, percentile
from bench.options import Options
from bench.page import BEGIN, END, put_between_the_markers
from bench.peers import contest, environment
from bench.peers.line import AT_WORK, BARE, LIBRARIES, OURS
from bench.peers.line import contest as contest_of
from bench.plot import duration, picture
from bench.report import kept
from bench.sockets import line
from bench.sockets.houses import BARE as BARE_SOCKETS

APART = ("peers", "seen", "sockets")  # they need more than PostgreSQL
SMALL = Options(repeat=1, scale=0.001, crowd=20)


@pytest.fixture(autouse=True)
def _a_small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less of what ``scale`` leaves alone: times to wait, and how many worlds there are."""
    monkeypatch.setattr(accept, "WARM_UP_ACCEPTS", 1)
    monkeypatch.setattr(accept, "ACCEPTS", {1: 20, 2: 20})
    monkeypatch.setattr(accept, "TURNS", 2)
    monkeypatch.setattr(lifecycle, "LIVES", {1: 20, 2: 20})
    monkeypatch.setattr(lifecycle, "WARM_UP", 1)
    monkeypatch.setattr(deadlines, "HEAD_START_S", 0.1)
    monkeypatch.setattr(deadlines, "SPREAD_S", 0.2)
    monkeypatch.setattr(growth, "ARMED", (20, 40_000))
    monkeypatch.setattr(growth, "PAUSE_S", 0.1)
    monkeypatch.setattr(growth, "TURNS", 2)
    monkeypatch.setattr(contention, "CROWDS", (1, 20))
    monkeypatch.setattr(contention, "REQUESTS", {1: 3})
    monkeypatch.setattr(told, "WARM_UP", 1)
    monkeypatch.setattr(told, "OTHERS", 2)
    monkeypatch.setattr(told, "BOOKINGS", 2)
    monkeypatch.setattr(contest, "START_S", 1.0)
    monkeypatch.setattr(contest, "PAUSE_S", 0.1)
    monkeypatch.setattr(contest, "SETTLE_S", 0.1)


@pytest.mark.parametrize("name", [name for name in BENCHMARKS if name not in APART])
async def test_a_small_run_checks_its_own_work(postgres: str, name: str) -> None:
    result = await BENCHMARKS[name](postgres, SMALL)
    assert result.rows
    assert result.as_json()["verdicts"]


async def test_in_the_contest_every_timer_is_fired_exactly_once(postgres: str) -> None:
    entered = [OURS, BARE] if environment.is_ready() else [OURS]
    tally, failures = await contest_of(postgres, entered, SMALL)
    assert failures == []
    for one in entered:
        assert tally.figure(AT_WORK, one.label, "missing").middle == 0
        assert tally.figure(AT_WORK, one.label, "twice").middle == 0


def test_a_broadcast_reaches_every_listener_of_ours_and_of_plain_sockets(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "BROADCASTS", 1)
    monkeypatch.setattr(line, "WARM_UP", 1)
    tally = line.crowd(postgres, [BARE_SOCKETS], SMALL)
    for one in (line.OURS, BARE_SOCKETS.name):
        assert tally.figure(line.CROWDED, one, "last_ms").middle > 0


@pytest.mark.skipif(
    not environment.is_ready(), reason=f"!!! PEERS DID NOT RUN: {environment.NOT_RUN}"
)
async def test_a_library_takes_part(postgres: str) -> None:
    tally, failures = await contest_of(postgres, LIBRARIES[1:2], SMALL)
    assert failures == []
    assert tally.figure(AT_WORK, LIBRARIES[1].label, "missing").middle == 0


def test_a_percentile_is_a_sample() -> None:
    samples = [float(number) for number in range(1, 101)]
    assert percentile(samples, 0.50) == 50
    assert percentile(samples, 0.99) == 99
    assert percentile([7.0], 0.99) == 7


def test_a_ratio_is_taken_within_each_repetition() -> None:
    ratio = Figure([1.0, 20.0, 3.0]).over(Figure([2.0, 10.0, 3.0]))
    assert ratio.values == [0.5, 2.0, 1.0]
    assert ratio.middle == 1


def test_the_page_keeps_what_is_around_the_figures(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    put_between_the_markers(page, _document(), "figures.svg")
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n\n![")
    assert text.endswith(f"\n{END}\nafter\n")
    assert "old" not in text
    assert "$ ./dev bench accept\n" in text
    assert "| 1 client | ours | 1,500 (1,000–2,000) |" in text
    assert "| it is cheap | 1.5 (1–2) | ≤ 1 | **missed** |" in text


def test_another_run_of_one_benchmark_takes_the_place_of_the_first() -> None:
    known = [{"name": name, "commit": "old"} for name in ("accept", "growth", "peers")]
    now = kept(known, {"name": "growth", "commit": "new"}, list(BENCHMARKS))
    assert [(one["name"], one["commit"]) for one in now] == [
        ("accept", "old"),
        ("growth", "new"),
        ("peers", "old"),
    ]
    assert kept([], known[1], list(BENCHMARKS)) == known[1:2]


def test_a_page_without_markers_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing here\n")
    with pytest.raises(ValueError, match="no line"):
        put_between_the_markers(page, _document(), None)
    assert page.read_text() == "nothing here\n"


def test_the_picture_shows_what_was_measured() -> None:
    svg = picture(_document())
    assert "One accept, 1 client" in svg
    assert "1.5 ms" in svg
    assert "nan" not in svg


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.00000042, "0.42 µs"), (0.000999, "999 µs"), (0.0015, "1.5 ms"), (1.0, "1 s")],
)
def test_a_duration_has_the_unit_that_fits(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def _document() -> dict[str, object]:
    cost = Figure([1000.0, 2000.0]).as_json()
    row = {"setting": "1 client", "variant": "ours", "cost_us": cost}
    verdict = {"what": "it is cheap", "bar": 1.0, "holds": False}
    accept = {
        "name": "accept",
        "question": "What?",
        "rows": [row],
        "verdicts": [{**verdict, **Figure([1.0, 2.0]).as_json()}],
        "notes": ["a note"],
    }
    around = {
        "command": "./dev bench accept",
        "uncommitted_changes": False,
        "date": "2026-01-02T03:04:05+00:00",
        "commit": "abc",
        "cpus": 2,
        "machine": "Linux",
        "python": "3.11",
        "postgresql": "18",
        "settings": "fsync=on",
        "load_at_start": 0.1,
        "repeat": 2,
    }
    return {"benchmarks": [{**accept, "surroundings": around}]}
