"""OpenAI embeddings, as its servers answer them: the same text always has the same vector."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import blake2b
from struct import pack
from typing import Any, Final

import msgspec

from junctor.testing.app import Request
from junctor.testing.dialects.base import Ask, Frames, Invalid, count_tokens, decode, required
from junctor.testing.dialects.openai import OpenAI
from junctor.testing.quota import Dimension
from junctor.testing.speech import Said

DIMENSIONS: Final = 8  # real ones have a thousand or more; tests read better with few
MAX_INPUTS: Final = 2048


class OpenAIEmbeddings(OpenAI):
    """`POST /embeddings`, for the keys of the simulated OpenAI. Admission charges the prompt's estimate."""

    def serves(self, path: str) -> bool:
        return path.endswith("/embeddings")

    def read(self, request: Request) -> Ask:
        body = decode(request.body)
        model = required(body, "model", str)
        inputs = _inputs(body.get("input"))
        if len(inputs) > MAX_INPUTS:
            raise Invalid(f"'input' has {len(inputs)} items; at most {MAX_INPUTS} are allowed.")
        return Ask(
            model=model,
            stream=False,
            input_tokens=sum(len(each) if isinstance(each, list) else count_tokens(each) for each in inputs),
            vectors=tuple(_vector(each, body.get("dimensions") or DIMENSIONS) for each in inputs),
            base64=body.get("encoding_format") == "base64",
        )

    def amounts(self, ask: Ask) -> dict[Dimension, int]:
        return {"rpm": 1, "tpm": ask.input_tokens, "rpd": 1, "tpd": ask.input_tokens}

    def reply(self, ask: Ask, said: Said) -> bytes:
        rows = [
            {"object": "embedding", "index": index, "embedding": _written(vector, ask)}
            for index, vector in enumerate(ask.vectors)
        ]
        reply: dict[str, Any] = {"object": "list", "data": rows, "model": ask.model}
        if said.usage:
            reply["usage"] = {"prompt_tokens": said.input_tokens, "total_tokens": said.input_tokens}
        return msgspec.json.encode(reply)

    def frames(self, ask: Ask, said: Said) -> Frames:
        raise NotImplementedError  # vectors are never streamed


def _inputs(value: Any) -> Sequence[str | list[int]]:
    if isinstance(value, str) and value:
        return [value]
    if isinstance(value, list) and value:
        if all(isinstance(each, int) for each in value):
            return [value]
        if all(isinstance(each, str | list) and each for each in value):
            return value
    raise Invalid("'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs.")


def _vector(text: str | list[int], dimensions: int) -> tuple[float, ...]:
    """A vector of 1/128ths, which 32-bit floats hold exactly."""
    digest = blake2b(repr(text).encode("utf-8", "replace"), digest_size=64).digest()
    return tuple((digest[place % 64] - 128) / 128 for place in range(dimensions))


def _written(vector: tuple[float, ...], ask: Ask) -> object:
    return b64encode(pack(f"<{len(vector)}f", *vector)).decode() if ask.base64 else vector
