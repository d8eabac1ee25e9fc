"""The decision under pytest-benchmark, for its histograms and its comparison of saved runs.

    python -m pytest benches/python --benchmark-sort=name [--benchmark-autosave]

`bench_decision` is the one that alternates cases and tells ratios; nothing here asserts a time.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benches.python import bench_decision as bench


@pytest.mark.benchmark(group="floors")
@pytest.mark.parametrize("name", list(bench.floors()))
def test_floor(benchmark: BenchmarkFixture, name: str) -> None:
    """What deciding stands beside."""
    benchmark(bench.floors()[name])


@pytest.mark.benchmark(group="reserve + settle")
@pytest.mark.parametrize("rules", [10, 100, 10_000])
@pytest.mark.parametrize("deployments", bench.SIZES)
def test_decision(benchmark: BenchmarkFixture, deployments: int, rules: int) -> None:
    """One reservation and its settlement, which tells the money that it cost."""
    cost_usd_micros = benchmark(bench.decision(deployments, rules))
    assert cost_usd_micros == 880 * 3 + 122 * 15
