"""`junctor import-litellm FILE`: LiteLLM's configuration as a fleet file, and a warning for each key that is not in it.

The fleet goes to standard output or to `-o FILE`, warnings to standard error, so that a pipe gets the one and a person
sees the other. Warnings alone are status 0 (1 with `--strict`): hardly any configuration is without one. Status 1 is a
fleet that `junctor check` would refuse; 2 a file that cannot be read, or one that is there already.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from junctor.cli.ending import OK, PROBLEMS, USAGE, CommandError, reader_may_leave
from junctor.cli.files import readable
from junctor.cli.text import paint_for, plural

if TYPE_CHECKING:
    from junctor.migration import Imported


def declare(command: argparse.ArgumentParser) -> None:
    """The options of `junctor import-litellm`."""
    command.add_argument("file", metavar="FILE", help="LiteLLM's config.yaml")
    command.add_argument("-o", "--output", metavar="FLEET", help="the fleet file to write (default: standard output)")
    command.add_argument("--force", action="store_true", help="write over a fleet file that is there")
    command.add_argument("--strict", action="store_true", help="exit with 1 if anything is not carried over")


def run(arguments: argparse.Namespace) -> int:
    """Import and write; 1 for a fleet that is not valid (with `--strict`: for any warning)."""
    from junctor.migration import from_litellm, written

    imported = from_litellm(_read(arguments.file))
    text = written.write(imported.fleet, imported.notes, source=Path(arguments.file).name)
    if arguments.output is not None:
        _write(Path(arguments.output), text, force=arguments.force)
    ok = not imported.problems and not (arguments.strict and imported.notes)
    with reader_may_leave():
        if arguments.json:
            print(msgspec.json.encode(_told(arguments, imported, text, ok)).decode())
        elif arguments.output is None:
            print(text, end="")
    if not arguments.json:
        _warn(imported)
    return OK if ok else PROBLEMS


def _read(name: str) -> Mapping[str, Any]:
    from junctor.config.documents import parse_yaml
    from junctor.config.errors import Problems

    problems = Problems(name)
    try:
        text = readable(name).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CommandError(f"{name} is no text in UTF-8; give LiteLLM's config.yaml", status=USAGE) from None
    raw = parse_yaml(text, problems)
    for problem in problems.found:
        raise CommandError(str(problem), status=USAGE)
    if not isinstance(raw, Mapping) or not raw:
        raise CommandError(f"{name} holds no sections; give LiteLLM's config.yaml", status=USAGE)
    return raw


def _write(path: Path, text: str, *, force: bool) -> None:
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CommandError(f"{path} is there already; choose another -o, or add --force", status=USAGE) from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror}); choose another -o", status=USAGE) from None


def _told(arguments: argparse.Namespace, imported: Imported, text: str, ok: bool) -> dict[str, Any]:
    return {
        "file": arguments.file,
        "output": arguments.output,
        "ok": ok,
        "carried": imported.carried,
        "warnings": [msgspec.structs.asdict(note) for note in imported.notes],
        "problems": list(imported.problems),
        "fleet": text,
    }


def _warn(imported: Imported) -> None:
    paint = paint_for(sys.stderr)
    for note in imported.notes:
        print(f"{paint('warning', 'bold', 'yellow')}: {note}", file=sys.stderr)
    for problem in imported.problems:
        print(f"{paint('error', 'bold', 'red')}: {problem}", file=sys.stderr)
    left = sum(note.fate == "left" for note in imported.notes)
    told = (
        f"{plural(imported.carried, 'key')} carried over, {left:,} not, {len(imported.notes) - left:,} in another form"
    )
    print(told, file=sys.stderr)
