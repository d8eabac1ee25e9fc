"""`provider_options` into the body, and small rules every dialect shares when it builds one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from junctor.request import ChatRequest, Endpoint


def merge(body: dict[str, Any], extra: Mapping[str, Any]) -> None:
    """Puts `extra` into `body`: objects are merged key by key, everything else replaces what was there."""
    for key, value in extra.items():
        mine = body.get(key)
        if isinstance(mine, dict) and isinstance(value, Mapping):
            mine = dict(mine)
            merge(mine, value)
            body[key] = mine
        else:
            body[key] = value


def join_url(base_url: str, path: str) -> str:
    """`base_url` with `path` appended, in front of the query if there is one (Azure's `?api-version=`)."""
    base, mark, query = base_url.partition("?")
    return base.rstrip("/") + path + mark + query


def answer_bound(request: ChatRequest, endpoint: Endpoint, dropped: list[str]) -> int | None:
    """`max_tokens`, cut to what the deployment can give; the cut is reported. None if nobody bounds the answer."""
    most = endpoint.max_output_tokens
    if request.max_tokens is not None and most is not None and request.max_tokens > most:
        dropped.append("max_tokens")
        return most
    return request.max_tokens


def stop_list(request: ChatRequest) -> list[str]:
    """`stop` as a list; empty if there is none."""
    if request.stop is None:
        return []
    return [request.stop] if isinstance(request.stop, str) else list(request.stop)
