"""Vectors in OpenAI's form: what is asked, what recorded answers say, and what is no answer."""

from __future__ import annotations

import json
from base64 import b64encode
from struct import pack
from typing import Any

import pytest

from junctor import adapters
from junctor.exceptions import InvalidRequest
from junctor.failures import Failure
from junctor.reply import Embeddings
from junctor.request import EmbeddingRequest
from tests.adapters import recorded
from tests.adapters.cases import KEY, endpoint

EMBEDDING = ["openai", "openai-responses"]


def asked(adapter: str = "openai", /, place: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    build = adapters.get(adapter).build_embeddings
    assert build is not None
    http = build(EmbeddingRequest(**fields), endpoint(adapter, **(place or {})))
    assert KEY.reveal().encode() not in http.body
    body: dict[str, Any] = json.loads(http.body)
    return body


def read(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Embeddings | Failure:
    parse = adapters.get("openai").parse_embeddings
    assert parse is not None
    return parse(status, headers or {}, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize("adapter", EMBEDDING)
def test_the_body_says_what_is_asked(adapter: str) -> None:
    body = asked(adapter, inputs=["a", "b"], dimensions=8, user="u")
    assert body == {"model": "gpt-4.1", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 8, "user": "u"}
    assert asked(adapter, inputs=[[1, 2]])["input"] == [[1, 2]]


def test_only_openai_itself_is_asked_for_base64() -> None:
    for base in ("https://api.mistral.ai/v1", "http://10.0.0.7:8000/v1", "https://acme.openai.azure.com"):
        assert asked(inputs=["a"], place={"base_url": base}).keys() == {"model", "input"}
    options = {"openai": {"encoding_format": "float", "input_type": "query"}}
    assert asked(inputs=["a"], provider_options=options)["encoding_format"] == "float"


def test_the_official_sdk_accepts_the_body() -> None:
    params = pytest.importorskip("openai.types", reason="the openai SDK is not installed").EmbeddingCreateParams
    judge = pytest.importorskip("pydantic").TypeAdapter(params)
    for inputs in (["a"], [[1, 2], [3]]):
        body = asked(inputs=inputs, dimensions=8, user="u")
        assert judge.validate_python(body).keys() == body.keys(), "an unknown key would be left out"


def rows() -> list[dict[str, Any]]:
    found = recorded.every("embeddings")
    return found or [{}]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.get("id", "absent"))
def test_a_recorded_answer_says_what_its_json_says(row: dict[str, Any]) -> None:
    if not row:
        pytest.skip("recorded exchanges are absent (set JUNCTOR_DATA)")
    response = recorded.response_of(row["id"])
    told = response["json"]
    found = read(told, status=response["status"], headers=response["headers"])
    if row["status"] >= 400:
        assert isinstance(found, Failure)
        assert (found.kind, found.code) == ("not_found", "model_not_found")
        return
    assert isinstance(found, Embeddings)
    assert found.vectors == [each["embedding"] for each in told["data"]]
    assert (found.usage.input_tokens, found.usage.output_tokens) == (told["usage"]["prompt_tokens"], 0)
    assert found.model == told["model"]


def answer(*vectors: Any, **more: Any) -> dict[str, Any]:
    return {"data": [{"embedding": vector} for vector in vectors], "model": "e", "usage": {"prompt_tokens": 3}, **more}


def test_numbers_and_base64_read_alike_and_in_the_order_of_the_inputs() -> None:
    numbers = [0.5, -0.25, 1.0]
    packed = b64encode(pack("<3f", *numbers)).decode()
    found = read(answer(numbers, packed))
    assert isinstance(found, Embeddings)
    assert found.vectors == [numbers, numbers]
    turned = {"data": [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]}
    found = read(turned)
    assert isinstance(found, Embeddings)
    assert found.vectors == [[1.0], [2.0]]
    assert not found.usage.known
    total = read({**answer([1]), "usage": {"total_tokens": 9}})
    assert isinstance(total, Embeddings)
    assert total.usage.input_tokens == 9


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (answer([]), "malformed"),
        (answer(None), "malformed"),
        (answer("no base64!"), "malformed"),
        (answer("AAA="), "malformed"),
        (b"<html>", "malformed"),
        ({"error": {"code": "rate_limit_exceeded", "message": "slow"}}, "rate_limit"),
        ({"object": "list"}, "malformed"),
    ],
)
def test_what_holds_no_vectors_is_a_failure(body: Any, kind: str) -> None:
    found = read(body)
    assert isinstance(found, Failure)
    assert found.kind == kind


def test_dialects_without_vectors_say_so() -> None:
    assert adapters.get("anthropic").build_embeddings is None
    assert adapters.get("anthropic").parse_embeddings is None


def test_gemini_embeds_texts_in_one_request() -> None:
    adapter = adapters.get("gemini")
    assert adapter.build_embeddings is not None
    assert adapter.parse_embeddings is not None
    place = endpoint("gemini", model="gemini-embedding-001")
    options = {"gemini": {"taskType": "RETRIEVAL_QUERY"}}
    asked = EmbeddingRequest(inputs=["a", "b"], dimensions=8, user="u", provider_options=options)
    http = adapter.build_embeddings(asked, place)
    assert http.url.endswith("/v1beta/models/gemini-embedding-001:batchEmbedContents")
    assert (http.headers["x-goog-api-key"], http.dropped) == (KEY.reveal(), ("user",))
    one = {"model": "models/gemini-embedding-001", "outputDimensionality": 8, "taskType": "RETRIEVAL_QUERY"}
    assert json.loads(http.body) == {
        "requests": [{**one, "content": {"parts": [{"text": text}]}} for text in ("a", "b")]
    }
    found = adapter.parse_embeddings(200, {}, b'{"embeddings":[{"values":[0.5,1]},{"values":[2]}]}')
    assert isinstance(found, Embeddings)
    assert (found.vectors, found.usage.known) == ([[0.5, 1.0], [2.0]], False)
    with pytest.raises(InvalidRequest, match=r"inputs\[0\]: Gemini embeds texts only"):
        adapter.build_embeddings(EmbeddingRequest(inputs=[[1, 2]]), place)
    for body, kind in ((b'{"embeddings":[{}]}', "malformed"), (b"{}", "malformed")):
        failure = adapter.parse_embeddings(200, {}, body)
        assert isinstance(failure, Failure)
        assert failure.kind == kind
    refused = adapter.parse_embeddings(400, {}, b'{"error":{"code":400,"message":"API key not valid","status":"X"}}')
    assert isinstance(refused, Failure)
    assert refused.kind == "auth"
