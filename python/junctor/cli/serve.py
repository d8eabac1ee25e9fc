"""`junctor serve FILE`: the fleet behind OpenAI's and Anthropic's APIs, for every program that already speaks them."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Final

from junctor.cli.ending import OK, USAGE, CommandError
from junctor.cli.files import readable, unusable
from junctor.cli.text import paint_for, plural
from junctor.exceptions import ConfigError

if TYPE_CHECKING:
    from junctor.config import Config
    from junctor.gateway.serve import Serving

MAX_WORKERS: Final = 64
LEVELS: Final = ("critical", "error", "warning", "info", "debug")


def declare(command: argparse.ArgumentParser) -> None:
    """The options of `junctor serve`."""
    command.add_argument("file", metavar="FILE", help="a fleet file with a section gateway:")
    command.add_argument("--host", default="127.0.0.1", help="address to listen at (default 127.0.0.1, this machine)")
    command.add_argument("--port", type=int, default=8000, help="default 8000")
    command.add_argument("--workers", type=int, default=1, help="processes that share all limits (default 1)")
    command.add_argument("--access-log", choices=("text", "json", "off"), help="a line per request (default text)")
    command.add_argument("--log-level", choices=LEVELS, default="warning", help="of the server (default warning)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal; 2 for a file or an option that is wrong."""
    for name, value, most in (("--port", arguments.port, 65_535), ("--workers", arguments.workers, MAX_WORKERS)):
        if not 1 <= value <= most:
            raise CommandError(f"{name} is {value}; allowed is 1 to {most:,}", status=USAGE)
    try:
        from junctor.gateway.serve import Serving, prepare, serve
    except ImportError as error:
        raise CommandError(str(error), status=USAGE) from None
    serving = Serving(
        file=str(readable(arguments.file)),
        host=arguments.host,
        port=arguments.port,
        workers=arguments.workers,
        log_level=arguments.log_level,
        access=arguments.access_log or ("json" if arguments.json else "text"),
    )
    try:
        fleet = prepare(serving)
    except ConfigError as error:
        raise unusable(serving.file, error) from None
    assert fleet.gateway is not None  # `prepare` saw to it
    print("\n".join(banner(serving, fleet)), file=sys.stderr, flush=True)
    try:
        serve(serving, fleet.gateway)
    except OSError as error:
        raise CommandError(f"{serving.host}:{serving.port} cannot be listened at ({error.strerror or error})") from None
    return OK


def banner(serving: Serving, fleet: Config) -> list[str]:
    """Where it listens, and what clients have to be told."""
    paint = paint_for(sys.stderr)
    assert fleet.gateway is not None
    keys = fleet.gateway.named
    who = plural(len(keys), "key") if keys else "no keys: open to everybody on this machine"
    counted = f"{plural(len(fleet.deployments), 'deployment')}, {who}, {plural(serving.workers, 'worker')}"
    where = f"{serving.file} at {paint(serving.url, 'bold')}"
    return [
        f"{paint('junctor', 'bold')} serves {where} ({counted}; pid {os.getpid()})",
        f"  OPENAI_BASE_URL={serving.url}/v1",
        f"  ANTHROPIC_BASE_URL={serving.url}",
        "  /healthz /readyz /metrics /openapi.json; SIGHUP reloads the file, SIGTERM drains and ends",
    ]
