"""OpenAI's whole answers and errors, and the many ways in which compatible hosts differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from junctor.adapters import faults
from junctor.adapters.draft import UNKNOWN_USAGE, make_reply, settled_finish
from junctor.adapters.lenient import decode
from junctor.adapters.openai.shapes import Answer, Call, Choice, Said, answer_decoder
from junctor.adapters.rate_limits import told_limits
from junctor.adapters.retry_after import hint_s
from junctor.failures import Failure, Kind
from junctor.reply import FinishReason, Reply, ToolCall

FINISH: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "complete": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "tool_use": "tool_calls",
}
# Hosts that break off say so in the finish reason: the answer is not one.
BROKEN_OFF: Final[dict[str, Kind]] = {"error": "server", "insufficient_system_resource": "overloaded"}

_BY_CODE: Final[dict[str, Kind]] = {
    "insufficient_quota": "quota",
    "insufficientquota": "quota",
    "billing_hard_limit_reached": "quota",
    "billing_not_active": "quota",
    "access_terminated": "permission",
    "context_length_exceeded": "context_length",
    "too_many_prompt_tokens": "context_length",
    "model_not_found": "not_found",
    "deploymentnotfound": "not_found",
    "operationnotsupported": "not_found",  # Azure: this deployment's model has no such interface
    "invalid_api_key": "auth",
    "authentication_error": "auth",
    "content_filter": "content_filter",
    "content_policy_violation": "content_filter",
    "responsibleaipolicyviolation": "content_filter",
    "invalid_prompt": "content_filter",
    "rate_limit_exceeded": "rate_limit",
    "ratelimitreached": "rate_limit",
    "toomanyrequests": "rate_limit",
    "nocapacity": "overloaded",
    "engineoverloaded": "overloaded",
    "server_error": "server",
    "internal_error": "server",
    "overloaded_error": "overloaded",
    "capacity_exceeded": "overloaded",
    "tool_use_failed": "malformed",  # Groq: the model wrote a broken call; nothing is wrong with the request
}


def parse(status: int, headers: Mapping[str, str], body: bytes) -> Reply | Failure:
    """A whole answer; see `Adapter.parse`."""
    if not 200 <= status < 300:
        return classify(status, headers, body)
    answer = decode(answer_decoder, Answer, body)
    if answer is None:
        return faults.plain(status, headers, body)
    if not answer.choices:
        return classify(status, headers, body)
    choice = answer.choices[0]
    said = choice.message or choice.delta
    if said is None:
        return faults.malformed("a choice without a message", status)
    broken = BROKEN_OFF.get(choice.finish_reason or "")
    if broken is not None:
        return Failure(kind=broken, message=f"finish_reason {choice.finish_reason}", status=status)
    reply = _reply(answer, choice, said)
    reply.rate_limits = told_limits(headers)
    return reply


def _reply(answer: Answer, choice: Choice, said: Said) -> Reply:
    calls = tuple(calls_of(said))
    text = text_of(said.content)
    refusal = said.refusal or None
    finish = settled_finish(finish_of(choice.finish_reason), calls)
    if refusal and not text and not calls:
        finish = "refusal"
    usage = answer.usage or (answer.x_groq.usage if answer.x_groq is not None else None)
    return make_reply(
        text=text,
        reasoning=reasoning_of(said),
        refusal=refusal,
        calls=calls,
        finish=finish,
        usage=usage.usage() if usage is not None else UNKNOWN_USAGE,
        model=answer.model or "",
        id=answer.id or "",
        logprobs=_logprobs(choice.logprobs) if choice.logprobs else None,
        native=_native(said),
        adapter="openai",
    )


def _logprobs(found: dict[str, Any]) -> dict[str, Any] | None:
    """Those of what was said. llama.cpp's server counts the end of a whole answer among its tokens, of a streamed one
    not; a threshold has to mean the same of both."""
    content = found.get("content")
    if isinstance(content, list) and content and isinstance(content[-1], dict) and content[-1].get("bytes") == []:
        found = {**found, "content": content[:-1]}
    return found if any(found.values()) else None


def finish_of(reason: str | None) -> FinishReason:
    """The canonical finish reason; hosts write it in many ways, or leave it empty."""
    return FINISH.get(reason) or FINISH.get(reason.lower(), "unknown") if reason else "unknown"


def text_of(content: str | list[Any] | None) -> str:
    """The visible text: a string, or a list of parts (Mistral's form, whose thinking parts are not visible)."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(
        part["text"]
        for part in content
        if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
    )


