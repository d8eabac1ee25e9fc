"""What is asked beside answers: vectors, names, token counts."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from anthropic.types import MessageTokensCount, ModelInfo
from openai.types import CreateEmbeddingResponse, Model

from junctor.doors import Asked, list_models, models_path
from junctor.exceptions import Refused
from junctor.testing.scripted import hang, raw
from tests.client.stage import CAPABILITIES, Stage
from tests.doors.visit import MESSAGES, Ledger, Seen, visit

EMBEDDINGS = "/v1/embeddings"
COUNT = f"{MESSAGES}/count_tokens"

VECTORS = json.dumps(
    {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 1, "embedding": [0.5, -2.0]},
            {"object": "embedding", "index": 0, "embedding": [1.0, 0.25]},
        ],
        "model": "m",
        "usage": {"prompt_tokens": 6, "total_tokens": 6},
    }
).encode()


def embedding_stage(body: bytes) -> Stage:
    """One deployment that can embed."""
    deployment = {"name": "a", "provider": "openai", "model": "openai/m", "capabilities": [*CAPABILITIES, "embeddings"]}
    price = {"input": 1_000_000, "output": 0}
    return Stage({"a": [raw(200, body)]}, fleet={"deployments": [{**deployment, "price": price}]})


@pytest.mark.parametrize("form", ["float", "base64"])
def test_vectors_come_in_the_order_of_the_inputs_and_in_the_form_that_was_asked(form: str) -> None:
    stage, ledger = embedding_stage(VECTORS), Ledger()
    body = {"model": "g", "input": ["one", "two"], "encoding_format": form, "dimensions": 2, "input_type": "query"}
    seen = visit(stage, EMBEDDINGS, body, ledger)
    found = seen.json()
    if form == "float":
        said = CreateEmbeddingResponse.model_validate(found, strict=True)
        vectors = [each.embedding for each in said.data]
    else:
        vectors = [list(struct.unpack("<2f", base64.b64decode(each["embedding"]))) for each in found["data"]]
    assert vectors == [[1.0, 0.25], [0.5, -2.0]]
    assert found["usage"] == {"prompt_tokens": 6, "total_tokens": 6, "cost_usd": 6e-6}
    sent = stage.provider.sent[0].json()
    assert (sent["input"], sent["dimensions"], sent["input_type"]) == (["one", "two"], 2, "query")
    ((usage, cost),) = ledger.settled
    assert (usage and usage.input_tokens, cost) == (6, 6)


@pytest.mark.parametrize("wrong", [{"input": ""}, {"input": []}, {"input": 7}, {"encoding_format": "bits"}, {}])
def test_an_embedding_request_that_makes_no_sense_names_its_field(wrong: dict[str, Any]) -> None:
    body = {"model": "g", **({"input": "x"} if wrong.keys() == {"encoding_format"} else {}), **wrong}
    seen = visit(embedding_stage(VECTORS), EMBEDDINGS, body)
    assert seen.status == 400
    assert next(iter(wrong), "input") in seen.json()["error"]["message"]


class Bounded(Ledger):
    """A caller that may ask for deployments named `a` alone."""

    def options(self, asked: Asked) -> dict[str, Any]:
        if asked.model != "a":
            raise Refused("not yours")
        return {}


def test_the_list_of_models_names_what_can_be_asked_for_in_both_forms() -> None:
    """Types of both SDKs; a bound caller sees its own names alone."""
    client = Stage({"a": [], "b": []}).client
    found = list_models(client, "openai")
    rows = json.loads(found.body)["data"]  # type: ignore[arg-type]  # lists are whole
    assert {Model.model_validate(row, strict=True).id for row in rows} == {"auto", "openai/m", "a", "b"}
    bounded = json.loads(list_models(client, "anthropic", Bounded()).body)  # type: ignore[arg-type]  # as above
    assert [ModelInfo.model_validate(row).id for row in bounded["data"]] == ["a"]
    assert (bounded["first_id"], bounded["has_more"]) == ("a", False)
    assert list_models(client, "openai", Bounded(), name="a").status == 200
    assert list_models(client, "openai", Bounded(), name="b").status == 404
    assert [models_path("GET", path) for path in ("/v1/models", "/v1/models/a%2Fb", "/v1/x")] == [
        (None,),
        ("a/b",),
        None,
    ]


def count(stage: Stage) -> Seen:
    body = {"model": "g", "messages": [{"role": "user", "content": "word " * 70}], "thinking": {"type": "adaptive"}}
    return visit(stage, COUNT, {**body, "unknown_here": 1})


def test_tokens_are_counted_by_the_provider_that_would_answer() -> None:
    """Asked with the fields that its counting takes and no other, and nothing is held or spent."""
    stage = Stage({"a": [raw(200, b'{"input_tokens": 77}')]}, dialect="anthropic")
    seen = count(stage)
    assert MessageTokensCount.model_validate(seen.json(), strict=True).input_tokens == 77
    sent = stage.provider.sent[0]
    assert sent.request.url.endswith("/v1/messages/count_tokens")
    assert set(sent.json()) == {"model", "messages", "thinking"}
    assert stage.deployment("a")["cost_usd_micros"] == 0


@pytest.mark.parametrize("how", [raw(500, b"{}"), hang(), raw(200, b"<html>"), None])
def test_tokens_are_estimated_where_nobody_counts(how: Any) -> None:
    """A provider that has no such thing, fails, hangs or answers nonsense: 350 bytes are about a hundred tokens."""
    stage = Stage({"a": [how] if how else []}, dialect="anthropic" if how else "gemini")
    assert 100 <= count(stage).json()["input_tokens"] <= 115
