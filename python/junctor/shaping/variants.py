"""Which variant of a named system prompt a deployment gets, and where it goes in the conversation.

A prompt that was tuned for one model is often worse at another, and a fallback changes the model in the middle of a
call. So the variant is chosen for the deployment that was picked, at every attempt anew. The most specific match wins:
the exact model, the group, then patterns, those with more letters in the model's name first and then in the whole,
`default` last. Rules of
precedence by order in the file were rejected: YAML mappings have none that people rely on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from junctor.exceptions import InvalidRequest
from junctor.request import Message

DEFAULT: Final = "default"
SYSTEM_ROLES: Final = frozenset({"system", "developer"})
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,63})\}")


def matches(pattern: str, *, model: str, groups: Sequence[str]) -> bool:
    """Whether a variant is meant for `provider/model`, served in one of these groups."""
    if pattern == DEFAULT:
        return True
    return pattern in groups or fnmatchcase(model, pattern)


def choose(variants: Mapping[str, str], *, model: str, group: str) -> str | None:
    """The name of the variant for this model in this group; None if none matches."""
    found = [pattern for pattern in variants if matches(pattern, model=model, groups=(group,))]
    return max(found, key=lambda pattern: _rank(pattern, model, group), default=None)


def _rank(pattern: str, model: str, group: str) -> tuple[int, int, int, str]:
    if pattern == DEFAULT:
        return 0, 0, 0, ""
    exact = 3 if pattern == model else 2 if pattern == group else 1
    return exact, _letters(pattern.partition("/")[2]), _letters(pattern), pattern


def _letters(pattern: str) -> int:
    return sum(letter not in "*?[]" for letter in pattern)


def filled(variants: Mapping[str, str], values: Mapping[str, Any], *, prompt: str) -> dict[str, str]:
    """Every variant with each `{name}` of `values` replaced. Braces around anything else stay as they are.

    A prompt is full of braces (JSON, code), so only names that were given are placeholders: nothing is evaluated.
    Raises `InvalidRequest` for a value that no variant has a place for: the prompt would silently lack it.
    """
    missing = [name for name in values if not any(f"{{{name}}}" in text for text in variants.values())]
    if missing:
        raise InvalidRequest(
            f"prompt_values: {missing[0]!r} stands nowhere in the prompt {prompt!r}; "
            f"write {{{missing[0]}}} into it or leave the value out"
        )

    def value(found: re.Match[str]) -> str:
        return str(values[found[1]]) if found[1] in values else found[0]

    return {name: _PLACEHOLDER.sub(value, text) for name, text in variants.items()} if values else dict(variants)


def applied(messages: Sequence[Message], text: str) -> list[Message]:
    """The conversation with this system prompt instead of the system messages at its beginning."""
    start = 0
    while start < len(messages) and messages[start].get("role") in SYSTEM_ROLES:
        start += 1
    return [{"role": "system", "content": text}, *messages[start:]]
