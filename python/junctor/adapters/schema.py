"""JSON schemas for providers that accept only a part of JSON Schema in structured output.

Anthropic refuses objects that do not say `additionalProperties: false` and keywords that its grammar cannot enforce.
A schema written for OpenAI must still work there after a fallback, so it is closed and the unenforceable keywords are
taken out; the caller is told that this happened. The given schema is never changed.
"""

from __future__ import annotations

from typing import Any, Final

_MAPS: Final = frozenset({"properties", "$defs", "definitions"})
_LISTS: Final = frozenset({"anyOf", "allOf", "oneOf"})
_UNENFORCED: Final = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
    }
)
MAX_DEPTH: Final = 64  # no real schema nests deeper, and recursion must end


def closed(schema: Any, depth: int = 0) -> tuple[Any, bool]:
    """(schema with closed objects and enforceable keywords only, whether a keyword was lost)."""
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return schema, False
    out: dict[str, Any] = {}
    lost = False
    for key, value in schema.items():
        if key in _UNENFORCED or (key == "minItems" and value not in (0, 1)):
            lost = True
            continue
        out[key], lost_inside = _inside(key, value, depth + 1)
        lost = lost or lost_inside
    if out.get("type") == "object" or "properties" in out:
        lost = lost or out.get("additionalProperties", False) is not False
        out["additionalProperties"] = False
    return out, lost


def _inside(key: str, value: Any, depth: int) -> tuple[Any, bool]:
    if key in _MAPS and isinstance(value, dict):
        pairs = {name: closed(inner, depth) for name, inner in value.items()}
        return {name: inner for name, (inner, _) in pairs.items()}, any(lost for _, lost in pairs.values())
    if key in _LISTS and isinstance(value, list):
        items = [closed(inner, depth) for inner in value]
        return [inner for inner, _ in items], any(lost for _, lost in items)
    if key == "items":
        return closed(value, depth)
    return value, False
