"""Conditions: from the short form of the fleet file to the core's closed vocabulary.

The file says `{user_tier: free, input_tokens: "<500", tags: {env: {prefix: prod}}}`; the core wants a tree of a few
node kinds with inclusive integer bounds. Conditions stay data on both sides, never code: a pattern language was left
out because its worst case would sit in every request's way.
"""

from __future__ import annotations

import re
from typing import Any, Final

from junctor.config.errors import Path, Problems, show
from junctor.config.spec import CAPABILITIES, ConditionSpec, RangeSpec, TagSpec

Condition = dict[str, Any]

ATTRIBUTES: Final = ("task", "user_tier", "priority", "tenant", "data", "model")
NUMBERS: Final = ("input_tokens", "prompt_chars", "output_tokens")
LARGEST: Final = 10**9
_COMPARED: Final = re.compile(r"\s*(<=|>=|<|>|=|==)?\s*([0-9][0-9_,]*)\s*")
_BETWEEN: Final = re.compile(r"\s*([0-9][0-9_,]*)\s*\.\.\s*([0-9][0-9_,]*)\s*")
_FORMS: Final = 'write "<500", ">=1000", "500..2000" or {min: 500, max: 2000}'


def condition(spec: ConditionSpec, path: Path, problems: Problems) -> Condition:
    """The core's form of one condition. Bounds that nothing can meet are reported."""
    parts = [
        *_attributes(spec),
        *_numbers(spec, path, problems),
        *_flags(spec),
        *_tags(spec, path, problems),
        *_nested(spec, path, problems),
    ]
    return parts[0] if len(parts) == 1 else {"all": parts} if parts else {}


def _attributes(spec: ConditionSpec) -> list[Condition]:
    found = ((name, getattr(spec, name)) for name in ATTRIBUTES)
    return [{"attribute": name, "one_of": _texts(value)} for name, value in found if value is not None]


def _texts(value: object) -> list[str]:
    """Tags are texts on the wire, so `priority: 1` and `priority: "1"` mean the same."""
    values = value if isinstance(value, list) else [value]
    texts = [str(item).lower() if isinstance(item, bool) else str(item) for item in values]
    return list(dict.fromkeys(texts))


def _flags(spec: ConditionSpec) -> list[Condition]:
    found = ((name, getattr(spec, name)) for name in CAPABILITIES)
    return [{"flag": name, "is": value} for name, value in found if value is not None]


def _numbers(spec: ConditionSpec, path: Path, problems: Problems) -> list[Condition]:
    parts: list[Condition] = []
    for name in NUMBERS:
        value: str | int | RangeSpec | None = getattr(spec, name)
        if value is not None and (bounds := _bounds(value, (*path, name), problems)) is not None:
            parts.append({"number": name, "min": bounds[0], "max": bounds[1]})
    return parts


def _bounds(value: str | int | RangeSpec, path: Path, problems: Problems) -> tuple[int | None, int | None] | None:
    bounds = _parsed(value)
    if bounds is None:
        problems.error(path, f"{show(value)} is not a range of whole numbers from 0 to {LARGEST:,}; {_FORMS}")
        return None
    low, high = bounds
    if low is None and high is None:
        problems.error(path, f"the range has neither min nor max; {_FORMS}")
    elif low is not None and high is not None and low > high:
        problems.error(path, f"no number is at least {low} and at most {high}; {_FORMS}")
    elif high is not None and high < 0:
        problems.error(path, f"{show(value)} holds for no number; {_FORMS}")
    return bounds


def _parsed(value: str | int | RangeSpec) -> tuple[int | None, int | None] | None:
    if isinstance(value, RangeSpec):
        return value.min, value.max
    if isinstance(value, int):
        return value, value
    if match := _BETWEEN.fullmatch(value):
        return _within(_int(match[1]), _int(match[2]))
    if match := _COMPARED.fullmatch(value):
        return _compared(match[1] or "=", _int(match[2]))
    return None


def _int(digits: str) -> int:
    return int(digits.replace("_", "").replace(",", ""))


def _within(low: int, high: int) -> tuple[int, int] | None:
    return (low, high) if max(low, high) <= LARGEST else None


def _compared(sign: str, bound: int) -> tuple[int | None, int | None] | None:
    if bound > LARGEST:
        return None
    if sign in ("<", "<="):
        return None, bound - (sign == "<")
    if sign in (">", ">="):
        return bound + (sign == ">"), None
    return bound, bound


def _tags(spec: ConditionSpec, path: Path, problems: Problems) -> list[Condition]:
    return [_tag(name, test, (*path, "tags", name), problems) for name, test in spec.tags.items()]


def _tag(name: str, test: object, path: Path, problems: Problems) -> Condition:
    if not isinstance(test, TagSpec):
        return {"attribute": name, "one_of": _texts(test)}
    if (test.prefix is None) == (test.present is None):
        problems.error(path, "a tag is tested by exactly one of prefix and present; for equality write the value alone")
    if test.prefix is not None:
        return {"attribute": name, "prefix": test.prefix}
    present = {"attribute": name, "present": True}
    return {"not": present} if test.present is False else present


def _nested(spec: ConditionSpec, path: Path, problems: Problems) -> list[Condition]:
    parts: list[Condition] = []
    for word, children in (("all", spec.all), ("any", spec.any)):
        if children is not None:
            inner = [condition(child, (*path, word, index), problems) for index, child in enumerate(children)]
            parts.append({word: inner})
    if spec.not_ is not None:
        inner_not = condition(spec.not_, (*path, "not"), problems)
        if not inner_not:
            problems.error((*path, "not"), "the negation of an empty condition never holds; name what must not be")
        parts.append({"not": inner_not})
    return parts
