"""Gemini generateContent and streamGenerateContent, as Google's servers answer them.

What differs from the others: the model is in the path, a stream without `alt=sse` is a JSON array in pieces, its
events end with CRLF, tool calls end with STOP and carry no id, and no header tells a limit: a 429 says everything in
its body.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor.testing.app import Request
from junctor.testing.dialects.base import Ask, ErrorKind, Frames, HeaderList, count_tokens, decode, required, sse
from junctor.testing.quota import Dimension, Refusal, Standing
from junctor.testing.speech import Said

FINISH: Final = {"stop": "STOP", "length": "MAX_TOKENS", "tool": "STOP"}

# HTTP status, status word, message
ERRORS: Final[dict[ErrorKind, tuple[int, str, str]]] = {
    "auth": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    "permission": (403, "PERMISSION_DENIED", "The caller does not have permission"),
    "not_found": (404, "NOT_FOUND", "The model is not found for API version v1beta."),
    "invalid_request": (400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
    "context_length": (
        400,
        "INVALID_ARGUMENT",
        "The input token count exceeds the maximum number of tokens allowed (1048576).",
    ),
    "rate_limit": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    "quota": (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "overloaded": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "server": (500, "INTERNAL", "An internal error has occurred. Please retry."),
}
TYPE: Final = "type.googleapis.com/google.rpc."
KEY_INVALID: Final[dict[str, Any]] = {
    "@type": f"{TYPE}ErrorInfo",
    "reason": "API_KEY_INVALID",
    "domain": "googleapis.com",
}
# Without a RetryInfo beside it: there is nothing to wait for today.
DAY_USED_UP: Final[dict[str, Any]] = {
    "@type": f"{TYPE}QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel", "quotaValue": "1"}],
}
METRICS: Final[dict[Dimension, tuple[str, str]]] = {
    "rpm": ("generate_content_paid_tier_requests", "GenerateRequestsPerMinutePerProjectPerModel"),
    "tpm": ("generate_content_paid_tier_input_token_count", "GenerateContentPaidTierInputTokensPerModelPerMinute"),
    "rpd": ("generate_content_paid_tier_requests", "GenerateRequestsPerDayPerProjectPerModel"),
}
CRLF: Final = b"\r\n\r\n"


class Gemini:
    """generateContent. Admission charges the prompt's tokens only."""

    name = "gemini"
    base_path = ""

    def serves(self, path: str) -> bool:
        return path.endswith((":generateContent", ":streamGenerateContent"))

    def secret(self, request: Request) -> str | None:
        return request.headers.get("x-goog-api-key") or request.query.get("key")

    def read(self, request: Request) -> Ask:
        body = decode(request.body)
        contents = required(body, "contents", list)
        model, _, method = request.path.rpartition("/")[2].partition(":")
        config = either(body, "generationConfig") or {}
        tool = wanted_tool(body, contents)
        return Ask(
            model=model,
            stream=method == "streamGenerateContent",
            input_tokens=count_tokens([contents, either(body, "systemInstruction"), body.get("tools")]),
            max_tokens=either(config, "maxOutputTokens"),
            tool=tool.get("name"),
            tool_schema=either(tool, "parametersJsonSchema") or tool.get("parameters") or {},
            answer_schema=either(config, "responseJsonSchema") or either(config, "responseSchema"),
            sse=request.query.get("alt") == "sse",
        )

    def amounts(self, ask: Ask) -> dict[Dimension, int]:
        return {"rpm": 1, "tpm": ask.input_tokens, "rpd": 1}

    def settled(self, said: Said) -> dict[Dimension, int]:  # noqa: ARG002 - one signature for all dialects
        return {}

    def reply(self, ask: Ask, said: Said) -> bytes:
        parts: list[Any] = [{"text": said.text}] if said.pieces else []
        return msgspec.json.encode(_chunk(ask, said, parts + _call(said), FINISH[said.finish], said.output_tokens))

    def frames(self, ask: Ask, said: Said) -> Frames:
        events: list[dict[str, Any]] = []
        for index, piece in enumerate(said.pieces):
            last = index == len(said.pieces) - 1 and said.tool is None
            events.append(_chunk(ask, said, [{"text": piece}], FINISH[said.finish] if last else None, index + 1))
        if said.tool is not None or not events:
            events.append(_chunk(ask, said, _call(said), FINISH[said.finish], said.output_tokens))
        if ask.sse:
            framed = [sse(event, end=CRLF) for event in events]
        else:
            framed = [_in_array(event, first=index == 0) for index, event in enumerate(events)]
        return Frames([], framed[:-1], framed[-1:] if ask.sse else [framed[-1], b"]\n"])

    def stream_headers(self, ask: Ask) -> HeaderList:
        return [("content-type", "text/event-stream" if ask.sse else "application/json; charset=UTF-8")]

    def common_headers(self, number: int) -> HeaderList:  # noqa: ARG002 - one signature for all dialects
        return [("x-content-type-options", "nosniff"), ("server-timing", "gfet4t7; dur=1")]

    def limit_headers(self, standings: Mapping[Dimension, Standing], now_epoch_s: float) -> HeaderList:  # noqa: ARG002 - one signature for all dialects
        return []

    def error(self, kind: ErrorKind, message: str | None = None, *, number: int = 0) -> tuple[int, bytes]:  # noqa: ARG002 - one signature for all dialects
        status, word, words = ERRORS[kind]
        details: list[Any] = {"auth": [KEY_INVALID], "quota": [DAY_USED_UP]}.get(kind, [])
        return status, _error_body(status, word, message or words, details)

    def refused(self, ask: Ask, refusal: Refusal, *, number: int = 0) -> tuple[int, HeaderList, bytes]:  # noqa: ARG002 - one signature for all dialects
        metric, quota_id = METRICS.get(refusal.dimension, METRICS["rpm"])
        metric = f"generativelanguage.googleapis.com/{metric}"
        details: list[dict[str, Any]] = [
            {
                "@type": f"{TYPE}QuotaFailure",
                "violations": [{"quotaMetric": metric, "quotaId": quota_id, "quotaValue": str(refusal.limit)}],
            }
        ]
        words = f"You exceeded your current quota.\n* Quota exceeded for metric: {metric}, limit: {refusal.limit}"
        if refusal.retry_after_s is not None:
            words += f"\nPlease retry in {refusal.retry_after_s:.9f}s."
            details.append(_retry_info(refusal.retry_after_s))
        return 429, [], _error_body(429, "RESOURCE_EXHAUSTED", words, details)

    def throttled(self, retry_after_s: float | None, *, number: int = 0) -> tuple[int, HeaderList, bytes]:  # noqa: ARG002 - one signature for all dialects
        status, word, words = ERRORS["rate_limit"]
        details = [] if retry_after_s is None else [_retry_info(retry_after_s)]
        return status, [], _error_body(status, word, words, details)

    def stream_error(self, kind: ErrorKind) -> bytes:
        status, word, words = ERRORS[kind]
        return b"data: " + _error_body(status, word, words, []) + CRLF


