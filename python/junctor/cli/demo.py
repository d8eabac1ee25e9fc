"""`junctor demo`: a bad day of a simulated fleet, live, and the same day under random choice beside it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from junctor.cli.ending import OK, PROBLEMS, USAGE, CommandError
from junctor.cli.options import seed

SECONDS: Final = 22.0
"""Of each of the two runs: long enough for every fault and its recovery, short enough for under a minute in all."""

LEAST_S: Final = 1.0
MOST_S: Final = 600.0


def declare(command: argparse.ArgumentParser) -> None:
    """The options of `junctor demo`."""
    command.add_argument(
        "--seconds", type=float, default=SECONDS, help=f"of each of the two runs (default {SECONDS:g})"
    )
    command.add_argument("--seed", type=seed, default=1, help="of traffic, faults and draws (default 1)")
    command.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder with recorded traffic (default $JUNCTOR_DATA or ../shared/data)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run both days and report; 1 if an invariant broke."""
    if not LEAST_S <= arguments.seconds <= MOST_S:
        raise CommandError(f"--seconds is {arguments.seconds:g}; allowed is {LEAST_S:g} to {MOST_S:g}", status=USAGE)
    from junctor.demo import Plan, drive, recorded

    if arguments.data is not None and recorded.folder(arguments.data) is None:
        wanted = f"{recorded.PROMPTS_FILE} and {recorded.TRACE_FILE}"
        raise CommandError(f"--data {arguments.data} holds no {wanted}; leave it out for our own sample", status=USAGE)
    plan = Plan(seconds=arguments.seconds, seed=arguments.seed, folder=arguments.data)
    try:
        return OK if drive(plan, out=sys.stdout, as_json=arguments.json) else PROBLEMS
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"the demo cannot go on ({error})") from error
