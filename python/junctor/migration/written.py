"""A fleet as the text of a commented YAML file: one line per deployment, as people write them.

PyYAML's own writer would put each key on a line of its own and no comment anywhere. What is written here is read back
by the loader in the tests, word for word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from junctor.migration.notes import Note

_PLAIN: Final = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*(:[A-Za-z0-9_./-]+)?")
_WORDS: Final = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"])
_MARGIN: Final = 100
_SECTIONS: Final = {
    "state": "Limits are counted together with the other hosts that use this server.",
    "providers": "Hosts: how each is spoken to, and where. Keys stand at the deployments.",
    "deployments": "One entry of model_list each. Keys are references; they are read when a router is made.",
    "groups": "Names that callers ask for. A fallback is tried when nobody of the group can serve.",
    "dispatch": "Attempts and times of every call.",
}


def write(fleet: Mapping[str, Any], notes: Iterable[Note], *, source: str) -> str:
    """The file. `source` names what was imported."""
    told = [*notes]
    lines = [f"# Made by `junctor import-litellm` from {json.dumps(source)[1:-1]}.", "#"]
    lines += [f"# {note}" for note in told] or ["# Every key was carried over."]
    if told:
        lines.insert(1, "# What did not come over as it was:")
    lines += ["", f"version: {fleet['version']}"]
    for name, section in fleet.items():
        if name != "version":
            lines += ["", f"# {_SECTIONS[name]}", *_section(name, section)]
    return "\n".join(lines) + "\n"


def _section(name: str, section: Any) -> list[str]:
    if name in ("state", "dispatch"):
        return [f"{name}: {_flow(section)}"]
    if not section:
        return [f"{name}: {{}}"]
    return [f"{name}:", *(line for key, value in section.items() for line in _entry(key, value))]


def _entry(key: str, value: Mapping[str, Any]) -> list[str]:
    """One entry on one line, or on a line of its own for each key if that is too long."""
    whole = f"  {_scalar(key)}: {_flow(value)}"
    if len(whole) <= _MARGIN:
        return [whole]
    return [f"  {_scalar(key)}:", *(f"    {_scalar(name)}: {_flow(item)}" for name, item in value.items())]


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        bare = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
        return value if bare else json.dumps(value)
    return f"{value:.12f}".rstrip("0").rstrip(".") if isinstance(value, float) else json.dumps(value)
