"""What a type allows, in words: the middle part of every message about a wrong value.

The decoder's own texts speak of `int` and `$.deployments[...]`; a message for people says which whole numbers are
allowed. The words are derived from the types in `spec`, so that a range cannot be changed in one place only.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

LISTS: Final = (list, Sequence)
MAPPINGS: Final = (dict, Mapping)
"""What `get_origin` makes of the types of lists and mappings."""

_PLAIN: Final[dict[Any, str]] = {bool: "true or false", str: "a text", type(None): "nothing", Any: "any value"}


def describe(kind: Any) -> str:
    """`a whole number from 1 to 1,000`, `one of balanced, cheapest`, `true or false`, `a list of names` …"""
    if get_origin(kind) is Annotated:
        return _annotated(kind)
    if kind in (int, float):
        return _number(kind, msgspec.Meta())
    if get_origin(kind) is Literal:
        words = [str(word) for word in get_args(kind)]
        return words[0] if len(words) == 1 else "one of " + ", ".join(words)
    if is_union(kind):
        return " or ".join(dict.fromkeys(describe(arm) for arm in arms(kind)))
    if get_origin(kind) in LISTS:
        return f"a list, each {describe(get_args(kind)[0])}"
    if get_origin(kind) in MAPPINGS:
        return "a mapping"
    return _PLAIN.get(kind) or f"a mapping with the keys {', '.join(sorted(keys(kind)))}"


def is_union(kind: Any) -> bool:
    """Whether the type offers a choice of types."""
    return get_origin(kind) in (Union, types.UnionType)


def arms(kind: Any) -> tuple[Any, ...]:
    """The types that a union offers, without None (which only stands for a missing key) and with unions flattened."""
    if not is_union(kind):
        return (kind,)
    return tuple(inner for arm in get_args(kind) if arm is not type(None) for inner in arms(arm))


def words_of(kind: Any) -> list[str]:
    """The fixed words that the type accepts."""
    return [word for arm in arms(kind) if get_origin(arm) is Literal for word in get_args(arm) if isinstance(word, str)]


def keys(struct: Any) -> list[str]:
    """The keys of a section as they are written in the file."""
    return list(struct.__struct_encode_fields__)


def _annotated(kind: Any) -> str:
    base, *metas = get_args(kind)
    meta = next(meta for meta in metas if isinstance(meta, msgspec.Meta))
    if meta.description:
        return meta.description
    if base in (int, float):
        return _number(base, meta)
    words = describe(base)
    return words.replace("a list", "a non-empty list", 1) if meta.min_length else words


def _number(base: Any, meta: msgspec.Meta) -> str:
    words = "a whole number" if base is int else "a number"
    if meta.ge is not None and meta.le is not None:
        words += f" from {_digits(meta.ge)} to {_digits(meta.le)}"
    return words


def _digits(bound: float) -> str:
    if bound == int(bound):
        return f"{int(bound):,}"
    return f"{bound:f}".rstrip("0")
