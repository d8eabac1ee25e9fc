"""`junctor bench`: what one decision costs, beside an empty call of the same binding.

A time in microseconds says more about the machine than about the program, so each median stands beside the time of a
call that only crosses from Python into Rust and back, measured in the same minute. `reserve` and `settle` are timed
together, in batches, since a clock read costs a tenth of what is measured. Longer benchmarks, with peers and whole
requests, live in the project's benches/ and are not part of the package.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import Any, Final

import msgspec

from junctor.cli.ending import OK, USAGE, CommandError
from junctor.cli.text import paint_for, progress, table, wrapped

SIZES: Final = (10, 100, 1_000, 10_000)
BATCHES: Final = 60
CALLS_PER_BATCH: Final = 1_000
WARM_UP_CALLS: Final = 3_000
"""Past the blackout of new deployments and the growth of every table."""

RULES: Final = 100
MAX_SIZE: Final = 100_000


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Nanoseconds per call over all batches: median, and where the middle 80 % of the batches lie."""

    median_ns: float
    p10_ns: float
    p90_ns: float

    @classmethod
    def of(cls, batch_ns: Sequence[float]) -> Timing:
        """The figures of these batches."""
        deciles = statistics.quantiles(batch_ns, n=10)
        return cls(median_ns=statistics.median(batch_ns), p10_ns=deciles[0], p90_ns=deciles[-1])


def declare(command: argparse.ArgumentParser) -> None:
    """The options of `junctor bench`."""
    sizes = ",".join(map(str, SIZES))
    command.add_argument("--sizes", default=sizes, help=f"deployments per fleet, with commas (default {sizes})")
    command.add_argument("--batches", type=int, default=BATCHES, help=f"batches of calls each (default {BATCHES})")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    sizes = _sizes(arguments.sizes)
    if not 2 <= arguments.batches <= 10_000:
        raise CommandError(f"--batches is {arguments.batches}; allowed is 2 to 10,000", status=USAGE)
    told = measure(sizes, batches=arguments.batches, tell=progress())
    if arguments.json:
        print(msgspec.json.encode(told).decode())
    else:
        _print(told)
    return OK


def _sizes(text: str) -> list[int]:
    words = [word.strip().replace("_", "") for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and 1 <= int(word) <= MAX_SIZE for word in words):
        raise CommandError(
            f"--sizes is {text!r}; give whole numbers from 1 to {MAX_SIZE:,} with commas between", status=USAGE
        )
    return [int(word) for word in words]


def measure(sizes: Sequence[int], *, batches: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """All figures of the command, as `--json` prints them."""
    from junctor import __version__, _core

    tell("an empty call")
    empty = _time(lambda: _core.health_of("ok"), batches=batches)
    fleets = []
    for size in sizes:
        tell(f"{size:,} deployments")
        timing = _time(_decision(size), batches=batches)
        ratio = round(timing.median_ns / empty.median_ns, 2)
        fleets.append({"deployments": size, **msgspec.structs.asdict(timing), "ratio_to_empty_call": ratio})
    tell("")
    return {
        "method": f"median of {batches} batches of {CALLS_PER_BATCH:,} calls, spread p10 to p90; one thread",
        "what": f"reserve + settle from Python, {RULES} rules, 4 limits in 2 pools per deployment, prices, one clause",
        "machine": {"system": platform.platform(), "python": platform.python_version(), "version": __version__},
        "debug_build": _core.DEBUG_BUILD,
        "empty_call": msgspec.structs.asdict(empty),
        "reserve_settle": fleets,
    }


def _time(call: Callable[[], object], *, batches: int) -> Timing:
    for _ in range(WARM_UP_CALLS):
        call()
    timings = []
    for _ in range(batches):
        started_ns = perf_counter_ns()
        for _ in range(CALLS_PER_BATCH):
            call()
        timings.append((perf_counter_ns() - started_ns) / CALLS_PER_BATCH)
    return Timing.of(timings)


def _decision(size: int) -> Callable[[], object]:
    """One reservation and its settlement in a fleet of this size."""
    from junctor import config
    from junctor.router import Router

    compiled = config.compile(config.from_mapping(fleet_of(size)), secrets=False)
    router = Router(compiled.fleet, compiled.endpoints, seed=1)
    tags = {"task": "chat", "tenant": "t7"}

    def decide() -> int:
        reservation = router.reserve("auto", input_tokens=900, output_tokens=300, tags=tags)
        return reservation.settle("ok", input_tokens=880, output_tokens=122, first_token_s=0.4)

    return decide


def fleet_of(size: int) -> dict[str, Any]:
    """A fleet file with `size` deployments in one group, ample limits, and rules of which the last matches."""
    ample = {"rpm": 10**9, "tpm": 10**9}
    rules: list[dict[str, Any]] = [
        {"when": {"task": f"task-{number}", "input_tokens": {"max": number}}, "use": "all"}
        for number in range(RULES - 1)
    ]
    return {
        "version": 1,
        "state": "process",
        "providers": {"sim": {"adapter": "openai", "base_url": "http://127.0.0.1:9/v1"}},
        "pools": {f"quota-{number}": {"provider": "sim", **ample} for number in range(min(4, size))},
        "deployments": {
            f"d{number}": {
                "model": f"sim/model-{number % 7}",
                "pools": [f"quota-{number % 4}"],
                **ample,
                "region": ("us", "eu")[number % 2],
                "price": {"input": 1, "output": 5},
            }
            for number in range(size)
        },
        "groups": {"all": {"members": [f"d{number}" for number in range(size)]}},
        "compliance": [{"when": {"data": "eu-personal"}, "require": {"region": "eu"}}],
        "rules": [*rules, {"name": "otherwise", "use": "all"}],
    }


def _print(told: dict[str, Any]) -> None:
    paint = paint_for(sys.stdout)
    empty = told["empty_call"]
    header = ("deployments", "reserve + settle", "p10 … p90", "beside an empty call")
    rows = [tuple(paint(word, "dim") for word in header)]
    rows += [
        (
            f"{row['deployments']:,}",
            paint(_us(row["median_ns"]), "bold"),
            _spread(row),
            f"{row['ratio_to_empty_call']:.1f} ×",
        )
        for row in told["reserve_settle"]
    ]
    print("\n".join([*wrapped(told["what"]), *wrapped(told["method"]), ""]))
    print("\n".join(table(rows, ">>>>")))
    print(f"\n  an empty call into Rust and back: {_us(empty['median_ns'])} ({_spread(empty)})")
    if told["debug_build"]:
        print(paint("  this is a debug build: the figures say nothing about a release", "yellow"))


def _us(nanos: float) -> str:
    return f"{nanos / 1000:.3f} µs" if nanos < 1000 else f"{nanos / 1000:.2f} µs"


def _spread(row: dict[str, Any]) -> str:
    return f"{row['p10_ns'] / 1000:.2f} … {row['p90_ns'] / 1000:.2f}"
