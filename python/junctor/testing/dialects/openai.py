"""OpenAI chat completions, as its servers answer them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from junctor.testing.app import Request
from junctor.testing.dialects.base import (
    Ask,
    ErrorKind,
    Frames,
    HeaderList,
    count_tokens,
    decode,
    required,
    sse,
)
from junctor.testing.quota import Dimension, Refusal, Standing
from junctor.testing.speech import Said

FINISH: Final = {"stop": "stop", "length": "length", "tool": "tool_calls"}

# status, type, code, message
ERRORS: Final[dict[ErrorKind, tuple[int, str, str | None, str]]] = {
    "auth": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    "permission": (403, "invalid_request_error", "model_not_allowed", "This key may not use this model."),
    "not_found": (404, "invalid_request_error", "model_not_found", "The model does not exist."),
    "invalid_request": (400, "invalid_request_error", None, "Invalid request."),
    "context_length": (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
    ),
    "rate_limit": (429, "requests", "rate_limit_exceeded", "Rate limit reached."),
    "quota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "overloaded": (
        503,
        "service_unavailable_error",
        None,
        "The engine is currently overloaded, please try again later",
    ),
    "server": (500, "server_error", None, "The server had an error while processing your request. Sorry about that!"),
}
LIMIT_NAMES: Final[dict[Dimension, str]] = {"rpm": "requests", "tpm": "tokens"}
LIMIT_WORDS: Final[dict[Dimension, str]] = {
    "rpm": "requests per min (RPM)",
    "tpm": "tokens per min (TPM)",
    "rpd": "requests per day (RPD)",
    "tpd": "tokens per day (TPD)",
}


class OpenAI:
    """Chat completions. Admission charges the larger of `max_tokens` and the prompt's estimate, for good."""

    name = "openai"
    base_path = "/v1"

    def serves(self, path: str) -> bool:
        return path.endswith("/chat/completions")

    def secret(self, request: Request) -> str | None:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        return value if scheme.lower() == "bearer" and value else request.headers.get("api-key")  # Azure's header

    def read(self, request: Request) -> Ask:
        body = decode(request.body)
        model = required(body, "model", str)
        messages = required(body, "messages", list)
        tool = wanted_tool(body, messages)
        schema = ((body.get("response_format") or {}).get("json_schema") or {}).get("schema")
        return Ask(
            model=model,
            stream=bool(body.get("stream")),
            input_tokens=count_tokens(messages) + count_tokens(body.get("tools") or ""),
            max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            tool=tool.get("name"),
            tool_schema=tool.get("parameters") or {},
            answer_schema=schema,
            logprobs=bool(body.get("logprobs")),
            top_logprobs=int(body.get("top_logprobs") or 0),
            stream_usage=bool((body.get("stream_options") or {}).get("include_usage")),
        )

    def amounts(self, ask: Ask) -> dict[Dimension, int]:
        tokens = max(ask.max_tokens or 0, ask.input_tokens)
        return {"rpm": 1, "tpm": tokens, "rpd": 1, "tpd": tokens}

    def settled(self, said: Said) -> dict[Dimension, int]:  # noqa: ARG002 - one signature for all dialects
        return {}

    def reply(self, ask: Ask, said: Said) -> bytes:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": said.text or None,
            "refusal": None,
            "annotations": [],
        }
        if said.tool is not None:
            message["tool_calls"] = [_tool_call(said, "".join(said.arguments))]
        told = _logprobs(ask, said.pieces, said.logprobs)
        choice = {"index": 0, "message": message, "logprobs": told, "finish_reason": FINISH[said.finish]}
        reply = {
            "id": f"chatcmpl-sim{said.number:08d}",
            "object": "chat.completion",
            "created": said.created_s,
            "model": ask.model,
            "choices": [choice],
            "usage": _usage(said),
            "service_tier": "default",
            "system_fingerprint": "fp_simulated",
        }
        if not said.usage:
            del reply["usage"]
        return msgspec.json.encode(reply)

    def frames(self, ask: Ask, said: Said) -> Frames:
        def chunk(delta: dict[str, Any], finish: str | None = None, told: dict[str, Any] | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": told, "finish_reason": finish}
            return _chunk(ask, said, [choice], None)

        prelude = [chunk({"role": "assistant", "content": None if said.tool else "", "refusal": None})]
        content = [
            chunk({"content": piece}, told=_logprobs(ask, (piece,), said.logprobs[place : place + 1]))
            for place, piece in enumerate(said.pieces)
        ]
        if said.tool is not None:
            content.append(chunk({"tool_calls": [{"index": 0, **_tool_call(said, "")}]}))
            for piece in said.arguments:
                content.append(chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}))
        end = [chunk({}, FINISH[said.finish])]
        if ask.stream_usage and said.usage:
            end.append(_chunk(ask, said, [], _usage(said)))
        end.append(b"data: [DONE]\n\n")
        return Frames(prelude, content, end)

    def stream_headers(self, ask: Ask) -> HeaderList:  # noqa: ARG002 - one signature for all dialects
        return [("content-type", "text/event-stream; charset=utf-8")]

    def common_headers(self, number: int) -> HeaderList:
        return [
            ("x-request-id", f"req_sim{number:08d}"),
            ("openai-version", "2020-10-01"),
            ("openai-processing-ms", "1"),
        ]

    def limit_headers(self, standings: Mapping[Dimension, Standing], now_epoch_s: float) -> HeaderList:  # noqa: ARG002 - one signature for all dialects
        shown = [(LIMIT_NAMES[name], at) for name, at in standings.items() if name in LIMIT_NAMES]
        return [
            *[(f"x-ratelimit-limit-{name}", str(at.limit)) for name, at in shown],
            *[(f"x-ratelimit-remaining-{name}", str(at.remaining)) for name, at in shown],
            *[(f"x-ratelimit-reset-{name}", duration(at.reset_s)) for name, at in shown],
        ]

    def error(self, kind: ErrorKind, message: str | None = None, *, number: int = 0) -> tuple[int, bytes]:  # noqa: ARG002 - one signature for all dialects
        status, type_, code, words = ERRORS[kind]
        return status, _error_body(message or words, type_, code)

    def refused(self, ask: Ask, refusal: Refusal, *, number: int = 0) -> tuple[int, HeaderList, bytes]:  # noqa: ARG002 - one signature for all dialects
        what = LIMIT_WORDS.get(refusal.dimension, refusal.dimension)
        which = f"for {ask.model} in organization org-simulated on {what}: Limit {refusal.limit}"
        type_ = "tokens" if "t" in refusal.dimension else "requests"
        if refusal.retry_after_s is None:
            words = f"Request too large {which}, Requested {refusal.requested}."
            return 429, [], _error_body(words, type_, "rate_limit_exceeded")
        words = (
            f"Rate limit reached {which}, Used {refusal.used}, Requested {refusal.requested}. "
            f"Please try again in {duration(refusal.retry_after_s)}."
        )
        return 429, _hint(refusal.retry_after_s), _error_body(words, type_, "rate_limit_exceeded")

    def throttled(self, retry_after_s: float | None, *, number: int = 0) -> tuple[int, HeaderList, bytes]:
        status, body = self.error("rate_limit", number=number)
        return status, _hint(retry_after_s), body

    def stream_error(self, kind: ErrorKind) -> bytes:
        _, type_, code, words = ERRORS[kind]
        return b"data: " + _error_body(words, type_, code) + b"\n\n"


