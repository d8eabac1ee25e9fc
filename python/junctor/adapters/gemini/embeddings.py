"""Vectors by Gemini's `batchEmbedContents`: one request for all texts, in which each text names the model again.

Token ids are no input there, and the answer counts no tokens, so usage stays unknown and the estimate is charged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from junctor.adapters import faults
from junctor.adapters.draft import UNKNOWN_USAGE
from junctor.adapters.gemini.parse import classify
from junctor.adapters.lenient import decode
from junctor.adapters.options import join_url, merge
from junctor.adapters.rate_limits import told_limits
from junctor.exceptions import InvalidRequest
from junctor.failures import Failure
from junctor.reply import Embeddings
from junctor.request import EmbeddingRequest, Endpoint, HttpRequest

_encode: Final = msgspec.json.Encoder().encode


class Values(msgspec.Struct, gc=False):
    values: list[float] | None = None


class Vectors(msgspec.Struct, gc=False):
    embeddings: list[Values] | None = None


_decoder: msgspec.json.Decoder[Vectors] = msgspec.json.Decoder(Vectors)


def build_embeddings(request: EmbeddingRequest, endpoint: Endpoint) -> HttpRequest:
    """The HTTP request; see `Adapter.build_embeddings`."""
    name = endpoint.model if "/" in endpoint.model else f"models/{endpoint.model}"
    extra = request.provider_options.get("gemini")
    asked: list[dict[str, Any]] = []
    for index, text in enumerate(request.inputs):
        if not isinstance(text, str):
            raise InvalidRequest(f"inputs[{index}]: Gemini embeds texts only, no token ids; give the text itself")
        one: dict[str, Any] = {"model": name, "content": {"parts": [{"text": text}]}}
        if request.dimensions is not None:
            one["outputDimensionality"] = request.dimensions
        if extra:
            merge(one, extra)
        asked.append(one)
    headers = {"content-type": "application/json"}
    if endpoint.key is not None:
        headers["x-goog-api-key"] = endpoint.key.reveal()
    headers.update(endpoint.headers)
    url = join_url(endpoint.base_url, f"/{quote(name, safe='/:@.-_')}:batchEmbedContents")
    dropped = ("user",) if request.user is not None else ()
    return HttpRequest("POST", url, headers, _encode({"requests": asked}), dropped)


def parse_embeddings(status: int, headers: Mapping[str, str], body: bytes) -> Embeddings | Failure:
    """A whole answer; see `Adapter.parse_embeddings`."""
    if not 200 <= status < 300:
        return classify(status, headers, body)
    answer = decode(_decoder, Vectors, body)
    if answer is None or answer.embeddings is None:
        return classify(status, headers, body)
    vectors = [each.values or [] for each in answer.embeddings]
    if not all(vectors):
        return faults.malformed("an embedding without numbers", status)
    return Embeddings(vectors=vectors, usage=UNKNOWN_USAGE, rate_limits=told_limits(headers))
