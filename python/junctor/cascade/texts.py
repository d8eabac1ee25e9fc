"""The words of a message, whatever form its content has."""

from __future__ import annotations

from typing import Any


def text_of(message: Any) -> str:
    """All text of one message, without what is no text."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list | tuple) else ()
    return " ".join(str(item.get("text") or "") for item in parts if hasattr(item, "get"))
