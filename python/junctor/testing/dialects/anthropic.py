"""Anthropic messages, as its servers answer them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from junctor.testing.app import Request
from junctor.testing.dialects.base import Ask, ErrorKind, Frames, HeaderList, Invalid, count_tokens, decode, required
from junctor.testing.prompt_cache import read_blocks
from junctor.testing.quota import Dimension, Refusal, Standing
from junctor.testing.speech import Said

FINISH: Final = {"stop": "end_turn", "length": "max_tokens", "tool": "tool_use"}

# status, type, message
ERRORS: Final[dict[ErrorKind, tuple[int, str, str]]] = {
    "auth": (401, "authentication_error", "invalid x-api-key"),
    "permission": (403, "permission_error", "Your API key does not have permission to use the specified resource."),
    "not_found": (404, "not_found_error", "model: not found"),
    "invalid_request": (400, "invalid_request_error", "Invalid request."),
    "context_length": (400, "invalid_request_error", "prompt is too long: 250000 tokens > 200000 maximum"),
    "rate_limit": (429, "rate_limit_error", "This request would exceed your account's rate limit."),
    "quota": (
        429,
        "rate_limit_error",
        "You have reached your specified API usage limits. You will regain access on 2027-01-01 at 00:00 UTC.",
    ),
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "server": (500, "api_error", "Internal server error"),
}
LIMIT_NAMES: Final[dict[Dimension, str]] = {
    "rpm": "requests",
    "tpm": "tokens",
    "input_tpm": "input-tokens",
    "output_tpm": "output-tokens",
}
LIMIT_WORDS: Final[dict[Dimension, str]] = {
    "rpm": "requests per minute",
    "tpm": "tokens per minute",
    "input_tpm": "input tokens per minute",
    "output_tpm": "output tokens per minute",
}
ROUNDED_ABOVE: Final = 1_000  # remaining tokens are told in thousands


class Anthropic:
    """Messages. Input tokens are charged at admission, output tokens when they exist; `max_tokens` costs nothing."""

    name = "anthropic"
    base_path = ""

    def serves(self, path: str) -> bool:
        return path.endswith("/messages")

    def secret(self, request: Request) -> str | None:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        return request.headers.get("x-api-key") or bearer or None

    def read(self, request: Request) -> Ask:
        body = decode(request.body)
        model = required(body, "model", str)
        messages = required(body, "messages", list)
        if not isinstance(body.get("max_tokens"), int):
            raise Invalid("max_tokens: Field required")
        try:
            blocks = read_blocks(body)
        except ValueError as error:
            raise Invalid(str(error)) from None
        tool = wanted_tool(body, messages)
        answer_format = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
        return Ask(
            model=model,
            stream=bool(body.get("stream")),
            input_tokens=count_tokens([messages, body.get("system"), body.get("tools")]),
            max_tokens=body["max_tokens"],
            tool=tool.get("name"),
            tool_schema=tool.get("input_schema") or {},
            answer_schema=answer_format.get("schema"),
            blocks=blocks,
        )

    def amounts(self, ask: Ask) -> dict[Dimension, int]:
        return {"rpm": 1, "input_tpm": ask.input_tokens, "output_tpm": 0, "tpm": ask.input_tokens}

    def settled(self, said: Said) -> dict[Dimension, int]:
        return {"output_tpm": said.output_tokens, "tpm": said.output_tokens}

    def reply(self, ask: Ask, said: Said) -> bytes:
        content: list[Any] = [{"type": "text", "text": said.text}] if said.pieces else []
        if said.tool is not None:
            arguments = msgspec.Raw("".join(said.arguments).encode())
            content.append({"type": "tool_use", "id": _tool_id(said), "name": said.tool, "input": arguments})
        message = _message(ask, said, said.output_tokens)
        return msgspec.json.encode(message | {"content": content, "stop_reason": FINISH[said.finish]})

    def frames(self, ask: Ask, said: Said) -> Frames:
        prelude = [_event({"type": "message_start", "message": _message(ask, said, 1)})]
        content: list[bytes] = []
        for index, (block, deltas) in enumerate(_blocks(said)):
            start = _event({"type": "content_block_start", "index": index, "content_block": block})
            if index == 0:
                prelude += [start, b'event: ping\ndata: {"type": "ping"}\n\n']
            else:
                content.append(start)
            content += [_event({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas]
            content.append(_event({"type": "content_block_stop", "index": index}))
        last = [content.pop()] if content else []
        delta = {"stop_reason": FINISH[said.finish], "stop_sequence": None}
        ending: dict[str, Any] = {"type": "message_delta", "delta": delta}
        if said.usage:
            ending["usage"] = _usage(said, said.output_tokens)
        return Frames(prelude, content, [*last, _event(ending), _event({"type": "message_stop"})])

    def stream_headers(self, ask: Ask) -> HeaderList:  # noqa: ARG002 - one signature for all dialects
        return [("content-type", "text/event-stream; charset=utf-8")]

    def common_headers(self, number: int) -> HeaderList:
        return [("request-id", f"req_sim{number:08d}"), ("anthropic-organization-id", "simulated")]

    def limit_headers(self, standings: Mapping[Dimension, Standing], now_epoch_s: float) -> HeaderList:
        shown = dict(standings)
        both = shown.get("input_tpm"), shown.get("output_tpm")
        if "tpm" not in shown and both[0] is not None and both[1] is not None:
            shown["tpm"] = Standing(
                both[0].limit + both[1].limit,
                both[0].remaining + both[1].remaining,
                max(both[0].reset_s, both[1].reset_s),
            )
        headers = []
        for dimension, at in shown.items():
            name = LIMIT_NAMES.get(dimension)
            if name is not None:
                left = at.remaining if name == "requests" else _rounded(at.remaining)
                headers.append((f"anthropic-ratelimit-{name}-limit", str(at.limit)))
                headers.append((f"anthropic-ratelimit-{name}-remaining", str(left)))
                headers.append((f"anthropic-ratelimit-{name}-reset", _timestamp(now_epoch_s + at.reset_s)))
        return headers

    def error(self, kind: ErrorKind, message: str | None = None, *, number: int = 0) -> tuple[int, bytes]:
        status, type_, words = ERRORS[kind]
        return status, _error_body(type_, message or words, number)

    def refused(self, ask: Ask, refusal: Refusal, *, number: int = 0) -> tuple[int, HeaderList, bytes]:  # noqa: ARG002 - one signature for all dialects
        words = (
            f"This request would exceed your organization's rate limit of {refusal.limit} "
            f"{LIMIT_WORDS.get(refusal.dimension, refusal.dimension)}."
        )
        return 429, _hint(refusal.retry_after_s), _error_body("rate_limit_error", words, number)

    def throttled(self, retry_after_s: float | None, *, number: int = 0) -> tuple[int, HeaderList, bytes]:
        status, body = self.error("rate_limit", number=number)
        return status, _hint(retry_after_s), body

    def stream_error(self, kind: ErrorKind) -> bytes:
        _, type_, words = ERRORS[kind]
        return _event({"type": "error", "error": {"type": type_, "message": words}})


def wanted_tool(body: Mapping[str, Any], messages: list[Any]) -> Mapping[str, Any]:
    """The tool that the model calls: the named one, else the first; none after a tool's result."""
    choice = body.get("tool_choice") or {}
    tools = [tool for tool in body.get("tools") or [] if isinstance(tool, dict) and "name" in tool]
    if not tools or choice.get("type") == "none" or _has_result(messages[-1]):
        return {}
    if choice.get("type") == "tool":
        tools = [tool for tool in tools if tool["name"] == choice.get("name")] or tools
    chosen: Mapping[str, Any] = tools[0]
    return chosen


