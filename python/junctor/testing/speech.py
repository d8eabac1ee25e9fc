"""What a simulated model says: words by the number, and arguments that fit a JSON schema.

Answers only have to be plausible to a client: the right length, the right types, cut at `max_tokens`. One word is one
token and one stream event.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Final

import msgspec

SUPPLY: Final = (
    "The line is free and the call goes through ; a second exchange picks it up when the first one is busy , so "
    "nobody waits long . Each answer takes its own time , some short , some with a tail that surprises ."
)
WORDS: Final = tuple(SUPPLY.split())

MAX_DEPTH: Final = 6  # deeper schemas are recursive ones; they get null from here on


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One answer before it is put into a provider's form.

    `pieces` are the visible text in stream events; `tool` is a call's name and `arguments` its JSON text in pieces.
    `finish` is why it ends: `stop`, `length` or `tool`. `number` counts answers and makes their ids unique.
    Of `input_tokens`, `cached_tokens` came from the prompt cache and `cache_write_tokens` went into it. `logprobs` has
    one number per piece, told to who asks for them.
    """

    pieces: tuple[str, ...]
    input_tokens: int
    output_tokens: int
    finish: str = "stop"
    tool: str | None = None
    arguments: tuple[str, ...] = ()
    number: int = 0
    created_s: int = 0
    usage: bool = True
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    logprobs: tuple[float, ...] = ()

    @property
    def text(self) -> str:
        """The visible text, whole."""
        return "".join(self.pieces)


def pieces_of(text: str) -> tuple[str, ...]:
    """`text` cut before each word, so that joining gives it back."""
    words = text.split(" ")
    return (words[0], *[" " + word for word in words[1:]]) if text else ()


def sentence(count: int, random: Random) -> tuple[str, ...]:
    """`count` words, from a random place of the supply on."""
    start = random.randrange(len(WORDS))
    words = [WORDS[(start + step) % len(WORDS)] for step in range(count)]
    return (words[0], *[" " + word for word in words[1:]]) if words else ()


def output_length(median: int, sigma: float, random: Random) -> int:
    """A log-normal number of tokens, at least one."""
    return max(1, round(random.lognormvariate(0.0, sigma) * median)) if sigma > 0 else max(1, median)


def halves(text: str) -> tuple[str, ...]:
    """JSON text in two pieces, as streams deliver it."""
    middle = len(text) // 2
    return (text[:middle], text[middle:]) if middle else (text,)


def example(schema: Mapping[str, Any], name: str = "value", depth: int = 0) -> Any:
    """A value that fits a JSON schema's types, required properties and enums."""
    if depth > MAX_DEPTH:
        return None
    if schema.get("enum"):
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return example(schema[key][0], name, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0]
    return _of_kind(str(kind).lower(), schema, name, depth)


def _of_kind(kind: str, schema: Mapping[str, Any], name: str, depth: int) -> Any:
    if kind == "object":
        properties: Mapping[str, Any] = schema.get("properties") or {}
        wanted = schema.get("required") or list(properties)
        return {key: example(properties.get(key) or {}, key, depth + 1) for key in wanted}
    if kind == "array":
        return [example(schema.get("items") or {}, name, depth + 1)]
    plain: dict[str, Any] = {"integer": 1, "number": 1.5, "boolean": True, "null": None}
    return plain.get(kind, f"example {name}")
