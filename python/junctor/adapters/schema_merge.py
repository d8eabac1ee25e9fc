"""Several JSON schemas that must all hold, as one: for dialects without `allOf` or references beside other keywords.

The result accepts at least what all of them accept together. Where two keywords have no common form the first stays,
which only loosens; the caller notes that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

_LARGER: Final = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_SMALLER: Final = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_SUBSCHEMA: Final = frozenset({"items", "propertyNames"})
MAX_DEPTH: Final = 64
"""No real schema nests deeper, and recursion must end."""


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """(one schema for both, whether some keyword of `second` was lost)."""
    out = dict(first)
    lost = False
    for key, value in second.items():
        if key not in out or out[key] is None:
            out[key] = value
        elif out[key] != value:
            out[key], lost_here = _both(key, out[key], value)
            lost = lost or lost_here
    if "items" in out and first.get("prefixItems") != second.get("prefixItems"):
        out.pop("items")  # it speaks of other places in each of them
        lost = True
    return out, lost


def _both(key: str, one: Any, other: Any) -> tuple[Any, bool]:
    if key in ("properties", "patternProperties") and isinstance(one, Mapping) and isinstance(other, Mapping):
        shared = {
            name: {"allOf": [one[name], other[name]]} for name in one if name in other and one[name] != other[name]
        }
        return {**other, **one, **shared}, False
    if key == "required" and isinstance(one, list) and isinstance(other, list):
        return list(dict.fromkeys([*one, *other])), False
    if key == "type":
        return _types(one, other)
    if key == "enum" and isinstance(one, list) and isinstance(other, list):
        common = [value for value in one if any(same(value, candidate) for candidate in other)]
        return (common, False) if common else (one, True)
    if key in _SUBSCHEMA:
        return {"allOf": [one, other]}, False
    if key == "additionalProperties":
        return (False, False) if one is False or other is False else ({"allOf": [one, other]}, False)
    if key in ("description", "title"):
        return one, False
    if key in _LARGER | _SMALLER and _number(one) and _number(other):
        return (max if key in _LARGER else min)(one, other), False
    return one, True


def _types(one: Any, other: Any) -> tuple[Any, bool]:
    left, right = listed(one), listed(other)
    common = [kind for kind in left if kind in right or (kind == "integer" and "number" in right)]
    common += [kind for kind in right if kind == "integer" and "number" in left and "integer" not in left]
    if not common:
        return one, True
    return (common[0] if len(common) == 1 else common), False


def listed(kinds: Any) -> list[Any]:
    """A `type` as a list."""
    return list(kinds) if isinstance(kinds, list | tuple) else [kinds]


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: `true` is not 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def resolve(root: Any, ref: Any) -> Any:
    """What a reference inside `root` names; None if it leads nowhere or outside."""
    if not isinstance(ref, str) or not ref.startswith("#"):
        return None
    found = root
    for step in ref[1:].split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping):
            found = found.get(name)
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found if isinstance(found, Mapping | bool) and (ref == "#" or ref[1] == "/") else None


def cyclic(root: Any) -> bool:
    """Whether following references from the top ever comes back to one that is being followed."""
    under_way: set[str] = set()
    done: set[str] = set()

    def visit(ref: str) -> bool:
        if ref in under_way:
            return True
        if ref in done:
            return False
        under_way.add(ref)
        found = any(visit(inner) for inner in references(resolve(root, ref)))
        under_way.discard(ref)
        done.add(ref)
        return found

    return any(visit(ref) for ref in references(root))


def references(node: Any, depth: int = 0) -> set[str]:
    """Every reference within a schema."""
    if depth > MAX_DEPTH * 2:
        return set()
    if isinstance(node, Mapping):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(value, depth + 1) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(references(value, depth + 1) for value in node))
    return set()
