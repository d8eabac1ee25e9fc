"""`junctor check FILE`: every problem of a fleet file, at once.

Errors make the exit status 1. Warnings do not, since a group of one can be meant, unless `--strict` is given. A file
that is no document at all (not YAML, not text, empty) is status 2, as one that is not there: nothing in it was checked.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from typing import Any

import msgspec

from junctor.cli.ending import OK, PROBLEMS, USAGE, reader_may_leave
from junctor.cli.files import readable
from junctor.cli.text import paint_for, plural


def declare(command: argparse.ArgumentParser) -> None:
    """The options of `junctor check`."""
    command.add_argument("file", metavar="FILE", help="a fleet file: *.yaml, *.yml or *.toml")
    command.add_argument("--strict", action="store_true", help="exit with 1 for warnings too")


def run(arguments: argparse.Namespace) -> int:
    """Check and print; 1 if there is an error (with `--strict`: anything at all), 2 if there was nothing to check."""
    from junctor.config import Problem, check

    problems: list[Problem] = check(readable(arguments.file), today=dt.date.today().isoformat())
    errors = sum(problem.severity == "error" for problem in problems)
    ok = not errors and not (arguments.strict and problems)
    told = {
        "file": arguments.file,
        "ok": ok,
        "errors": errors,
        "warnings": len(problems) - errors,
        "problems": [msgspec.structs.asdict(problem) for problem in problems],
    }
    with reader_may_leave():
        if arguments.json:
            print(msgspec.json.encode(told).decode())
        else:
            _print(told, problems)
    return OK if ok else USAGE if any(problem.unreadable for problem in problems) else PROBLEMS


def _print(told: dict[str, Any], problems: list[Any]) -> None:
    paint = paint_for(sys.stdout)
    for problem in problems:
        colour = "red" if problem.severity == "error" else "yellow"
        print(f"{paint(problem.severity, 'bold', colour)}: {problem}")
    if not problems:
        print(f"{told['file']}: {paint('no problem found', 'green')}")
    else:
        print(f"{told['file']}: {plural(told['errors'], 'error')}, {plural(told['warnings'], 'warning')}")
