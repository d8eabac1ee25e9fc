"""Which door a path leads to.

Official SDKs add their path to a base address that may be anything, so only the end of the path counts: `/v1/messages`,
`/anthropic/v1/messages` and a mount of the caller's own all lead to the same door.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import import_module
from typing import Final

from junctor.doors.contract import Door

_DOORS: Final[Mapping[str, tuple[str, str]]] = {
    "chat/completions": ("openai", "CHAT"),
    "responses": ("responses", "RESPONSES"),
    "embeddings": ("embeddings", "EMBEDDINGS"),
    "messages": ("anthropic", "MESSAGES"),
    "messages/count_tokens": ("anthropic", "COUNT_TOKENS"),
}
"""The end of a path, and the module and name of its door. A door is imported when it is first asked for."""


ENDINGS: Final = tuple(_DOORS)
"""The ends of the paths that lead to doors: what stands before them may be anything."""


def find(method: str, path: str) -> Door | None:
    """The door for this method and path (without its query), or None if there is none."""
    ending = ending_of(path) if method == "POST" else None
    return None if ending is None else _door(ending)


@lru_cache(maxsize=64)
def ending_of(path: str) -> str | None:
    """The one of `ENDINGS` that this path ends with, or None. Callers ask for the same few paths."""
    _, _, last = path.rpartition("/")
    if last in ("completions", "count_tokens"):
        last = "/".join(path.rsplit("/", 2)[1:])
    return last if last in _DOORS else None


@cache
def _door(ending: str) -> Door:
    module, name = _DOORS[ending]
    door: Door = getattr(import_module(f"junctor.doors.{module}"), name)
    return door


def dialect_of(path: str, headers: Mapping[str, str]) -> str:
    """The dialect in which to answer whoever asked for this path, which may lead nowhere."""
    if "anthropic-version" in headers or path.endswith(("/messages", "/messages/count_tokens")):
        return "anthropic"
    return "openai-responses" if path.endswith("/responses") else "openai"
