"""Rounds, spread, ratios and where the figures came from: what every benchmark here shares.

A single timing on a shared machine measures the neighbours. So every round runs every case once, one after the other
(A B C A B C …), and a ratio is taken between cases of the same round: a noisy minute then hits both sides of it. Told
are medians with the least and greatest round. Nothing here passes or fails by a clock; the budgets stand beside the
figures for people to read.

Rejected: pyperf (it cannot interleave cases, nor count the CPU time of a whole event loop) and the mean (one stolen
time slice moves it).
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).resolve().parents[2]
RESULTS: Final = ROOT / "benches" / "results"


class Spread(msgspec.Struct, frozen=True):
    """One figure over all rounds."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The figure that these rounds make."""
        return cls(_short(statistics.median(values)), _short(min(values)), _short(max(values)))

    def told(self, digits: int = 3) -> str:
        """`1.10 (1.07 … 1.20)`"""
        return f"{number(self.median, digits)} ({number(self.least, digits)} … {number(self.greatest, digits)})"


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One case: its figure, and how often it contains the floors that ran in the same rounds."""

    name: str
    unit: str
    figure: Spread
    ratios: dict[str, Spread] = {}
    note: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A budget beside what was measured."""

    what: str
    budget: str
    measured: str
    met: bool


class Suite(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything one benchmark found. `missing` says why something was not measured."""

    name: str
    what: str
    method: str
    command: str
    rows: list[Row]
    verdicts: list[Verdict] = []
    missing: list[str] = []

    def said_of(self, releases: str) -> Suite:
        """The same, naming the releases that were measured."""
        return msgspec.structs.replace(self, method=f"{self.method} Measured: {releases}.")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run: its suites, and the machine and commit that they are true for."""

    machine: dict[str, str]
    commit: str
    started: str
    load: list[float]
    suites: list[Suite]


Rounds = dict[str, list[float]]
"""Case name → one value per round, all lists in step."""


def number(value: float, digits: int = 3) -> str:
    """A number with this many significant digits and no exponent."""
    if value == 0 or abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    places = digits - 1 - int(f"{value:e}".partition("e")[2])
    return f"{value:.{max(places, 0)}f}"


def _short(value: float) -> float:
    """Five significant digits: more would pretend to a precision that no round has."""
    return float(f"{value:.5g}")


def say(text: str) -> None:
    """Progress, for people only."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def in_rounds(cases: Mapping[str, Callable[[], float]], rounds: int, *, warm_up: int = 1) -> Rounds:
    """Runs every case once per round; the first `warm_up` rounds do not count."""
    found: Rounds = {name: [] for name in cases}
    for turn in range(warm_up + rounds):
        for name, case in cases.items():
            say(f"round {max(0, turn - warm_up + 1)}/{rounds}: {name}")
            value = case()
            if turn >= warm_up:
                found[name].append(value)
    say("")
    return found


async def in_async_rounds(cases: Mapping[str, Callable[[], Awaitable[float]]], rounds: int) -> Rounds:
    """The same for cases that run in the caller's event loop; one round warms up."""
    found: Rounds = {name: [] for name in cases}
    for turn in range(rounds + 1):
        for name, case in cases.items():
            say(f"round {turn}/{rounds}: {name}")
            value = await case()
            if turn:
                found[name].append(value)
    say("")
    return found


def ratio(found: Rounds, name: str, floor: str) -> Spread:
    """`name` in units of `floor`, each round by itself."""
    pairs = zip(found[name], found[floor], strict=True)
    return Spread.of([mine / theirs for mine, theirs in pairs])


def rows(found: Rounds, *, unit: str, floors: Sequence[str] = (), notes: Mapping[str, str] | None = None) -> list[Row]:
    """One row per case, beside each of `floors` except itself."""
    return [
        Row(
            name=name,
            unit=unit,
            figure=Spread.of(values),
            ratios={floor: ratio(found, name, floor) for floor in floors if floor != name},
            note=(notes or {}).get(name, ""),
        )
        for name, values in found.items()
    ]


def machine() -> dict[str, str]:
    """What the figures are true for."""
    return {
        "system": platform.platform(terse=True),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def commit() -> str:
    """The checkout's commit, marked if the tree differs from it."""
    run = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return run.stdout.strip() or "unknown"


def report(suites: list[Suite]) -> Report:
    """The suites with their provenance."""
    return Report(
        machine=machine(),
        commit=commit(),
        started=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        load=[round(load, 2) for load in os.getloadavg()],
        suites=suites,
    )


def write(told: Report, path: Path) -> None:
    """The report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(told)) + b"\n")
