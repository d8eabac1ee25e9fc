"""The command `junctor`: look at a fleet, ask it, time it, watch it.

Every command ends with 0 (well), 1 (problems were found, the request was refused, an invariant broke) or 2 (usage, or
input that cannot be read). What a machine may read comes with `--json` on standard output; errors are one line on
standard error. argparse rather than typer: a handful of commands does not pay for a dependency, and its import is a
tenth of it.
A command's code is imported when it is run, so `junctor --help` costs no more than Python.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from types import ModuleType
from typing import Final, NoReturn

from junctor.cli.ending import INTERRUPTED, OK, PROBLEMS, USAGE, CommandError, give_output_up

COMMANDS: Final = {
    "demo": "drive a simulated fleet through a bad day, without key or network",
    "check": "find what is wrong or doubtful in a fleet file",
    "explain": "walk one request through a fleet file, nothing sent, every stage told",
    "models": "list models, what they can and cost, or what those of a fleet file resolve to",
    "mcp": "serve the catalog and the routes of a fleet file to programs that speak MCP",
    "calibrate": "find a cascade's thresholds for a share, quality or cost, with a bound that holds",
    "simulate": "run a fleet file over a trace in a simulated world, hours in seconds",
    "top": "watch what the processes of this host make of a fleet file",
    "serve": "answer OpenAI's and Anthropic's APIs with a fleet file, over HTTP",
    "key": "make a key for the gateway, and the line that lets it in",
    "budget": "plan what a month of traffic will cost at a fleet file, beside what was spent",
    "label": "make a table of kept answers, labelled by people in a sheet or compared by a model",
    "evaluate": "judge ways of choosing models on a table of prompts, quality and cost",
    "bench": "time one decision, beside an empty call, in fleets of growing size",
    "train": "make a scorer that predicts quality, out of a table of past answers",
    "import-litellm": "turn a LiteLLM configuration into a fleet file, every key that is lost named",
}


class _Parser(argparse.ArgumentParser):
    """Errors in one line, as everywhere else in this command."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message}; see {self.prog} --help", status=USAGE)


class _Version(argparse.Action):
    """Prints the version, which the compiled core knows: nothing else needs to load it."""

    def __call__(self, parser: argparse.ArgumentParser, *_rest: object) -> None:
        from junctor import __version__

        print(f"{parser.prog} {__version__}")
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own) and answer its exit status."""
    try:
        return _run(sys.argv[1:] if argv is None else list(argv))
    except CommandError as error:
        print(f"junctor: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("\njunctor: interrupted", file=sys.stderr)  # below what Ctrl-C left on the line
        return INTERRUPTED
    except BrokenPipeError:  # the reader (`| head`) left before there was anything to answer
        give_output_up()
        return OK
    except OSError as error:  # commands tell their own: this one is the output's, as on a full disk
        give_output_up()
        print(f"junctor: the output cannot be written ({error.strerror or error})", file=sys.stderr)
        return PROBLEMS


def _run(argv: list[str]) -> int:
    _ready_output()
    parser = _parser(wanted=next((word for word in argv if not word.startswith("-")), None))
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as end:  # --help and --version leave this way
        return int(end.code or 0)
    if arguments.command is None:
        parser.print_help()
        return USAGE
    status: int = _module(arguments.command).run(arguments)
    sys.stdout.flush()
    return status


def _module(command: str) -> ModuleType:
    """The code of a command: a file of its name."""
    return import_module(f"junctor.cli.{command.replace('-', '_')}")


def _ready_output() -> None:
    """Make sure that printing cannot fail for want of an output, or of a letter in its encoding."""
    if sys.stdout is None:  # closed by whoever started the command (`>&-`): only the status is wanted
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - it stays open as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _parser(*, wanted: str | None) -> argparse.ArgumentParser:
    """The parser; only the wanted command declares its options, since declaring them imports its module."""
    parser = _Parser(
        prog="junctor",
        description="Sends each request to the right language model, key and region.",
        epilog="Exit status: 0 well, 1 problems found or refused, 2 usage or unreadable input.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, does in COMMANDS.items():
        command = commands.add_parser(name, help=does, description=does[0].upper() + does[1:] + ".")
        command.add_argument("--json", action="store_true", help="print JSON for machines")
        if name == wanted:
            _module(name).declare(command)
    return parser