def wanted_tool(body: Mapping[str, Any], contents: list[Any]) -> Mapping[str, Any]:
    """The function that the model calls: the first allowed one; none after a function's response."""
    functions: list[Mapping[str, Any]] = []
    for tool in body.get("tools") or []:
        functions += either(tool, "functionDeclarations") or []
    config = either((either(body, "toolConfig") or {}), "functionCallingConfig") or {}
    parts = contents[-1].get("parts") if isinstance(contents[-1], dict) else None
    answered = any(isinstance(part, dict) and either(part, "functionResponse") for part in parts or [])
    if not functions or answered or config.get("mode") == "NONE":
        return {}
    allowed = either(config, "allowedFunctionNames")
    return next((function for function in functions if not allowed or function.get("name") in allowed), functions[0])


def either(fields: Mapping[str, Any], name: str) -> Any:
    """`fields[name]`, in camel case or in snake case: Google's JSON takes both, and its own SDK sends both."""
    value = fields.get(name)
    return fields.get(re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), name)) if value is None else value


def _call(said: Said) -> list[Any]:
    if said.tool is None:
        return []
    return [{"functionCall": {"name": said.tool, "args": msgspec.Raw("".join(said.arguments).encode())}}]


def _chunk(ask: Ask, said: Said, parts: list[Any], finish: str | None, output_tokens: int) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    event: dict[str, Any] = {"candidates": [candidate]}
    if said.usage:
        event["usageMetadata"] = {
            "promptTokenCount": said.input_tokens,
            "candidatesTokenCount": output_tokens,
            "totalTokenCount": said.input_tokens + output_tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": said.input_tokens}],
        }
    return event | {"modelVersion": ask.model, "responseId": f"sim{said.number:08d}"}


def _in_array(event: dict[str, Any], *, first: bool) -> bytes:
    return (b"[" if first else b",\r\n") + msgspec.json.encode(event)


def _retry_info(seconds: float) -> dict[str, Any]:
    return {"@type": f"{TYPE}RetryInfo", "retryDelay": f"{math.ceil(seconds)}s"}


def _error_body(status: int, word: str, message: str, details: list[Any]) -> bytes:
    error: dict[str, Any] = {"code": status, "message": message, "status": word}
    return msgspec.json.encode({"error": error | ({"details": details} if details else {})})
