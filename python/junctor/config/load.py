"""Fleet files to `Config`: `load` for files, `from_mapping` for what a program has in hand.

The suffix says which format is meant (`.yaml`, `.yml`, `.toml`); guessing from the content would turn a syntax error
of one format into nonsense about the other. Nothing is read from the environment here, and no secret is opened.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor.config.build import build
from junctor.config.errors import Problems, show
from junctor.config.read import read
from junctor.config.valid import Config

MAX_BYTES: Final = 16 * 1024 * 1024  # ten thousand deployments fit into two


def load(path: str | os.PathLike[str]) -> Config:
    """The valid config in a YAML or TOML file.

    Raises `ConfigError` with every problem that was found, one line each.
    """
    config, problems = examine(path)
    problems.raise_errors()
    assert config is not None  # no error means a config: `build` returns None only after reporting one
    return config


def from_mapping(mapping: Mapping[str, Any], *, source: str = "config", folder: str | os.PathLike[str] = ".") -> Config:
    """The valid config that a mapping in the shape of a fleet file says.

    `source` names it in messages; relative `file:` references begin in `folder`. Raises `ConfigError`.
    """
    problems = Problems(source)
    config = _from_raw(mapping, pathlib.Path(folder), problems)
    problems.raise_errors()
    assert config is not None  # as above
    return config


def examine(path: str | os.PathLike[str]) -> tuple[Config | None, Problems]:
    """Reads a file and says everything that is wrong with it instead of raising."""
    file = pathlib.Path(path)
    problems = Problems(str(path))
    suffix = file.suffix.lower()
    if suffix not in (".yaml", ".yml", ".toml"):
        problems.unreadable(f"the ending {show(file.suffix)} is unknown; name the file *.yaml, *.yml or *.toml")
        return None, problems
    text = _text(file, problems)
    if text is None:
        return None, problems
    from junctor.config import documents  # who brings a mapping or keys needs no parser

    raw = documents.parse_toml(text, problems) if suffix == ".toml" else documents.parse_yaml(text, problems)
    config = None if raw is None else _from_raw(raw, file.parent, problems)
    if config is not None:
        config = msgspec.structs.replace(config, file=os.path.realpath(file))
    return config, problems


def _from_raw(raw: object, folder: pathlib.Path, problems: Problems) -> Config | None:
    if not isinstance(raw, Mapping):
        problems.unreadable(f"is {show(raw)}, not a mapping of sections; begin with version: 1")
        return None
    spec = read(raw, problems)
    return None if spec is None else build(spec, folder=folder, problems=problems)


def _text(file: pathlib.Path, problems: Problems) -> str | None:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        problems.unreadable(f"cannot be read ({error.strerror}); give the path of a fleet file")
        return None
    if len(raw) > MAX_BYTES:
        problems.unreadable(f"is larger than {MAX_BYTES // 2**20} MiB; split the fleet")
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problems.unreadable(f"is not UTF-8 text (line {line}, byte {error.start}); save it as UTF-8")
        return None
