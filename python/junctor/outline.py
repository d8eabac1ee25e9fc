"""What a request brings beside its text, counted for a learned scorer that looks at it.

Counted from the canonical request, whatever door it came through, once per call, and only if the scorer's table had
such columns (`junctor.evaluation.outlines`): the core turns the same figures into features there and here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from junctor._core import Outline

if TYPE_CHECKING:
    from junctor.request import ChatRequest

__all__ = ["Outline", "figures", "outline"]

_FILES = frozenset({"file", "input_audio"})
_SYSTEM = frozenset({"system", "developer"})


def outline(request: ChatRequest) -> Outline:
    """The outline of a request."""
    return Outline(**figures(request))


def figures(request: ChatRequest) -> dict[str, int]:
    """The figures of its outline by their names: what a column of a training table holds."""
    images = files = turns = system_chars = 0
    for message in request.messages:
        role, content = message.get("role"), message.get("content")
        turns += role == "user"
        if isinstance(content, str):
            system_chars += len(content) if role in _SYSTEM else 0
        elif isinstance(content, Sequence):
            for part in content:
                if not isinstance(part, Mapping):
                    continue
                kind, text = part.get("type"), part.get("text")
                images += kind == "image_url"
                files += kind in _FILES
                system_chars += len(text) if role in _SYSTEM and isinstance(text, str) else 0
    form = request.response_format
    return {
        "tools": len(request.tools),
        "images": images,
        "files": files,
        "turns": turns,
        "system_chars": system_chars,
        "structured": int(form is not None and form.get("type") != "text"),
        "max_tokens": max(request.max_tokens or 0, 0),
    }
