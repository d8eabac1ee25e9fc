"""The fields of a caller's body: parsed once, looked at with types, wrong ones named.

Decoding into typed structures would forget what is unknown, and the unknown is passed on to providers of the same
dialect. So a body stays a dictionary, and the dozen fields that routing reads are checked as they are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor.exceptions import InvalidRequest

_decode: Final = msgspec.json.Decoder().decode

_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "a string": (str,),
    "a number": (int, float),
    "an integer": (int,),
    "a boolean": (bool,),
    "an array": (list,),
    "an object": (dict,),
    "a string or an array of strings": (str, list),
    "a string or an array": (str, list),
    "a string or an object": (str, dict),
}


def body_of(body: bytes) -> dict[str, Any]:
    """The body as an object. Raises `InvalidRequest` for anything else."""
    try:
        found = _decode(body)
    except RecursionError:
        raise InvalidRequest("the body is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        where = str(error).partition(" (byte ")[2].rstrip(")") or "?"
        raise InvalidRequest(f"the body is not valid JSON at byte {where} of {len(body)}") from None
    if not isinstance(found, dict):
        raise InvalidRequest(f"the body is {_kind(found)}; it must be an object")
    return found


def take(body: Mapping[str, Any], name: str, kind: str, where: str = "") -> Any:
    """The field `name`, None if it is absent or null. Raises `InvalidRequest` if it is not of this kind."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, _KINDS[kind]) or (value.__class__ is bool and kind != "a boolean"):
        raise InvalidRequest(f"{where}{name} is {_kind(value)}; it must be {kind}")
    return value


def must(body: Mapping[str, Any], name: str, kind: str, where: str = "") -> Any:
    """As `take`, for a field that cannot be left out."""
    value = take(body, name, kind, where)
    if value is None:
        raise InvalidRequest(f"{where}{name} is missing; it must be {kind}")
    return value


def objects(value: list[Any], where: str) -> list[dict[str, Any]]:
    """The array as one of objects."""
    for index, item in enumerate(value):
        if item.__class__ is not dict:
            raise InvalidRequest(f"{where}[{index}] is {_kind(item)}; it must be an object")
    return value


def _kind(value: Any) -> str:
    """A JSON value without its content: errors may be logged, callers' texts may not."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"a string of {len(value)} characters"
    return f"an array of {len(value)}" if isinstance(value, list) else "an object"
