"""The benchmarks run and check their own work. What they measure here, in small, means nothing."""

import pytest

from bench.__main__ import BENCHMARKS
from bench.figures import Figure, percentile
from bench.options import Options


@pytest.mark.parametrize("name", ["accept", "hot", "sweep"])
async def test_a_small_run_finds_everything_in_the_log(postgres: str, name: str) -> None:
    result = await BENCHMARKS[name](postgres, Options(repeat=1, scale=0.01, crowd=20))
    assert result.rows
    assert result.as_json()["verdicts"]


def test_a_percentile_is_a_sample() -> None:
    samples = [float(number) for number in range(1, 101)]
    assert percentile(samples, 0.50) == 50
    assert percentile(samples, 0.99) == 99
    assert percentile([7.0], 0.99) == 7


def test_a_ratio_is_taken_within_each_repetition() -> None:
    ratio = Figure([1.0, 20.0, 3.0]).over(Figure([2.0, 10.0, 3.0]))
    assert ratio.values == [0.5, 2.0, 1.0]
    assert ratio.middle == 1
