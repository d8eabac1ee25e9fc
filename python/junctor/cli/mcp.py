"""`junctor mcp [FILE]`: the catalog and the routes of a fleet for programs that speak the Model Context Protocol.

On standard input and output by default, as clients start servers; `--http PORT` listens on loopback instead. It runs
until its client leaves. Nothing else may be printed on standard output, so there is nothing for `--json` to change.
"""

from __future__ import annotations

import argparse
import datetime as dt

from junctor.cli.ending import OK, USAGE, CommandError
from junctor.cli.files import decider


def declare(command: argparse.ArgumentParser) -> None:
    """The options of `junctor mcp`."""
    command.add_argument("file", metavar="FILE", nargs="?", help="a fleet file whose routes can be explained")
    command.add_argument("--http", type=_port, metavar="PORT", help="streamable HTTP on 127.0.0.1:PORT/mcp, not stdio")


def run(arguments: argparse.Namespace) -> int:
    """Serve until the client leaves."""
    try:
        from junctor.mcp.answers import Answers
        from junctor.mcp.server import server
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "pydantic"):
            raise
        raise CommandError('the mcp package is not installed; pip install "junctor[mcp]"', status=USAGE) from None
    router, fleet = (None, None) if arguments.file is None else decider(arguments.file, seed=0)
    made = server(Answers(today=lambda: dt.date.today().isoformat(), fleet=fleet, router=router))
    if arguments.http is None:
        made.run("stdio")
    else:
        made.run("streamable-http", host="127.0.0.1", port=arguments.http, stateless_http=True)
    return OK


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port, a whole number from 1 to 65,535")
    return int(text)