def _has_result(message: Any) -> bool:
    content = message.get("content") if isinstance(message, dict) else None
    return isinstance(content, list) and any(
        isinstance(block, dict) and block.get("type") == "tool_result" for block in content
    )


def _blocks(said: Said) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if said.pieces or said.tool is None:
        deltas = [{"type": "text_delta", "text": piece} for piece in said.pieces]
        blocks.append(({"type": "text", "text": ""}, deltas))
    if said.tool is not None:
        block = {"type": "tool_use", "id": _tool_id(said), "name": said.tool, "input": {}}
        blocks.append((block, [{"type": "input_json_delta", "partial_json": piece} for piece in said.arguments]))
    return blocks


def _message(ask: Ask, said: Said, output_tokens: int) -> dict[str, Any]:
    message: dict[str, Any] = {
        "model": ask.model,
        "id": f"msg_sim{said.number:08d}",
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }
    if said.usage:
        message["usage"] = _usage(said, output_tokens) | {"service_tier": "standard"}
    return message


def _usage(said: Said, output_tokens: int) -> dict[str, Any]:
    return {
        "input_tokens": said.input_tokens - said.cached_tokens - said.cache_write_tokens,
        "cache_creation_input_tokens": said.cache_write_tokens,
        "cache_read_input_tokens": said.cached_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": said.cache_write_tokens - said.cache_write_1h_tokens,
            "ephemeral_1h_input_tokens": said.cache_write_1h_tokens,
        },
        "output_tokens": output_tokens,
    }


def _event(event: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), msgspec.json.encode(event))


def _tool_id(said: Said) -> str:
    return f"toolu_sim{said.number:08d}"


def _error_body(type_: str, message: str, number: int) -> bytes:
    error = {"type": type_, "message": message}
    return msgspec.json.encode({"type": "error", "error": error, "request_id": f"req_sim{number:08d}"})


def _hint(retry_after_s: float | None) -> HeaderList:
    return [] if retry_after_s is None else [("retry-after", str(math.ceil(retry_after_s)))]


def _rounded(tokens: int) -> int:
    return round(tokens, -3) if tokens >= ROUNDED_ABOVE else tokens


def _timestamp(epoch_s: float) -> str:
    return datetime.fromtimestamp(math.ceil(epoch_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