def wanted_tool(body: Mapping[str, Any], messages: Sequence[Any]) -> Mapping[str, Any]:
    """The function that the model calls: the named one, else the first; none after a tool's result."""
    choice = body.get("tool_choice")
    functions = [tool["function"] for tool in body.get("tools") or [] if isinstance(tool, dict) and "function" in tool]
    last = messages[-1]
    if not functions or choice == "none" or (isinstance(last, dict) and last.get("role") == "tool"):
        return {}
    if isinstance(choice, dict):
        named = (choice.get("function") or {}).get("name")
        functions = [function for function in functions if function.get("name") == named] or functions
    chosen: Mapping[str, Any] = functions[0]
    return chosen


def duration(seconds: float) -> str:
    """Seconds in OpenAI's header form: `12ms`, `1.5s`, `6m0s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    if seconds < 60:
        return f"{round(seconds, 3):g}s"
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s"


def _hint(retry_after_s: float | None) -> HeaderList:
    if retry_after_s is None:
        return []
    milliseconds = math.ceil(retry_after_s * 1000)
    return [("retry-after-ms", str(milliseconds)), ("retry-after", str(math.ceil(retry_after_s)))]


def _error_body(message: str, type_: str, code: str | None) -> bytes:
    return msgspec.json.encode({"error": {"message": message, "type": type_, "param": None, "code": code}})


def _tool_call(said: Said, arguments: str) -> dict[str, Any]:
    return {
        "id": f"call_sim{said.number:08d}",
        "type": "function",
        "function": {"name": said.tool, "arguments": arguments},
    }


def _logprobs(ask: Ask, pieces: Sequence[str], values: Sequence[float]) -> dict[str, Any] | None:
    """Log-probabilities for who asked for them; the only alternative is that everything else was meant."""
    if not ask.logprobs or not values:
        return None
    told = []
    for piece, value in zip(pieces, values, strict=False):
        left = -math.expm1(value)
        pairs = [(piece, value), ("…", math.log(left) if left > 0 else -100.0)]
        top = [{"token": token, "logprob": of, "bytes": None} for token, of in pairs[: ask.top_logprobs]]
        told.append({"token": piece, "logprob": value, "bytes": None, "top_logprobs": top})
    return {"content": told, "refusal": None}


def _usage(said: Said) -> dict[str, Any]:
    return {
        "prompt_tokens": said.input_tokens,
        "completion_tokens": said.output_tokens,
        "total_tokens": said.input_tokens + said.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _chunk(ask: Ask, said: Said, choices: list[Any], usage: dict[str, Any] | None) -> bytes:
    event: dict[str, Any] = {
        "id": f"chatcmpl-sim{said.number:08d}",
        "object": "chat.completion.chunk",
        "created": said.created_s,
        "model": ask.model,
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
        "choices": choices,
    }
    if ask.stream_usage and said.usage:
        event["usage"] = usage
    return sse(event)
