"""Answers against the schema that was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from junctor.cascade.schemas import read

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "age": {"type": "integer", "minimum": 0},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2},
        "boss": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
    },
    "required": ["name"],
    "additionalProperties": False,
}


def asked(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


@pytest.mark.parametrize(
    ("text", "value", "wrong"),
    [
        ('{"name": "Ada", "age": 36, "tags": ["a"], "boss": {"name": "B", "boss": null}}', 1.0, ""),
        ('{"name": "Ada", "age": 36.0}', 1.0, ""),
        ("sure! {}", 0.0, "the answer is no JSON"),
        ('{"name": "Ada"', 0.0, "the answer is no JSON"),
        ("", 0.0, "the answer is no JSON"),
        ("[]", 0.0, "$ is no object"),
        ("{}", 0.0, "$.name is missing"),
        ('{"name": ""}', 0.0, "$.name breaks minLength"),
        ('{"name": "A", "age": true}', 0.0, "$.age is no integer"),
        ('{"name": "A", "age": -1}', 0.0, "$.age breaks minimum"),
        ('{"name": "A", "tags": ["c"]}', 0.0, "$.tags[0] is none of the allowed values"),
        ('{"name": "A", "tags": ["a", "b", "a"]}', 0.0, "$.tags breaks maxItems"),
        ('{"name": "A", "secret": 1}', 0.0, "$: a further field may not be there"),
        ('{"name": "A", "boss": {}}', 0.0, "$.boss fits none of anyOf"),
    ],
)  # fmt: skip
def test_an_answer_fits_or_says_where_not(text: str, value: float, wrong: str) -> None:
    why = f"the answer does not fit its schema: {wrong}" if wrong.startswith("$") else wrong
    assert read(text, asked(PERSON)) == (value, why)


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"const": 1}, "1", 1.0),
        ({"const": 1}, "true", 0.0),
        ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, "1", 0.0),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, "1", 1.0),
        ({"allOf": [{"minimum": 1}, {"maximum": 3}]}, "4", 0.0),
        ({"not": {"type": "null"}}, "null", 0.0),
        ({"type": ["string", "null"]}, "null", 1.0),
        ({"prefixItems": [{"type": "string"}], "items": False}, '["a", 1]', 0.0),
        ({"$defs": {"n": {"type": "integer"}}, "$ref": "#/$defs/n"}, '"x"', 0.0),
        (True, "1", None),
        ({"unheard_of": 3}, "1", 1.0),
        ({"required": 3}, "{}", None),
        ({"enum": 3}, "1", None),
    ],
)
def test_keywords(schema: Any, text: str, value: float | None) -> None:
    assert read(text, asked(schema)).value == value


def test_any_object_will_do_where_no_schema_is_given() -> None:
    assert read("{}", {"type": "json_object"}).value == 1.0
    assert read("[]", {"type": "json_object"}) == (0.0, "the answer is no JSON object")


def test_without_a_wish_for_json_there_is_no_reading() -> None:
    for none in (None, {}, {"type": "text"}):
        assert read("{}", none) == (None, "no JSON was asked for")


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"oneOf": [{"items": {"$ref": "#"}}] * 8, "allOf": [{"$ref": "#/oneOf/0"}] * 8},
    ],
)
def test_a_schema_that_never_ends_is_no_reading(schema: Any) -> None:
    text = "[" * 50 + "]" * 50
    assert read(text, asked(schema)) == (None, "the schema is too deep or too branched to be checked")
