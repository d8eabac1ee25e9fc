"""`junctor top FILE`: what the processes of this host make of a fleet, live, from outside them.

It takes no seat and holds nothing, so it may be started and killed at will beside a fleet in production. On a terminal
the picture is drawn anew until a key ends it; elsewhere, and with `--once` or `--json`, there is one picture. Even that
takes two looks, an interval apart: rates are what happened in between.
"""

from __future__ import annotations

import argparse
import sys
import time
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Final

from junctor.cli.ending import OK, PROBLEMS, USAGE, CommandError, reader_may_leave
from junctor.cli.files import readable
from junctor.cli.text import COLUMNS, is_terminal, paint_for
from junctor.exceptions import ConfigError

if TYPE_CHECKING:
    from junctor.top import Look, Picture, Watch

INTERVAL_S: Final = 1.0
LEAST_S, MOST_S = 0.1, 60.0
SORTS: Final = ("attempts", "in-flight", "free", "latency", "success", "refusals", "state", "name")
"""As in `junctor.top.SORTS`, which the help does not import; a test compares them."""


def declare(command: argparse.ArgumentParser) -> None:
    """The options of `junctor top`."""
    command.add_argument("file", metavar="FILE", help="the fleet file that the workers have open")
    command.add_argument("--once", action="store_true", help="print one picture and end")
    command.add_argument(
        "--interval",
        type=float,
        default=INTERVAL_S,
        metavar="SECONDS",
        help=f"between two looks (default {INTERVAL_S:g}, {LEAST_S:g} to {MOST_S:g})",
    )
    command.add_argument("--sort", choices=SORTS, default="attempts", help="what comes first (default attempts)")
    command.add_argument("--group", metavar="NAME", help="only the deployments of this group or model")


def run(arguments: argparse.Namespace) -> int:
    """Look and show; 1 if there is nothing to look at."""
    if not LEAST_S <= arguments.interval <= MOST_S:
        raise CommandError(
            f"--interval is {arguments.interval:g}; allowed is {LEAST_S:g} to {MOST_S:g} seconds", status=USAGE
        )
    from junctor.top import Nobody, Watch

    path = readable(arguments.file)
    try:
        watch = Watch(path)
    except ConfigError as error:
        more = f" ({len(error.problems)} problems; see junctor check {path})" if error.problems[1:] else ""
        raise CommandError(f"{error.problems[0]}{more}", status=USAGE) from None
    except Nobody as nobody:
        raise CommandError(str(nobody), status=PROBLEMS) from None
    first = watch.look()
    _names(first, arguments.group)  # a group that is not there is told before anything is drawn
    if arguments.json or arguments.once or not is_terminal(sys.stdout):
        _once(watch, first, arguments)
    else:
        _live(watch, first, arguments)
    return OK


def _once(watch: Watch, first: Look, arguments: argparse.Namespace) -> None:
    import msgspec

    from junctor.top import lines

    time.sleep(arguments.interval)
    told = _picture(first, watch.look(), arguments)
    with reader_may_leave():
        if arguments.json:
            print(msgspec.json.encode(told).decode())
        else:
            columns = max(COLUMNS, get_terminal_size().columns - 1)
            print("\n".join(lines(told, paint_for(sys.stdout), columns=columns)))


def _live(watch: Watch, first: Look, arguments: argparse.Namespace) -> None:
    """Until a key; Ctrl-C is a usual way to leave a live view and no failure."""
    from junctor.top import Screen, lines

    paint = paint_for(sys.stdout)
    before = now = first
    try:
        with Screen(sys.stdout) as screen:
            while True:
                columns, room = screen.size
                told = _picture(before, now, arguments)
                screen.draw(lines(told, paint, columns=columns, room=room))
                if screen.wait(arguments.interval):
                    return
                before, now = now, watch.look()
    except KeyboardInterrupt:
        return


def _picture(before: Look, now: Look, arguments: argparse.Namespace) -> Picture:
    import msgspec

    from junctor.top import ordered, picture

    told = picture(before, now, names=_names(now, arguments.group))
    return msgspec.structs.replace(told, deployments=tuple(ordered(told.deployments, arguments.sort)))


def _names(look: Look, group: str | None) -> tuple[str, ...]:
    from junctor.config.errors import did_you_mean
    from junctor.top import members

    if group is None:
        return tuple(item.name for item in look.fleet.deployments)
    found = members(look.fleet, group)
    if not found:
        known = sorted(look.fleet.names)
        raise CommandError(
            f"--group is {group!r}, which nothing is called; {did_you_mean(group, known, what='groups')}", status=USAGE
        )
    return found
