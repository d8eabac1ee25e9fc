"""What commands read: fleet files and JSON from an argument, a file or standard input."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from junctor.cli.ending import USAGE, CommandError
from junctor.exceptions import ConfigError

if TYPE_CHECKING:
    from junctor.config import Config
    from junctor.config.compile import Compiled
    from junctor.router import Router


def readable(name: str) -> Path:
    """The path of a file that can be opened. Raises `CommandError` with status 2 if it cannot."""
    path = Path(name)
    try:
        path.open("rb").close()
    except OSError as error:
        raise CommandError(f"{name} cannot be read ({error.strerror}); give the path of a file", status=USAGE) from None
    return path


def decider(name: str, *, seed: int | None) -> tuple[Router, Config]:
    """A router for the fleet file `name` that can decide but not send: no secret is opened. And what the file says.

    Raises `CommandError` with status 2 for a file that is no valid fleet: nothing can be asked of it.
    """
    from junctor.router import Router

    compiled, fleet = fleet_in(name)
    return Router(compiled.fleet, compiled.endpoints, seed=seed), fleet


def fleet_in(name: str) -> tuple[Compiled, Config]:
    """What a router for the fleet file `name` is made of, no secret opened, and what the file says.

    Raises `CommandError` with status 2 for a file that is no valid fleet: nothing can be asked of it.
    """
    from junctor import config

    path = readable(name)
    try:
        fleet = config.load(path)
        return config.compile(fleet, secrets=False), fleet
    except ConfigError as error:
        raise unusable(name, error) from None


def unusable(name: str, error: ConfigError) -> CommandError:
    """That the fleet file `name` is no valid fleet, in one line."""
    more = f" ({len(error.problems)} problems; see junctor check {name})" if error.problems[1:] else ""
    return CommandError(f"{error.problems[0]}{more}", status=USAGE)


def json_object(argument: str) -> dict[str, Any]:
    """The JSON object in `argument`, in the file that it names (with or without `@`), or on standard input for `-`.

    Raises `CommandError` with status 2 for what is no JSON object.
    """
    raw = _text_of(argument)
    try:
        found = msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise CommandError(f"the request is not JSON ({error}); give an object, a file or -", status=USAGE) from None
    if not isinstance(found, dict):
        raise CommandError(f"the request is a JSON {_kind(found)}, not an object", status=USAGE)
    return found


def _text_of(argument: str) -> bytes:
    if argument == "-":
        return sys.stdin.buffer.read()
    if argument.startswith("@"):
        return readable(argument[1:]).read_bytes()
    if argument.endswith(".json") or os.path.isfile(argument):
        return readable(argument).read_bytes()
    return argument.encode()


def _kind(value: object) -> str:
    names = {list: "list", str: "text", bool: "truth value", int: "number", float: "number", type(None): "null"}
    return names[type(value)]
