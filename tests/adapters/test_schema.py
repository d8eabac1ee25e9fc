"""Schemas in each dialect's words: only those, once and for all, no looser or tighter than the notes say."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it brings no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.adapters.profiles import ANTHROPIC_STRICT, BEDROCK_TOOL, GEMINI_OPENAPI, OPENAI_STRICT, dialects
from junctor.adapters.profiles import profile_for as profile_of
from junctor.adapters.schema import SchemaProfile, fit, loses, tightens

PROFILES = list(
    {(p.name, p): p for name in dialects() for p in (profile_of(name), profile_of(name, "strict"))}.values()
)

NAMES = st.sampled_from(["a", "b", "c"])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 9), st.sampled_from(["", "x", "xyz", "2026-01-01"]))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)


def _texts() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"type": st.sampled_from(["string", ["string", "null"]])},
        optional={
            "minLength": st.integers(0, 2),
            "maxLength": st.integers(1, 4),
            "pattern": st.sampled_from(["^x", "z$"]),
            "format": st.sampled_from(["date", "uri", "made-up"]),
            "description": st.just("words"),
            "default": st.just("x"),
        },
    )


def _numbers() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number", ["integer", "string"]])},
        optional={
            "minimum": st.integers(-2, 2),
            "exclusiveMaximum": st.integers(3, 9),
            "multipleOf": st.integers(1, 3),
            "x-unit": st.just("m"),
        },
    )


def _choices() -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.lists(VALUES, min_size=1, max_size=3).map(lambda values: {"enum": values}),
        SCALARS.map(lambda value: {"const": value}),
        st.just({}),
        st.just({"$ref": "#/$defs/one"}),
        st.just({"$ref": "#/$defs/two", "description": "beside"}),
        st.just({"$ref": "https://example.com/elsewhere"}),
    )


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(NAMES, inner, max_size=3)},
        optional={
            "required": st.lists(NAMES, unique=True, max_size=2),
            "additionalProperties": st.one_of(st.booleans(), inner),
            "patternProperties": st.dictionaries(st.just("^a"), inner, max_size=1),
            "minProperties": st.integers(0, 1),
            "title": st.just("T"),
        },
    )


def _around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    lists = st.lists(inner, min_size=1, max_size=3)
    arrays = st.fixed_dictionaries(
        {"type": st.just("array")},
        optional={
            "items": st.one_of(inner, st.booleans()),
            "prefixItems": lists,
            "minItems": st.integers(0, 2),
            "uniqueItems": st.booleans(),
        },
    )
    combined = st.sampled_from(["anyOf", "oneOf", "allOf"]).flatmap(lambda word: lists.map(lambda many: {word: many}))
    with_base = st.tuples(combined, inner).map(
        lambda both: {**both[1], **both[0]} if "$ref" not in both[1] else both[0]
    )
    return st.one_of(_objects(inner), arrays, combined, with_base, inner.map(lambda one: {"not": one}))


def ended(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema if it names no other: a circle without an object or a list in it has no meaning."""
    return schema if "$ref" not in json.dumps(schema) else {"type": "string"}


NODES = st.recursive(st.one_of(_texts(), _numbers(), _choices()), _around, max_leaves=6)
SCHEMAS = st.tuples(_objects(NODES), NODES, NODES, st.sampled_from(["", "self", "top"])).map(
    lambda drawn: {
        **drawn[0],
        "$defs": {
            "one": {"anyOf": [ended(drawn[1]), {"type": "array", "items": {"$ref": "#/$defs/one"}}]}
            if drawn[3]
            else ended(drawn[1]),
            "two": ended(drawn[2]),
        },
    }
)


def words_of(schema: Any) -> set[str]:
    """Every keyword in use, wherever a schema stands."""
    if not isinstance(schema, dict):
        return set()
    found = set(schema)
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions", "patternProperties"):
            found = found.union(*(words_of(one) for one in value.values()))
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            found = found.union(*(words_of(one) for one in value))
        elif key in ("items", "additionalProperties", "not"):
            found |= words_of(value)
    return found


def accepts(schema: Any, value: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(plain(schema)).is_valid(value))


def plain(schema: Any) -> Any:
    """OpenAPI's `nullable` in the validator's words; references to elsewhere accept all."""
    if isinstance(schema, list):
        return [plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if str(schema.get("$ref", "")).startswith("https:"):
        return {}
    out = {key: plain(value) for key, value in schema.items() if key != "nullable"}
    return {"anyOf": [out, {"type": "null"}]} if schema.get("nullable") is True else out


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: f"{p.name}-{'closed' if p.closed else p.refs}")
@given(schema=SCHEMAS, values=st.lists(st.dictionaries(NAMES, VALUES, max_size=3), max_size=6))
@settings(max_examples=60)
def test_a_fitted_schema_says_only_what_the_dialect_takes_and_what_the_notes_tell(
    profile: SchemaProfile, schema: dict[str, Any], values: list[Any]
) -> None:
    before = copy.deepcopy(schema)
    fitted, notes = fit(schema, profile)
    assert schema == before
    if profile.keywords is not None:
        assert words_of(fitted) <= profile.keywords | {"description"}
    again, more = fit(fitted, profile)
    assert (again, more) == (fitted, ())
    for value in values:
        was, now = accepts(schema, value), accepts(fitted, value)
        if was and not now:
            assert any(map(tightens, notes)), (value, fitted, notes)
        if now and not was:
            assert any(map(loses, notes)), (value, fitted, notes)