def reasoning_of(said: Said) -> str | None:
    """What the host shows of the thinking, under any of the three names in use."""
    if said.reasoning_content:
        return said.reasoning_content
    if said.reasoning:
        return said.reasoning
    if said.reasoning_details:
        return "".join(_detail_text(detail) for detail in said.reasoning_details) or None
    return None


def _detail_text(detail: Any) -> str:
    if not isinstance(detail, dict):
        return ""
    text = detail.get("text") or detail.get("summary")
    return text if isinstance(text, str) else ""


def calls_of(said: Said) -> list[ToolCall]:
    """The tool calls of a whole message, the legacy `function_call` included."""
    found = [_call(call, place) for place, call in enumerate(said.tool_calls or ())]
    if not found and said.function_call is not None and said.function_call.name:
        found.append(ToolCall("call_0", said.function_call.name, arguments_text(said.function_call.arguments) or "{}"))
    return found


def _call(call: Call, place: int) -> ToolCall:
    name, arguments = call_words(call)
    return ToolCall(call.id or f"call_{place}", name, arguments or "{}")


def call_words(call: Call) -> tuple[str, str]:
    """(name, arguments) of a call, a function's or a custom tool's."""
    function, custom = call.function, call.custom
    if function is not None and (function.name or function.arguments or custom is None):
        return function.name or "", arguments_text(function.arguments)
    return (custom.name or "", custom.input or "") if custom is not None else ("", "")


def arguments_text(arguments: str | dict[str, Any] | None) -> str:
    """Arguments as JSON text; some hosts send the object itself."""
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return msgspec.json.encode(arguments).decode()


def _native(said: Said) -> dict[str, Any] | None:
    if not (said.reasoning_content or said.reasoning_details or said.audio):
        return None
    native: dict[str, Any] = {}
    if said.reasoning_content:
        native["reasoning_content"] = said.reasoning_content
    if said.reasoning_details:
        native["reasoning_details"] = said.reasoning_details
    if said.audio and said.audio.get("id"):
        native["audio"] = {"id": said.audio["id"]}
    return native


def classify(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """The failure behind an error answer; see `Adapter.classify`."""
    found = faults.error_body(body)
    if not isinstance(found, dict):
        return faults.plain(status, headers, body)
    error = found.get("error", found)
    if not error or (error is found and not {"message", "detail", "code"} & found.keys()):
        return faults.plain(status, headers, body)
    return failure_of(error, status, headers, found)


def failure_of(error: Any, status: int | None, headers: Mapping[str, str], body: Any) -> Failure:
    """The failure that an error object (or string) means."""
    fields = error if isinstance(error, dict) else {}
    message = fields.get("message") or fields.get("detail") or (error if isinstance(error, str) else "")
    code, kind_word = fields.get("code"), fields.get("type")
    number = fields.get("status_code", code)
    seen = faults.effective_status(status, number)
    text = faults.words_of(message)
    return Failure(
        kind=_kind(seen, code, kind_word, text, _upstream_words(fields)),
        message=text or faults.words_of(kind_word) or "no message",
        status=seen,
        retry_after_s=hint_s(headers, body),
        code=str(code if code is not None else kind_word)[:200] if (code or kind_word) else None,
    )


def _kind(status: int | None, code: Any, kind_word: Any, message: str, upstream: str) -> Kind:
    for word in (code, kind_word):
        if isinstance(word, str) and (kind := _BY_CODE.get(word.lower())) is not None:
            daily = faults.by_words(429, message) if kind == "rate_limit" else None
            return daily or kind
    if status is not None and 200 <= status < 300:
        status = None  # an error inside a successful answer that names no status of its own
    return faults.by_words(status, message) or faults.by_words(status, upstream) or faults.by_status(status)


def _upstream_words(fields: dict[str, Any]) -> str:
    """OpenRouter wraps the provider's own error as text."""
    metadata = fields.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    return raw[: faults.MAX_MESSAGE_CHARS] if isinstance(raw, str) else ""
