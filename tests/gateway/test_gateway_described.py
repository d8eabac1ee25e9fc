"""The description of the API is valid, says what there is, and holds for whatever a fuzzer sends."""

from __future__ import annotations

import asyncio
import json
import re
from importlib.resources import files
from typing import Any

import pytest
import schemathesis
from hypothesis import given, settings
from openapi_spec_validator import validate
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from junctor import doors
from junctor.testing.scripted import ok
from tests.gateway.visit import Place

DESCRIPTION: dict[str, Any] = json.loads(files("junctor.gateway").joinpath("openapi.json").read_bytes())
CHECKED = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = max(5, settings().max_examples // 80)
"""Few in the ordinary run, because each of them is drawn from schemas; `make explore` tries more."""
OPERATIONS = [(path, method) for path, methods in DESCRIPTION["paths"].items() for method in methods]

POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
FUZZED = [
    *((path, method, POSITIVE) for path, method in OPERATIONS),
    # What takes nothing cannot be asked wrongly.
    *((path, method, NEGATIVE) for path, method in OPERATIONS if method == "post"),
]


def test_the_description_is_served_as_it_is_kept() -> None:
    """Without a key: it says nothing that the project's pages do not."""

    async def scene() -> None:
        place = Place({"a": []}, keys={"team": {}})
        seen = await place.ask("/openapi.json", b"", method="GET")
        assert seen.json() == DESCRIPTION

    asyncio.run(scene())


def test_the_description_is_valid_openapi() -> None:
    """OpenAPI 3.1 by its own schema, and nothing is described that nothing uses."""
    validate(DESCRIPTION)
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(DESCRIPTION)))
    assert named == set(DESCRIPTION["components"]["schemas"])


def test_every_path_is_described_and_every_described_path_is_there() -> None:
    """A door that nobody describes is as wrong as a description of none."""
    place = Place({"a": []})
    for path, method in OPERATIONS:
        if method == "post":
            assert doors.find("POST", path) is not None, path
        else:
            assert place.gateway.views.knows(path.replace("{model}", "m")), path
    posted = {path for path, method in OPERATIONS if method == "post"}
    assert posted == {"/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/messages",
                      "/v1/messages/count_tokens"}  # fmt: skip


@pytest.fixture
def described() -> Any:
    """The API as the fuzzer sees it: open, over a deployment that answers everything."""
    place = Place({"a": []}, otherwise=ok("hello"))
    return schemathesis.openapi.from_asgi("/openapi.json", place.gateway)


@pytest.mark.parametrize(("path", "method", "mode"), FUZZED)
def test_whatever_is_sent_the_answer_is_one_that_was_described(
    described: Any, path: str, method: str, mode: schemathesis.GenerationMode
) -> None:
    """No server error, no undescribed status, type or body, whether the description allows the request or not."""
    tried = 0

    @settings(max_examples=EXAMPLES)
    @given(case=described[path][method].as_strategy(generation_mode=mode))
    def sent(case: Any) -> None:
        nonlocal tried
        tried += 1
        case.validate_response(case.call(), checks=CHECKED)

    sent()
    assert tried
