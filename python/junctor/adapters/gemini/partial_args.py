"""Tool arguments that Gemini streams in pieces: each names a place in the object (`$.city`, `$.days[0]`) and a value.

Only streams that ask for it have them (`streamFunctionCallArguments`). String values grow by appending.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d{1,4})\]|\['([^']*)'\]")
_VALUES: Final = ("stringValue", "numberValue", "boolValue", "nullValue")
MAX_DEPTH: Final = 32  # arguments nest a few levels; bounds what a broken stream can build


def apply(arguments: dict[str, Any], piece: Mapping[str, Any]) -> None:
    """Puts one piece into `arguments`; a piece whose place makes no sense is left out."""
    path = piece.get("jsonPath")
    named = next((name for name in _VALUES if name in piece), None)
    if not isinstance(path, str) or named is None:
        return
    steps: list[str | int] = [int(found[2]) if found[2] else found[1] or found[3] for found in _STEP.finditer(path)]
    if not steps or len(steps) > MAX_DEPTH or not isinstance(steps[0], str):
        return
    where: Any = arguments
    for step, following in pairwise(steps):
        where = _descend(where, step, [] if isinstance(following, int) else {})
        if where is None:
            return
    value = None if named == "nullValue" else piece[named]
    _store(where, steps[-1], value)


def _descend(where: Any, step: str | int, empty: Any) -> Any:
    if isinstance(where, dict) and isinstance(step, str):
        inner = where.setdefault(step, empty)
    elif isinstance(where, list) and isinstance(step, int) and step <= len(where):
        if step == len(where):
            where.append(empty)
        inner = where[step]
    else:
        return None
    return inner if isinstance(inner, dict | list) else None


def _store(where: Any, step: str | int, value: Any) -> None:
    if isinstance(where, dict) and isinstance(step, str):
        before = where.get(step)
        where[step] = before + value if isinstance(before, str) and isinstance(value, str) else value
    elif isinstance(where, list) and isinstance(step, int):
        if step == len(where):
            where.append(value)
        elif step < len(where):
            before = where[step]
            where[step] = before + value if isinstance(before, str) and isinstance(value, str) else value
