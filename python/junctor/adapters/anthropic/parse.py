"""Anthropic's whole messages and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from junctor.adapters import faults
from junctor.adapters.anthropic.shapes import Answer, Block, StopDetails, answer_decoder
from junctor.adapters.draft import UNKNOWN_USAGE, make_reply, settled_finish
from junctor.adapters.lenient import UNFIT, decode, loads
from junctor.adapters.rate_limits import told_limits
from junctor.adapters.retry_after import hint_s
from junctor.failures import Failure, Kind
from junctor.reply import FinishReason, Reply, ToolCall

FINISH: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "refusal",
}

_BY_TYPE: Final[dict[str, Kind]] = {
    "authentication_error": "auth",
    "billing_error": "quota",
    "permission_error": "permission",
    "not_found_error": "not_found",
    "request_too_large": "invalid_request",
    "rate_limit_error": "rate_limit",
    "timeout_error": "timeout",
    "api_error": "server",
    "overloaded_error": "overloaded",
}
_STATUS: Final[dict[str, int]] = {"invalid_request_error": 400}


def parse(status: int, headers: Mapping[str, str], body: bytes) -> Reply | Failure:
    """A whole message; see `Adapter.parse`."""
    if not 200 <= status < 300:
        return classify(status, headers, body)
    answer = decode(answer_decoder, Answer, body)
    if answer is None:
        return faults.plain(status, headers, body)
    if answer.content is None or answer.error:
        return classify(status, headers, body)
    native = None
    if not all(map(_plain, answer.content)):
        native = loads(body)
        if native is UNFIT:  # broken bytes where the typed decoder did not look
            return faults.plain(status, headers, body)
        native = native_of(answer.model, native.get("content"))
    reply = _reply(answer, answer.content, native)
    reply.rate_limits = told_limits(headers)
    return reply


def _plain(block: Block) -> bool:
    """Whether the canonical message says all of this block, so that it need not be kept as it came."""
    return block.type == "tool_use" or (block.type == "text" and not block.citations)


def _reply(answer: Answer, content: list[Block], native: dict[str, Any] | None) -> Reply:
    text: list[str] = []
    reasoning: list[str] = []
    calls: list[ToolCall] = []
    for block in content:
        if block.type == "text":
            text.append(block.text or "")
        elif block.type == "tool_use":
            arguments = bytes(block.input).decode("utf-8", "replace")
            calls.append(ToolCall(block.id or f"call_{len(calls)}", block.name or "", arguments or "{}"))
        elif block.type == "thinking" and block.thinking:
            reasoning.append(block.thinking)
    whole = "".join(text)
    finish = settled_finish(FINISH.get(answer.stop_reason or "", "unknown"), calls)
    return make_reply(
        text=whole,
        reasoning="".join(reasoning) or None,
        refusal=refusal_of(finish, answer.stop_details, whole),
        calls=tuple(calls),
        finish=finish,
        usage=answer.usage.usage() if answer.usage is not None else UNKNOWN_USAGE,
        model=answer.model or "",
        id=answer.id or "",
        logprobs=None,
        native=native,
        adapter="anthropic",
    )


def native_of(model: str | None, content: Any) -> dict[str, Any]:
    """What the same model must see again: its own blocks, and whose they are."""
    return {"model": model or "", "content": content}


def refusal_of(finish: FinishReason, details: StopDetails | None, text: str) -> str | None:
    """Why the model refused, as far as it says."""
    if finish != "refusal":
        return None
    return (details.explanation if details is not None else None) or text or "the model refused to answer"


def classify(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """The failure behind an error answer; see `Adapter.classify`."""
    found = faults.error_body(body)
    if not isinstance(found, dict) or not found.get("error"):
        return faults.plain(status, headers, body)
    return failure_of(found["error"], status, headers)


def failure_of(error: Any, status: int | None, headers: Mapping[str, str]) -> Failure:
    """The failure that an error object means; inside a stream there is no status, and its type stands for it."""
    fields = error if isinstance(error, dict) else {}
    word = str(fields.get("type") or "")[:200]
    text = faults.words_of(fields.get("message") or (error if isinstance(error, str) else ""))
    seen = faults.effective_status(status, None)
    if seen is None or 200 <= seen < 300:
        seen = _STATUS.get(word)
    retry_after_s = hint_s(headers)
    return Failure(
        kind=_kind(word, seen, text, headers, hinted=retry_after_s is not None),
        message=text or word or "no message",
        status=seen if seen is not None else status,
        retry_after_s=retry_after_s,
        code=word or None,
    )


def _kind(word: str, status: int | None, text: str, headers: Mapping[str, str], *, hinted: bool) -> Kind:
    kind = _BY_TYPE.get(word)
    if kind == "rate_limit" or (kind is None and status == 429):
        # A spend cap answers 429 like a rate limit, but says neither when to come back nor that coming back helps.
        spent = faults.by_words(429, text) == "quota" or (not hinted and headers.get("x-should-retry") == "false")
        return "quota" if spent else "rate_limit"
    if kind is not None and not (kind == "server" and status in faults.BY_STATUS):
        return kind
    return faults.by_words(status, text) or faults.by_status(status)
