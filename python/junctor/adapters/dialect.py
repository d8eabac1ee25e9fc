"""One dialect: the functions of its package under the names of the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from junctor.adapters.contract import StreamReader
from junctor.adapters.rate_limits import told_limits
from junctor.failures import Failure
from junctor.reply import Embeddings, RateLimit, Reply
from junctor.request import EmbeddingRequest, Endpoint, HttpRequest


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """An `Adapter` made of functions; the contract says what each of them must do."""

    name: str
    default_base_url: str
    key_env: str
    build: Callable[..., HttpRequest]
    parse: Callable[[int, Mapping[str, str], bytes], Reply | Failure]
    classify: Callable[[int, Mapping[str, str], bytes], Failure]
    reader: Callable[[], StreamReader]
    rate_limits: Callable[[Mapping[str, str]], tuple[RateLimit, ...]] = told_limits
    build_embeddings: Callable[[EmbeddingRequest, Endpoint], HttpRequest] | None = None
    parse_embeddings: Callable[[int, Mapping[str, str], bytes], Embeddings | Failure] | None = None
