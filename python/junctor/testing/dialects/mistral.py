"""Mistral's chat completions, as its servers answer them: like OpenAI's, with its own errors, ids and headers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

import msgspec

from junctor.testing.app import Request
from junctor.testing.dialects.base import (
    Ask,
    ErrorKind,
    Frames,
    HeaderList,
    Invalid,
    count_tokens,
    decode,
    required,
    sse,
)
from junctor.testing.dialects.openai import wanted_tool
from junctor.testing.quota import Dimension, Refusal, Standing
from junctor.testing.speech import Said

FINISH: Final = {"stop": "stop", "length": "length", "tool": "tool_calls"}

# status, type, code, message
ERRORS: Final[dict[ErrorKind, tuple[int, str, str, str]]] = {
    "auth": (401, "", "", "Invalid API Key"),
    "permission": (403, "forbidden", "3001", "This key may not use this model."),
    "not_found": (404, "invalid_model", "1500", "Invalid model."),
    "invalid_request": (400, "invalid_request_error", "3051", "Invalid request."),
    "context_length": (
        400,
        "invalid_request_prompt",
        "3053",
        "Prompt contains 250000 tokens, too large for model with 131072 maximum context length",
    ),
    "rate_limit": (429, "rate_limited", "1300", "Rate limit exceeded"),
    "quota": (429, "monthly_limit", "1301", "Monthly limit of your plan reached"),
    "overloaded": (503, "service_unavailable", "1100", "Service unavailable."),
    "server": (500, "internal_server_error", "1000", "Internal server error"),
}
LIMIT_NAMES: Final[dict[Dimension, str]] = {"rpm": "req-minute", "tpm": "tokens-minute"}
REFUSED_KEYS: Final = frozenset({"max_completion_tokens", "seed", "user", "stream_options", "store"})
"""Fields of OpenAI's that Mistral answers with 422."""


class Mistral:
    """Chat completions. Admission charges the prompt; output is charged when it exists."""

    name = "mistral"
    base_path = "/mistral"  # keeps it apart from OpenAI's, whose path is the same

    def serves(self, path: str) -> bool:
        return "/mistral/" in path and path.endswith("/chat/completions")

    def secret(self, request: Request) -> str | None:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        return value if scheme.lower() == "bearer" and value else None

    def read(self, request: Request) -> Ask:
        body = decode(request.body)
        messages = required(body, "messages", list)
        if unknown := REFUSED_KEYS & body.keys():
            raise Invalid(f"Extra inputs are not permitted: {', '.join(sorted(unknown))}")
        roles = [message.get("role") for message in messages]
        if ("tool", "user") in pairwise(roles):
            raise Invalid("Unexpected role 'user' after role 'tool'")
        tool = wanted_tool(body, messages)
        return Ask(
            model=required(body, "model", str),
            stream=bool(body.get("stream")),
            input_tokens=count_tokens(messages) + count_tokens(body.get("tools") or ""),
            max_tokens=body.get("max_tokens"),
            tool=tool.get("name"),
            tool_schema=tool.get("parameters") or {},
            answer_schema=((body.get("response_format") or {}).get("json_schema") or {}).get("schema"),
        )

    def amounts(self, ask: Ask) -> dict[Dimension, int]:
        return {"rpm": 1, "tpm": ask.input_tokens, "rpd": 1, "tpd": ask.input_tokens}

    def settled(self, said: Said) -> dict[Dimension, int]:
        return {"tpm": said.output_tokens, "tpd": said.output_tokens}

    def reply(self, ask: Ask, said: Said) -> bytes:
        message: dict[str, Any] = {"role": "assistant", "tool_calls": None, "content": said.text}
        if said.tool is not None:
            message["tool_calls"] = [_call(said, "".join(said.arguments))]
        choice = {"index": 0, "finish_reason": FINISH[said.finish], "message": message}
        reply = {**_head(ask, said, "chat.completion"), "choices": [choice]}
        if said.usage:
            reply["usage"] = _usage(said)
        return msgspec.json.encode(reply)

    def frames(self, ask: Ask, said: Said) -> Frames:
        def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            return {**_head(ask, said, "chat.completion.chunk"), "choices": [choice]}

        content = [sse(chunk({"content": piece})) for piece in said.pieces]
        last: dict[str, Any] = {"content": ""}
        if said.tool is not None:
            whole = _call(said, "".join(said.arguments))
            content.append(sse(chunk({"content": "", "tool_calls": [whole]})))  # a call comes in one piece
        ending = chunk(last, FINISH[said.finish])
        if said.usage:
            ending["usage"] = _usage(said)
        return Frames([sse(chunk({"role": "assistant", "content": ""}))], content, [sse(ending), b"data: [DONE]\n\n"])

    def stream_headers(self, ask: Ask) -> HeaderList:  # noqa: ARG002 - one signature for all dialects
        return [("content-type", "text/event-stream; charset=utf-8")]

    def common_headers(self, number: int) -> HeaderList:
        return [("mistral-correlation-id", f"00000000-0000-7000-8000-{number:012d}")]

    def limit_headers(self, standings: Mapping[Dimension, Standing], now_epoch_s: float) -> HeaderList:  # noqa: ARG002 - one signature for all dialects
        shown = [(LIMIT_NAMES[name], at) for name, at in standings.items() if name in LIMIT_NAMES]
        return [
            *[(f"x-ratelimit-limit-{name}", str(at.limit)) for name, at in shown],
            *[(f"x-ratelimit-remaining-{name}", str(at.remaining)) for name, at in shown],
        ]

    def error(self, kind: ErrorKind, message: str | None = None, *, number: int = 0) -> tuple[int, bytes]:  # noqa: ARG002 - one signature for all dialects
        status, _, _, words = ERRORS[kind]
        if kind == "auth":
            return status, msgspec.json.encode({"detail": message or words})
        return status, _error_body(kind, message)

    def refused(self, ask: Ask, refusal: Refusal, *, number: int = 0) -> tuple[int, HeaderList, bytes]:  # noqa: ARG002 - one signature for all dialects
        return self.throttled(refusal.retry_after_s, number=number)

    def throttled(self, retry_after_s: float | None, *, number: int = 0) -> tuple[int, HeaderList, bytes]:
        status, body = self.error("rate_limit", number=number)
        return status, [] if retry_after_s is None else [("retry-after", str(math.ceil(retry_after_s)))], body

    def stream_error(self, kind: ErrorKind) -> bytes:
        return b"data: " + _error_body(kind, None) + b"\n\n"


def _head(ask: Ask, said: Said, kind: str) -> dict[str, Any]:
    return {"id": f"{said.number:032x}", "object": kind, "created": said.created_s, "model": ask.model}


def _call(said: Said, arguments: str) -> dict[str, Any]:
    function = {"name": said.tool, "arguments": arguments}
    return {"id": f"S{said.number:08d}", "type": "function", "function": function, "index": 0}


def _usage(said: Said) -> dict[str, Any]:
    total = said.input_tokens + said.output_tokens
    return {
        "prompt_tokens": said.input_tokens,
        "total_tokens": total,
        "completion_tokens": said.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def _error_body(kind: ErrorKind, message: str | None) -> bytes:
    status, type_, code, words = ERRORS[kind]
    body = {"object": "error", "message": message or words, "type": type_, "param": None, "code": code}
    return msgspec.json.encode({**body, "raw_status_code": status})
