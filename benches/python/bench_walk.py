"""The walk in Rust alone: allocations, instructions and time per decision, from ten to ten thousand.

    python -m benches.python.bench_walk [--without-time]

Runs the crate in benches/core: `walk-count` counts allocations by itself and instructions under callgrind, which no
neighbour on the machine can disturb; criterion measures time. Without valgrind the instructions are left out.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from benches.python import show
from benches.python.harness import ROOT, Row, Spread, Suite, Verdict, say

SHAPES: Final = (
    (10, 10),
    (10, 10_000),
    (100, 10),
    (100, 100),
    (100, 10_000),
    (1_000, 1_000),
    (10_000, 100),
    (10_000, 10_000),
)
DECISIONS: Final = 10_000
BUDGETS_NS: Final = {
    "walk/reserve/100d/100r": 400,
    "walk/auto/100d/100r": 400,
    "parts/limits, 4 held and settled": 250,
    "parts/breaker admits, closed": 5,
    "learned/scores of 9 models, 200 bytes": 5_000,
    "learned/scores of 9 models, 2000 bytes": 30_000,
}
"""`reserve` is what a caller waits for: from the request to what is held for it. `auto` adds the settlement and is held
against the same budget. Then two of its parts, and what a learned scorer adds where it is asked."""


def build() -> Path:
    """Builds `walk-count` as it ships and returns its path."""
    say("building walk-count")
    run = subprocess.run(
        ["cargo", "build", "--release", "--quiet", "-p", "junctor-benches", "--message-format=json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    found = [json.loads(line) for line in run.stdout.splitlines()]
    return next(Path(told["executable"]) for told in found if told.get("executable"))


def allocations(binary: Path, shape: tuple[int, int]) -> float:
    """Allocations per decision."""
    run = subprocess.run([str(binary), *map(str, (*shape, DECISIONS))], check=True, capture_output=True, text=True)
    told: dict[str, Any] = json.loads(run.stdout)
    return int(told["allocations"]) / int(told["decisions"])


def instructions(binary: Path, shape: tuple[int, int], decisions: int = 1_000) -> float:
    """Instructions per decision, counted by callgrind."""
    say(f"callgrind: {shape[0]:,} deployments, {shape[1]:,} rules")
    options = ["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=counted"]
    run = subprocess.run(
        ["valgrind", *options, str(binary), *map(str, (*shape, decisions))], check=True, capture_output=True, text=True
    )
    counted = re.search(r"Collected : (\d+)", run.stderr)
    if counted is None:
        raise ValueError(f"callgrind did not say what it collected: {run.stderr[-400:]}")
    return int(counted[1]) / decisions


def times() -> list[Row]:
    """criterion's figures, one row per benchmark."""
    say("cargo bench")
    started = time.time()
    subprocess.run(["cargo", "bench", "--quiet", "-p", "junctor-benches"], cwd=ROOT, check=True, capture_output=True)
    found = []
    for path in sorted((ROOT / "target" / "criterion").glob("**/new/estimates.json")):
        if path.stat().st_mtime < started:
            continue  # a benchmark that was renamed or removed since
        told = json.loads(path.read_text(encoding="utf-8"))
        name = json.loads((path.parent / "benchmark.json").read_text(encoding="utf-8"))["full_id"]
        bounds = told["median"]["confidence_interval"]
        spread = Spread(told["median"]["point_estimate"], bounds["lower_bound"], bounds["upper_bound"])
        found.append(Row(name=f"time: {name}", unit="ns", figure=spread))
    return found


def measure(*, with_time: bool = True) -> Suite:
    """Everything there is to count."""
    binary = build()
    missing = [] if shutil.which("valgrind") else ["instructions: valgrind is not installed"]
    counted = {shape: allocations(binary, shape) for shape in SHAPES}
    found = [Row(name=f"allocations: {_said(shape)}", unit="", figure=Spread.of([n])) for shape, n in counted.items()]
    if not missing:
        found += [
            Row(name=f"instructions: {_said(shape)}", unit="", figure=Spread.of([instructions(binary, shape)]))
            for shape in SHAPES
        ]
    timed = times() if with_time else []
    say("")
    return Suite(
        name="walk",
        what="The walk in Rust alone: reserve + settle",
        method=(
            f"Allocations over {DECISIONS:,} decisions, instructions over 1,000 under callgrind, both when warm; "
            "time by criterion with the bounds of its median's confidence interval. 4 limits over 2 pools per attempt; "
            "`reserve` leaves the settlement out, `decide` also the holding; `fleet` asks for all groups in turn, "
            "`auto` goes through the rules."
        ),
        command="python -m benches.python.bench_walk",
        rows=[*found, *timed],
        verdicts=_verdicts(counted, timed),
        missing=missing if with_time else [*missing, "time: left out by --without-time"],
    )


def _said(shape: tuple[int, int]) -> str:
    return f"{shape[0]:,} deployments, {shape[1]:,} rules"


def _verdicts(counted: dict[tuple[int, int], float], timed: list[Row]) -> list[Verdict]:
    most = max(counted.values())
    told = [Verdict(what="walk in Rust, allocations", budget="0", measured=f"{most:g}", met=most == 0)]
    for row in timed:
        for part, budget_ns in BUDGETS_NS.items():
            if row.name.endswith(part):
                met = row.figure.median <= budget_ns
                measured = f"{row.figure.told()} ns"
                told.append(Verdict(what=f"in Rust: {part}", budget=f"≤ {budget_ns} ns", measured=measured, met=met))
    return told


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Allocations, instructions and time of the walk in Rust.")
    parser.add_argument("--without-time", action="store_true", help="count only; criterion takes a minute")
    print(show.text(measure(with_time=not parser.parse_args().without_time)))
