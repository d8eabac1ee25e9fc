"""Vectors for texts: `POST /embeddings` of OpenAI, Azure and the hosts that copy it.

OpenAI is asked for base64: a vector of 1,536 numbers is then 8 kB instead of 30, and is read without parsing digits.
Everybody else is asked for plain numbers, since not all know the other form (Azure serves other makers' models behind
the same interface); both are understood.
"""

from __future__ import annotations

import binascii
import sys
from array import array
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor.adapters import faults
from junctor.adapters.draft import UNKNOWN_USAGE
from junctor.adapters.lenient import decode
from junctor.adapters.openai.address import address_of, headers_of
from junctor.adapters.openai.hosts import host_of
from junctor.adapters.openai.parse import classify
from junctor.adapters.options import merge
from junctor.adapters.rate_limits import told_limits
from junctor.failures import Failure
from junctor.reply import Embeddings, Usage
from junctor.request import EmbeddingRequest, Endpoint, HttpRequest

_encode: Final = msgspec.json.Encoder().encode


class VectorShape(msgspec.Struct, gc=False):
    """One vector as numbers or as base64 of 32-bit floats."""

    index: int | None = None
    embedding: list[float] | str | None = None


class CountShape(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class VectorsShape(msgspec.Struct, gc=False):
    data: list[VectorShape] | None = None
    model: str | None = None
    usage: CountShape | None = None
    error: Any = None


_decoder: msgspec.json.Decoder[VectorsShape] = msgspec.json.Decoder(VectorsShape)


def build_embeddings(request: EmbeddingRequest, endpoint: Endpoint) -> HttpRequest:
    """The HTTP request; see `Adapter.build_embeddings`."""
    host = host_of(endpoint.base_url)
    body: dict[str, Any] = {"model": endpoint.model, "input": request.inputs}
    if host.official and not host.azure:
        body["encoding_format"] = "base64"
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    if request.user is not None:
        body["user"] = request.user
    if extra := request.provider_options.get("openai"):
        merge(body, extra)
    return HttpRequest("POST", address_of(endpoint, host, "/embeddings"), headers_of(endpoint, host), _encode(body))


def parse_embeddings(status: int, headers: Mapping[str, str], body: bytes) -> Embeddings | Failure:
    """A whole answer; see `Adapter.parse_embeddings`."""
    if not 200 <= status < 300:
        return classify(status, headers, body)
    answer = decode(_decoder, VectorsShape, body)
    if answer is None or answer.data is None:
        return classify(status, headers, body)
    found = answer.data
    if all(each.index is not None for each in found):
        found = sorted(found, key=lambda each: each.index or 0)
    vectors = [_numbers(each.embedding) for each in found]
    if not all(vectors):
        return faults.malformed("an embedding without numbers", status)
    count = answer.usage
    tokens = None if count is None else count.prompt_tokens if count.prompt_tokens is not None else count.total_tokens
    return Embeddings(
        vectors=vectors,
        usage=UNKNOWN_USAGE if tokens is None else Usage(max(tokens, 0)),
        model=answer.model or "",
        rate_limits=told_limits(headers),
    )


def _numbers(vector: list[float] | str | None) -> list[float]:
    """The numbers of one vector; empty if it has none or is no base64 of whole floats."""
    if not isinstance(vector, str):
        return vector or []
    try:
        numbers = array("f", b64decode(vector, validate=True))
    except (binascii.Error, ValueError):
        return []
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()
