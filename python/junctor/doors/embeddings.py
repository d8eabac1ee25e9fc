"""The door of OpenAI's embeddings.

Vectors come back as numbers or, as the official SDK asks without being told, as base64 of 32-bit floats. What the
request says beyond that is passed on to providers of the same dialect.
"""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec

from junctor.doors.contract import Answer, Asked, Incoming, Stamp, StreamWriter
from junctor.doors.errors import answer_of, fault_of
from junctor.doors.fields import body_of, must, take
from junctor.doors.openai.read import model_of
from junctor.doors.routing import routing
from junctor.doors.splice import COST
from junctor.exceptions import InvalidRequest
from junctor.reply import Embeddings, Reply

_encode: Final = msgspec.json.Encoder().encode
_OWN: Final = frozenset({"model", "input", "dimensions", "user", "encoding_format"})
_FORMATS: Final = ("float", "base64")


class EmbeddingsDoor:
    """`POST …/embeddings`."""

    name: Final = "openai"

    def read(self, incoming: Incoming) -> Asked:
        """See `Door`. `options` hold `inputs` and `dimensions`, and `encoding` for the answer."""
        body = body_of(incoming.body)
        inputs = must(body, "input", "a string or an array")
        if not inputs:
            raise InvalidRequest("input is empty; give a text, texts, token ids or lists of token ids")
        options = routing(incoming.headers)
        options["inputs"] = inputs
        options["dimensions"] = take(body, "dimensions", "an integer")
        encoding = take(body, "encoding_format", "a string") or "float"
        if encoding not in _FORMATS:
            raise InvalidRequest(f"encoding_format must be one of {', '.join(_FORMATS)}")
        options["encoding"] = encoding
        if (user := take(body, "user", "a string")) is not None:
            options["user"] = user
        if further := {key: value for key, value in body.items() if key not in _OWN}:
            options["provider_options"] = {"openai": further}
        return Asked(model=model_of(body, incoming.path), options=options, kind="embeddings", person=user)

    def whole(self, reply: Reply | Embeddings, asked: Asked, stamp: Stamp) -> bytes:
        """See `Door`."""
        found = cast(Embeddings, reply)
        form = _packed if asked.options["encoding"] == "base64" else list
        data = [
            {"object": "embedding", "index": index, "embedding": form(vector)}
            for index, vector in enumerate(found.vectors)
        ]
        used = found.usage.input_tokens
        usage = {"prompt_tokens": used, "total_tokens": used, COST: found.cost_usd}
        body: dict[str, Any] = {"object": "list", "data": data, "model": found.model or stamp.model, "usage": usage}
        return _encode(body)

    def writer(self, asked: Asked, stamp: Stamp) -> StreamWriter:
        """See `Door`. Vectors are never streamed."""
        raise InvalidRequest(f"{asked.model} and {stamp.id}: embeddings are not streamed; leave `stream` out")

    def refuse(self, error: Exception, request_id: str = "") -> Answer:
        """See `Door`."""
        return answer_of(fault_of(error), "openai", request_id)


def _packed(vector: Sequence[float]) -> str:
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()


EMBEDDINGS: Final = EmbeddingsDoor()
