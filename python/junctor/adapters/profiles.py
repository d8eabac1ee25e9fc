"""What each dialect's schemas may say, as data: one profile per dialect and use.

Every provider takes "JSON Schema" and each means another part of it, which changes several times a year. So the parts
are written down here as tables and one function (`schema.fit`) reads them; a rewriting per adapter was rejected,
because the same losses would be noted in eight ways. Two uses are told apart: the arguments of a `tool`, which a model
reads as advice and most providers take as they are, and `strict` ones (structured output, strict tools), which the
provider turns into a grammar and therefore limits.

State of November 2026, from the providers' pages on structured output and function calling. Where a page is silent the
narrower reading is taken: a keyword that is described in words instead of enforced costs little, a refused request all.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Use = Literal["tool", "strict"]


class SchemaProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One dialect's part of JSON Schema.

    `keywords` are those that may stay, None for all. `refs`: references to definitions stay, or are replaced by what
    they name; `recursion`: a definition may name itself. `enum`: the values it may list. `formats`: those that may
    stay, None for all. `least_items`: the largest `minItems` that is enforced. `closed`: every object must say
    `additionalProperties: false`; `all_required`: and name every property as required. `typed`: every schema must have
    a type. `type_lists`: a type may be a list; else `nullable` and alternatives say it. `root_object`: the whole must
    be a plain object; `root_keywords`: the only keywords it may then have.
    """

    name: str
    keywords: frozenset[str] | None = None
    refs: Literal["keep", "inline"] = "keep"
    recursion: bool = True
    enum: Literal["any", "scalars", "strings"] = "any"
    formats: frozenset[str] | None = None
    least_items: int | None = None
    closed: bool = False
    all_required: bool = False
    typed: bool = False
    type_lists: bool = True
    root_object: bool = False
    root_keywords: frozenset[str] | None = None


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


_CORE: Final = words("type enum description title properties required additionalProperties items anyOf")
_RANGES: Final = words("minimum maximum exclusiveMinimum exclusiveMaximum multipleOf")
_REFS: Final = words("$ref $defs definitions")
_TEXT_FORMATS: Final = words("date-time time date duration email hostname ipv4 ipv6 uuid")

ANY: Final = SchemaProfile(name="any", root_object=True)
"""Advice for a model: everything may be said, but it must be an object at the top."""

OPENAI_STRICT: Final = SchemaProfile(
    name="openai",
    keywords=_CORE | _RANGES | _REFS | words("const pattern format minItems maxItems"),
    formats=_TEXT_FORMATS,
    closed=True,
    all_required=True,
    typed=True,
    root_object=True,
)
ANTHROPIC_STRICT: Final = SchemaProfile(
    name="anthropic",
    keywords=_CORE | _REFS | words("const default pattern format minItems"),
    recursion=False,
    enum="scalars",
    formats=_TEXT_FORMATS | {"uri"},
    least_items=1,
    closed=True,
    typed=True,
)
GEMINI: Final = SchemaProfile(
    name="gemini",
    keywords=_CORE | words("$ref $defs format prefixItems minItems maxItems minimum maximum"),
    recursion=False,
    enum="scalars",
)
GEMINI_OPENAPI: Final = SchemaProfile(
    name="gemini",
    keywords=(_CORE - {"additionalProperties"})
    | words("format nullable minItems maxItems minimum maximum minLength maxLength pattern minProperties")
    | {"maxProperties"},
    refs="inline",
    recursion=False,
    enum="strings",
    formats=words("float double int32 int64 enum date-time"),
    typed=True,
    type_lists=False,
)
BEDROCK_TOOL: Final = SchemaProfile(
    name="bedrock",
    keywords=_CORE
    | _RANGES
    | words("const default pattern format minItems maxItems uniqueItems minLength maxLength oneOf"),
    refs="inline",
    recursion=False,
    root_object=True,
    root_keywords=words("type properties required"),
)
BEDROCK_STRICT: Final = msgspec.structs.replace(ANTHROPIC_STRICT, name="bedrock", root_object=True)
MISTRAL_STRICT: Final = msgspec.structs.replace(OPENAI_STRICT, name="mistral", all_required=False, formats=None)

_OPENAI_TOOL: Final = msgspec.structs.replace(ANY, name="openai")
_PROFILES: Final[dict[str, tuple[SchemaProfile, SchemaProfile]]] = {
    "openai": (_OPENAI_TOOL, OPENAI_STRICT),
    "openai-responses": (_OPENAI_TOOL, OPENAI_STRICT),
    "azure": (_OPENAI_TOOL, OPENAI_STRICT),
    "anthropic": (msgspec.structs.replace(ANY, name="anthropic"), ANTHROPIC_STRICT),
    "gemini": (GEMINI, GEMINI),
    "gemini-openapi": (GEMINI_OPENAPI, GEMINI_OPENAPI),
    "vertex": (GEMINI, GEMINI),
    "bedrock": (BEDROCK_TOOL, BEDROCK_STRICT),
    "mistral": (msgspec.structs.replace(ANY, name="mistral"), MISTRAL_STRICT),
}


def profile_for(dialect: str, use: Use = "tool") -> SchemaProfile:
    """The profile of a dialect's tool arguments or strict schemas; an unknown dialect takes everything."""
    return _PROFILES.get(dialect, (ANY, ANY))[use == "strict"]


def dialects() -> tuple[str, ...]:
    """Every dialect that has profiles."""
    return tuple(_PROFILES)
