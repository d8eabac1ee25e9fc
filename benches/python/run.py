"""Everything in one run: text on the terminal, JSON in benches/results/.

    make bench [ARGS="--quick"] · make bench-peers
    python -m benches.python.run [--quick] [--only decision,client] [--peers] [--json FILE]

Without `--json` the report goes to benches/results/local/, which git ignores. A file that holds a report of the same
commit and machine is added to, so that a run can be made in pieces. docs/benchmarks.md is written from a
report that somebody chose to keep, by `python -m benches.python.document`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from benches.python import (
    bench_adapters,
    bench_client,
    bench_decision,
    bench_doors,
    bench_dropin,
    bench_failover,
    bench_gateway,
    bench_hedge,
    bench_host,
    bench_import,
    bench_observe,
    bench_walk,
    show,
)
from benches.python.harness import RESULTS, Report, Suite, report, write
from benches.python.peers import bench_peers

SUITES: Final[dict[str, Callable[[bool], list[Suite]]]] = {
    "decision": lambda quick: [bench_decision.measure(rounds=5 if quick else 25)],
    "host": lambda quick: [bench_host.measure(rounds=3 if quick else 15)],
    "walk": lambda quick: [bench_walk.measure(with_time=not quick)],
    "client": lambda quick: bench_client.measure(rounds=2 if quick else 9),
    "adapters": lambda quick: [bench_adapters.measure(rounds=3 if quick else 15)],
    "doors": lambda quick: [bench_doors.measure(rounds=3 if quick else 15)],
    "dropin": lambda quick: bench_dropin.measure(rounds=2 if quick else 7),
    "observe": lambda quick: [bench_observe.measure(rounds=2 if quick else 9)],
    "import": lambda quick: [bench_import.measure(rounds=3 if quick else 15)],
    "hedge": lambda quick: [bench_hedge.measure(seeds=1 if quick else 3)],
    "failover": lambda quick: [bench_failover.measure(rounds=1 if quick else 5)],
    "gateway": lambda quick: bench_gateway.measure(rounds=2 if quick else 7),
}


def peers(name: str, quick: bool) -> list[Suite]:
    """One of the peers' suites."""
    return bench_peers.measure(rounds=2 if quick else 5, only=[name])


def joined(told: Report, path: Path) -> Report:
    """With what an earlier piece of the same run found, if the file holds one."""
    if not path.exists():
        return told
    before = msgspec.json.decode(path.read_bytes(), type=Report)
    if (before.commit, before.machine) != (told.commit, told.machine):
        return told
    again = {suite.name for suite in told.suites}
    kept = [suite for suite in before.suites if suite.name not in again]
    return msgspec.structs.replace(told, started=before.started, suites=[*kept, *told.suites])


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Benchmarks of junctor; figures are for people, nothing fails by them."
    )
    parser.add_argument(
        "--quick", action="store_true", help="few rounds and no criterion: does it run, roughly how fast"
    )
    parser.add_argument(
        "--only",
        default="",
        help=f"some of {', '.join(SUITES)}, with commas between; with --peers some of {', '.join(bench_peers.NAMES)}",
    )
    parser.add_argument("--peers", action="store_true", help="the peers instead, in their own environment")
    parser.add_argument("--json", type=Path, help="where the report goes")
    chosen = parser.parse_args()
    wanted = [name for name in chosen.only.split(",") if name]
    known = bench_peers.NAMES if chosen.peers else tuple(SUITES)
    if unknown := [name for name in wanted if name not in known]:
        parser.error(f"--only: {', '.join(unknown)} is none of {', '.join(known)}")
    chosen.wanted = wanted or known
    return chosen


def main() -> int:
    """Measure, print and write."""
    chosen = options()
    suites: list[Suite] = []
    for name in chosen.wanted:
        found = peers(name, chosen.quick) if chosen.peers else SUITES[name](chosen.quick)
        for suite in found:
            print(show.text(suite), flush=True)
        suites += found
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    path = chosen.json or RESULTS / "local" / f"{stamp}{'-peers' if chosen.peers else ''}.json"
    write(joined(report(suites), path), path)
    print(f"\nwritten to {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
