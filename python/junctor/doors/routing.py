"""How a caller says what routes its request, in headers or metadata that every SDK can send.

| header | metadata | means |
|---|---|---|
| `x-junctor-task`, `-user-tier`, `-priority`, `-data` | `junctor_task`, … | the well-known tags |
| `x-junctor-tags: a=1,b=2` | | further tags |
| `x-junctor-session` | `junctor_session` | requests that should meet the same deployment |
| `x-junctor-deadline-s`, `-max-wait-s` | `junctor_deadline_s`, … | seconds |

A tenant (`x-junctor-tenant`) counts only where nobody else says who asks. Names that are not listed are an error in
headers, where only a typo can be meant, and are left alone in metadata, which is the caller's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from junctor.exceptions import InvalidRequest

PREFIX: Final = "x-junctor-"
MARK: Final = "junctor_"
MAX_VALUE_CHARS: Final = 256
"""The longest value that routes; rules compare words, not texts."""
MAX_TAGS: Final = 16
"""The core takes that many tags of one request."""

_WORDS: Final = frozenset({"task", "user_tier", "priority", "data", "tenant", "session"})
_SECONDS: Final = frozenset({"deadline_s", "max_wait_s"})
_OURS: Final = frozenset({"key"})
"""Further headers of that prefix that are not routing: whoever carries the bytes reads them."""


def routing(headers: Mapping[str, str], metadata: Any = None) -> dict[str, Any]:
    """The options that headers and metadata give; headers win. Raises `InvalidRequest`, naming the header."""
    options: dict[str, Any] = {}
    if metadata.__class__ is dict:
        for key, value in metadata.items():
            if key.startswith(MARK) and (name := key[len(MARK) :]) in _WORDS | _SECONDS:
                options[name] = _value(name, value, f"metadata.{key}")
    for key, value in headers.items():
        if not key.startswith(PREFIX):
            continue
        name = key[len(PREFIX) :].replace("-", "_")
        if name == "tags":
            options["tags"] = _tags(value)
        elif name in _WORDS or name in _SECONDS:
            options[name] = _value(name, value, key)
        elif name not in _OURS:
            known = ", ".join(sorted(PREFIX + word.replace("_", "-") for word in _WORDS | _SECONDS | {"tags"}))
            raise InvalidRequest(f"header {key[:80]}: unknown; known are {known}")
    return options


def without_marks(metadata: dict[str, Any]) -> dict[str, Any]:
    """The metadata as the provider should see it."""
    return {key: value for key, value in metadata.items() if not key.startswith(MARK)}


def _value(name: str, value: Any, where: str) -> str | float:
    if name in _SECONDS:
        try:
            return float(value)
        except (TypeError, ValueError):
            raise InvalidRequest(f"{where} is not a number of seconds") from None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_VALUE_CHARS:
        raise InvalidRequest(f"{where} must be a string of 1 to {MAX_VALUE_CHARS} characters")
    return value


def _tags(text: str) -> dict[str, str]:
    tags: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, mark, value = pair.partition("=")
        if not mark or not name.strip() or len(pair) > MAX_VALUE_CHARS:
            raise InvalidRequest(f"header {PREFIX}tags: write name=value pairs with commas between them")
        tags[name.strip()] = value.strip()
    if len(tags) > MAX_TAGS:
        raise InvalidRequest(f"header {PREFIX}tags: {len(tags)} tags; at most {MAX_TAGS} are allowed")
    return tags
