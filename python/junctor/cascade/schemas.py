"""Whether a text is the JSON that was asked for.

Cheap models forget braces and fields, and that is a certain sign where a probability is only a hint. The part of JSON
Schema is checked that providers enforce for structured answers; keywords beyond it are ignored, as the standard says.
Our own page of code instead of `jsonschema`, whose import costs more than all of junctor's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from junctor.cascade.signals import Reading

MAX_DEPTH: Final = 64
"""Of nested values and references. Deeper answers are no answers to a person's schema."""

MAX_STEPS: Final = 50_000
"""Of one answer: alternatives inside alternatives double the work with each level."""

Schema = Mapping[str, Any]
_KINDS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
    ),
}


def read(text: str, response_format: Mapping[str, Any] | None) -> Reading:
    """1 if the text is valid JSON for what was asked, 0 if it is not; no value if no JSON was asked for."""
    kind = (response_format or {}).get("type")
    if kind not in ("json_schema", "json_object"):
        return Reading(None, "no JSON was asked for")
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return Reading(0.0, "the answer is no JSON")
    if kind == "json_object":
        return Reading(1.0) if isinstance(value, dict) else Reading(0.0, "the answer is no JSON object")
    schema = ((response_format or {}).get("json_schema") or {}).get("schema")
    if not isinstance(schema, Mapping):
        return Reading(None, "the schema that was asked for is no mapping")
    try:
        wrong = Check(schema).mismatch(value, schema, "$", 0)
    except TooMuch as error:
        return Reading(None, str(error))
    return Reading(1.0) if wrong is None else Reading(0.0, f"the answer does not fit its schema: {wrong}")


class TooMuch(Exception):
    """The schema cannot be checked within bounds, or is none."""


class Check:
    """One answer against one schema. What it says never quotes the answer."""

    __slots__ = ("_left", "_root")

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._left = MAX_STEPS

    def mismatch(self, value: Any, schema: Any, at: str, depth: int) -> str | None:
        """Where and how a value does not fit, or None."""
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise TooMuch("the schema is too deep or too branched to be checked")
        if schema is False:
            return f"{at} may not be there"
        if not isinstance(schema, Mapping):
            return None
        try:
            return (
                self._referred(value, schema, at, depth)
                or _plain(value, schema, at)
                or self._inside(value, schema, at, depth)
                or self._joined(value, schema, at, depth)
            )
        except (TypeError, AttributeError):
            raise TooMuch("the schema that was asked for is none") from None

    def _referred(self, value: Any, schema: Schema, at: str, depth: int) -> str | None:
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return None
        found: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
        return self.mismatch(value, found, at, depth + 1)

    def _inside(self, value: Any, schema: Schema, at: str, depth: int) -> str | None:
        if isinstance(value, dict):
            return self._fields(value, schema, at, depth)
        if isinstance(value, list):
            first = schema.get("prefixItems") or []
            for index, item in enumerate(value):
                rule = first[index] if index < len(first) else schema.get("items")
                if (wrong := self.mismatch(item, rule, f"{at}[{index}]", depth + 1)) is not None:
                    return wrong
        return None

    def _fields(self, value: dict[str, Any], schema: Schema, at: str, depth: int) -> str | None:
        known = schema.get("properties") or {}
        for name in schema.get("required") or ():
            if name not in value:
                return f"{at}.{name} is missing"
        for name, item in value.items():
            place = f"{at}.{name}" if name in known else f"{at}: a further field"
            rule = known[name] if name in known else schema.get("additionalProperties")
            if (wrong := self.mismatch(item, rule, place, depth + 1)) is not None:
                return wrong
        return None

    def _joined(self, value: Any, schema: Schema, at: str, depth: int) -> str | None:
        def fits(rule: Any) -> bool:
            return self.mismatch(value, rule, at, depth + 1) is None

        for rule in schema.get("allOf") or ():
            if (wrong := self.mismatch(value, rule, at, depth + 1)) is not None:
                return wrong
        if (options := schema.get("anyOf")) and not any(map(fits, options)):
            return f"{at} fits none of anyOf"
        if (options := schema.get("oneOf")) and sum(map(fits, options)) != 1:
            return f"{at} does not fit exactly one of oneOf"
        if "not" in schema and fits(schema["not"]):
            return f"{at} is what it must not be"
        return None


def _plain(value: Any, schema: Schema, at: str) -> str | None:
    kinds = schema.get("type")
    if kinds is not None:
        listed = [kinds] if isinstance(kinds, str) else kinds
        if not any(_KINDS.get(kind, lambda _: True)(value) for kind in listed):
            return f"{at} is no {' or '.join(map(str, listed))}"
    if "enum" in schema and not any(_same(value, one) for one in schema["enum"]):
        return f"{at} is none of the allowed values"
    if "const" in schema and not _same(value, schema["const"]):
        return f"{at} is not the constant"
    for kind, word, holds in _BOUNDS:
        bound = schema.get(word)
        if _KINDS["number"](bound) and _KINDS[kind](value) and not holds(value, bound):
            return f"{at} breaks {word}"
    return None


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


_BOUNDS: Final[tuple[tuple[str, str, Callable[[Any, Any], bool]], ...]] = (
    ("number", "minimum", lambda value, bound: value >= bound),
    ("number", "maximum", lambda value, bound: value <= bound),
    ("number", "exclusiveMinimum", lambda value, bound: value > bound),
    ("number", "exclusiveMaximum", lambda value, bound: value < bound),
    ("string", "minLength", lambda value, bound: len(value) >= bound),
    ("string", "maxLength", lambda value, bound: len(value) <= bound),
    ("array", "minItems", lambda value, bound: len(value) >= bound),
    ("array", "maxItems", lambda value, bound: len(value) <= bound),
    ("object", "minProperties", lambda value, bound: len(value) >= bound),
    ("object", "maxProperties", lambda value, bound: len(value) <= bound),
)
