"""How llama.cpp's own server and llama-cpp-python's differ from OpenAI. Bodies are written after what they sent."""

from __future__ import annotations

import json

import pytest

from junctor import adapters
from junctor.request import ChatRequest, Endpoint, Secret
from tests.adapters.test_replies import chunk, completion, parse, stream


def entry(token: str, logprob: float) -> dict[str, object]:
    """One token as the server tells it."""
    own = {"id": 1, "token": token, "bytes": list(token.encode()), "logprob": logprob}
    return {**own, "top_logprobs": [own]}


SAID = [entry("Athens", -0.5), entry(".", -0.1)]
END = entry("", -2.5)


def test_a_whole_answer_and_a_stream_have_the_same_log_probabilities() -> None:
    """The server counts the end of a whole answer among its tokens, of a streamed one not."""
    body = completion({"content": "Athens."})
    body["choices"][0]["logprobs"] = {"content": [*SAID, END]}
    pieces = [chunk({"content": one["token"]}) for one in SAID]
    for piece, one in zip(pieces, SAID, strict=True):
        piece["choices"][0]["logprobs"] = {"content": [one]}
    _, streamed = stream("openai", chunk({"role": "assistant", "content": None}), *pieces, chunk({}, "stop"))
    assert parse("openai", body).logprobs["content"] == streamed.logprobs["content"] == SAID


def test_an_answer_that_ends_at_once_has_no_log_probabilities() -> None:
    body = completion({"content": ""})
    body["choices"][0]["logprobs"] = {"content": [END]}
    assert parse("openai", body).logprobs is None


def test_a_token_without_bytes_inside_of_an_answer_stays() -> None:
    """Also where bytes are not told at all, as by llama-cpp-python, whose half a letter is an empty token."""
    half: dict[str, object] = {"token": "", "bytes": None, "logprob": -0.2, "top_logprobs": []}
    body = completion({"content": "é"})
    for content in ([END, SAID[0]], [SAID[0], half]):
        body["choices"][0]["logprobs"] = {"content": content}
        assert parse("openai", body).logprobs["content"] == content


@pytest.mark.parametrize(
    ("base_url", "asked", "sent"),
    [
        ("http://127.0.0.1:8080/v1", {"logprobs": True}, 1),
        ("http://127.0.0.1:8080/v1", {"logprobs": True, "top_logprobs": 0}, 1),
        ("http://127.0.0.1:8080/v1", {"logprobs": True, "top_logprobs": 3}, 3),
        ("http://127.0.0.1:8080/v1", {}, None),
        ("http://127.0.0.1:8080/v1", {"logprobs": False}, None),
        ("https://api.openai.com/v1", {"logprobs": True}, None),
    ],
)
def test_a_server_of_ones_own_is_asked_for_one_alternative(
    base_url: str, asked: dict[str, object], sent: int | None
) -> None:
    """Both servers tell no log-probabilities at all where no alternatives are asked for by number."""
    endpoint = Endpoint(
        deployment="d", provider="p", adapter="openai", model="m", base_url=base_url, key=Secret("k", "env:K")
    )
    request = ChatRequest(messages=[{"role": "user", "content": "Hi"}], **asked)  # type: ignore[arg-type]  # by name
    assert json.loads(adapters.get("openai").build(request, endpoint).body).get("top_logprobs") == sent