@given(schema=SCHEMAS)
@settings(max_examples=60)
def test_what_a_grammar_takes_is_closed_named_and_typed_everywhere(schema: dict[str, Any]) -> None:
    fitted, _ = fit(schema, OPENAI_STRICT)

    def look(node: Any) -> None:
        if not isinstance(node, dict):
            return
        assert {"type", "anyOf", "$ref"} & node.keys(), node
        if "$ref" in node:
            assert len(node) == 1
        if "object" in node.get("type", ()):
            assert node["additionalProperties"] is False
            assert set(node["required"]) == set(node["properties"])
        for inner in (*node.get("properties", {}).values(), *node.get("anyOf", ()), *node.get("$defs", {}).values()):
            look(inner)
        look(node.get("items"))

    look(fitted)


TABLE: list[tuple[str, SchemaProfile, Any, Any, tuple[str, ...]]] = [
    (
        "a reference is replaced where there are none",
        BEDROCK_TOOL,
        {"type": "object", "properties": {"d": {"$ref": "#/$defs/day"}}, "$defs": {"day": {"type": "string"}}},
        {"type": "object", "properties": {"d": {"type": "string"}}},
        ("$ref inlined (bedrock)",),
    ),
    (
        "what is not enforced is told",
        ANTHROPIC_STRICT,
        {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "additionalProperties": False},
        {
            "type": "object",
            "properties": {"n": {"type": "integer", "description": "minimum: 3"}},
            "additionalProperties": False,
        },
        ("minimum dropped (anthropic)",),
    ),
    (
        "an optional property may be null where all are required",
        OPENAI_STRICT,
        {"type": "object", "properties": {"n": {"type": "string"}}, "additionalProperties": False},
        {
            "type": "object",
            "properties": {"n": {"type": ["string", "null"]}},
            "additionalProperties": False,
            "required": ["n"],
        },
        ("optional properties made required, may be null (openai)",),
    ),
    (
        "a list of types is a nullable one in OpenAPI",
        GEMINI_OPENAPI,
        {"type": "object", "properties": {"n": {"type": ["string", "null"]}}},
        {"type": "object", "properties": {"n": {"type": "string", "nullable": True}}},
        (),
    ),
    (
        "a constant is a list of one",
        GEMINI_OPENAPI,
        {"type": "object", "properties": {"k": {"const": "x"}}},
        {"type": "object", "properties": {"k": {"type": "string", "enum": ["x"]}}},
        (),
    ),
    (
        "alternatives at the top become one object",
        profile_of("anthropic"),
        {
            "anyOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]},
            ]
        },
        {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": []},
        ("alternatives at the top merged (anthropic)",),
    ),
    (
        "a definition that names itself is written out a little",
        ANTHROPIC_STRICT,
        {
            "type": "object",
            "properties": {"next": {"$ref": "#"}},
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {
                "next": {
                    "type": "object",
                    "properties": {
                        "next": {
                            "type": "object",
                            "properties": {"next": {"type": "object", "properties": {}, "additionalProperties": False}},
                            "additionalProperties": False,
                        }
                    },
                    "additionalProperties": False,
                }
            },
            "additionalProperties": False,
        },
        ("$ref inlined (anthropic)", "recursion cut (anthropic)", "objects closed (anthropic)"),
    ),
]


@pytest.mark.parametrize(
    ("profile", "schema", "wanted", "notes"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_each_rewriting_is_this_one(profile: SchemaProfile, schema: Any, wanted: Any, notes: tuple[str, ...]) -> None:
    assert fit(schema, profile) == (wanted, notes)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: f"{p.name}-{'closed' if p.closed else p.refs}")
def test_a_schema_that_grows_when_written_out_ends_and_says_so(profile: SchemaProfile) -> None:
    levels = 40
    doubling: dict[str, Any] = {
        f"d{n}": {"type": "object", "properties": {side: {"$ref": f"#/$defs/d{n + 1}"} for side in "lr"}}
        for n in range(levels)
    }
    schema = {
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/d0"}},
        "$defs": {**doubling, f"d{levels}": {"$ref": "#/$defs/d0"}},
    }
    fitted, notes = fit(schema, profile)
    assert len(json.dumps(fitted)) < 2_000_000
    if profile.refs == "inline" or not profile.recursion:
        assert any(note.startswith("too large, cut") for note in notes)


def test_nonsense_is_left_to_the_provider_and_never_raises() -> None:
    nonsense: list[Any] = [
        "text",
        3,
        None,
        [],
        {"properties": 3},
        {"type": "object", "properties": {"a": 3}},
        {"anyOf": 3},
    ]
    for schema in nonsense:
        for profile in PROFILES:
            fit(schema, profile)
