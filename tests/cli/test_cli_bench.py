"""`junctor bench`: what it prints and that its figures belong together. Times themselves are no test's business."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from junctor.cli import bench

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "CALLS_PER_BATCH", 5)
    monkeypatch.setattr(bench, "WARM_UP_CALLS", 5)


def test_json_has_the_method_and_a_row_per_size(run: Run) -> None:
    status, out, err = run("bench", "--json", "--sizes", "3,1_0", "--batches", "2")
    told = json.loads(out)
    assert (status, err) == (0, "")
    assert told.keys() == {"method", "what", "machine", "debug_build", "empty_call", "reserve_settle"}
    assert [row["deployments"] for row in told["reserve_settle"]] == [3, 10]
    for row in told["reserve_settle"]:
        assert row["ratio_to_empty_call"] == round(row["median_ns"] / told["empty_call"]["median_ns"], 2)


def test_text_has_a_line_per_size_and_the_floor(run: Run) -> None:
    out = run("bench", "--sizes", "2,4", "--batches", "2").out
    assert "reserve + settle" in out
    assert out.count(" ×\n") == 2
    assert "an empty call into Rust and back: " in out


def test_the_spread_of_batches_is_their_median_and_outer_deciles() -> None:
    timing = bench.Timing.of([float(nanos) for nanos in range(1, 100)])
    assert (timing.median_ns, timing.p10_ns, timing.p90_ns) == (50.0, 10.0, 90.0)


def test_the_fleet_of_a_bench_is_decided_by_its_last_rule(run: Run, tmp_path: object) -> None:
    """All rules are looked at: a fleet whose first rule matched would flatter."""
    from junctor import config
    from junctor.router import Router

    del run, tmp_path
    compiled = config.compile(config.from_mapping(bench.fleet_of(5)), secrets=False)
    told = Router(compiled.fleet, compiled.endpoints).explain("auto", input_tokens=900, tags={"task": "chat"})
    assert told.rule == "otherwise"
    assert len(json.loads(compiled.fleet)["rules"]) == bench.RULES
