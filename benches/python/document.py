"""Writes the results of docs/benchmarks.md from reports, so that no number there was typed by hand.

    python -m benches.python.document benches/results/own.json benches/results/decision.json benches/results/peers.json

Everything from the heading `## Results` on is replaced; the words before it are people's.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import msgspec

from benches.python import show
from benches.python.harness import ROOT, Report

PAGE: Final = ROOT / "docs" / "benchmarks.md"
HEADING: Final = "## Results\n"


def results(paths: list[Path]) -> str:
    """The section, one report after the other. A suite that was measured again is shown as measured last."""
    told: list[Report] = []
    for path in paths:
        latest = msgspec.json.decode(path.read_bytes(), type=Report)
        again = {suite.name for suite in latest.suites}
        told = [_without(report, again) for report in told] + [latest]
    return HEADING + "\n" + "\n".join(show.markdown(report) for report in told)


def _without(report: Report, names: set[str]) -> Report:
    kept = [suite for suite in report.suites if suite.name not in names]
    return msgspec.structs.replace(report, suites=kept)


def main(arguments: list[str]) -> int:
    """Replace the section in place."""
    if not arguments:
        print("usage: python -m benches.python.document REPORT...", file=sys.stderr)
        return 2
    before, heading, _ = PAGE.read_text(encoding="utf-8").partition(HEADING)
    if not heading:
        raise ValueError(f"{PAGE} has no heading {HEADING.strip()!r}")
    PAGE.write_text(before + results([Path(path) for path in arguments]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
