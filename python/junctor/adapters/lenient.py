"""Typed decoding first, forgiving decoding only when that fails.

Providers add fields weekly and OpenAI-compatible hosts break the published types. Typed decoding with msgspec ignores
unknown fields and is the fastest there is; when one known field has a surprising type, the same bytes are read again
without types and every field that fits is kept. Rejected: untyped decoding always (twice the time, and each reader
full of isinstance checks).
"""

from __future__ import annotations

import types
from functools import lru_cache
from typing import Any, Final, TypeVar, Union, get_args, get_origin

import msgspec

S = TypeVar("S", bound=msgspec.Struct)

UNFIT: Final = object()


def decode(decoder: msgspec.json.Decoder[S], kind: type[S], body: bytes) -> S | None:
    """`body` as `kind`, keeping what fits; None if it is not a JSON object. `kind` must default every field."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        found = loads(body)
        return _build(kind, found) if isinstance(found, dict) else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def loads(body: bytes | str) -> Any:
    """Any JSON value, or `UNFIT` if `body` is not JSON (or not UTF-8, or nested beyond reason)."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return UNFIT


@lru_cache(maxsize=64)
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, str, Any], ...]:
    return tuple((field.name, field.encode_name, field.type) for field in msgspec.structs.fields(kind))


def _build(kind: type[S], found: dict[str, Any]) -> S:
    values = {}
    for name, key, wanted in _fields(kind):
        if key in found and (value := _fit(found[key], wanted)) is not UNFIT:
            values[name] = value
    return kind(**values)


def _fit(value: Any, wanted: Any) -> Any:
    if wanted is msgspec.Raw:
        return msgspec.Raw(msgspec.json.encode(value))
    options = get_args(wanted) if get_origin(wanted) in (Union, types.UnionType) else (wanted,)
    for option in options:
        if isinstance(option, type) and issubclass(option, msgspec.Struct) and isinstance(value, dict):
            return _build(option, value)
        if get_origin(option) is list and isinstance(value, list):
            return [kept for item in value if (kept := _fit(item, get_args(option)[0])) is not UNFIT]
    try:
        return msgspec.convert(value, wanted, strict=False)
    except (msgspec.ValidationError, OverflowError):
        return UNFIT
