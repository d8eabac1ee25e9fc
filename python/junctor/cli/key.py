"""`junctor key NAME`: a new key for the gateway, shown once, and the line for the fleet file that lets it in."""

from __future__ import annotations

import argparse
import re
import sys

import msgspec

from junctor.cli.ending import OK, USAGE, CommandError, reader_may_leave
from junctor.cli.text import paint_for


def declare(command: argparse.ArgumentParser) -> None:
    """The options of `junctor key`."""
    command.add_argument("name", metavar="NAME", help="what the key is called in the fleet file, logs and limits")


def run(arguments: argparse.Namespace) -> int:
    """Make it and print it; nothing is stored."""
    from junctor.gateway.keys import make

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", arguments.name):
        raise CommandError("NAME is not a name of up to 64 letters, digits, dots, dashes and underscores", status=USAGE)
    key, hashed = make()
    with reader_may_leave():
        if arguments.json:
            print(msgspec.json.encode({"name": arguments.name, "key": key, "hash": hashed}).decode())
            return OK
        paint = paint_for(sys.stdout)
        print(f"the key, which is shown this once:\n  {paint(key, 'bold')}")
        print(f"the line below gateway: keys: in the fleet file:\n  {arguments.name}: {{hash: {hashed}}}")
    return OK
