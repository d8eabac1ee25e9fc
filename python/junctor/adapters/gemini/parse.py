"""Gemini's whole answers and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from zlib import crc32

from junctor.adapters import faults
from junctor.adapters.draft import UNKNOWN_USAGE, make_reply, settled_finish
from junctor.adapters.gemini.shapes import Answer, Candidate, FunctionCall, PromptFeedback, answer_decoder
from junctor.adapters.lenient import decode, loads
from junctor.adapters.rate_limits import told_limits
from junctor.adapters.retry_after import hint_s
from junctor.failures import Failure, Kind
from junctor.reply import FinishReason, Reply, ToolCall

FINISH: Final[dict[str | int, FinishReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "CONTINUATION": "pause",
    # The numbers some clients ask for; those beyond 4 differ between AI Studio and Vertex, but all mean a filter.
    1: "stop",
    2: "length",
    3: "content_filter",
    4: "content_filter",
    6: "content_filter",
    7: "content_filter",
    8: "content_filter",
}

_BY_NAME: Final[dict[str, Kind]] = {
    "UNAUTHENTICATED": "auth",
    "PERMISSION_DENIED": "permission",
    "FAILED_PRECONDITION": "permission",  # "not available in your country", "enable billing": another account may
    "NOT_FOUND": "not_found",
    "RESOURCE_EXHAUSTED": "rate_limit",
    "UNAVAILABLE": "overloaded",
    "DEADLINE_EXCEEDED": "timeout",
    "CANCELLED": "timeout",
    "INTERNAL": "server",
    "UNKNOWN": "server",
}
_STATUS: Final = {"INVALID_ARGUMENT": 400, "RESOURCE_EXHAUSTED": 429}


def parse(status: int, headers: Mapping[str, str], body: bytes) -> Reply | Failure:
    """A whole answer; see `Adapter.parse`."""
    if not 200 <= status < 300:
        return classify(status, headers, body)
    answer = decode(answer_decoder, Answer, body)
    if answer is None:
        return faults.plain(status, headers, body)
    if answer.error:
        return classify(status, headers, body)
    if not answer.candidates:
        return blocked(answer.promptFeedback, status) or faults.malformed("an answer without candidates", status)
    reply = _reply(answer, answer.candidates[0], body)
    reply.rate_limits = told_limits(headers)
    return reply


def blocked(feedback: PromptFeedback | None, status: int) -> Failure | None:
    """The failure of a prompt that the filter refused; None if it did not."""
    if feedback is None or feedback.blockReason is None:
        return None
    reason = str(feedback.blockReason)
    text = faults.words_of(feedback.blockReasonMessage) or f"the prompt was blocked: {reason}"
    return Failure(kind="content_filter", message=text, status=status, code=reason[:200])


def _reply(answer: Answer, candidate: Candidate, body: bytes) -> Reply:
    parts = (candidate.content.parts or ()) if candidate.content is not None else ()
    text: list[str] = []
    reasoning: list[str] = []
    calls: list[ToolCall] = []
    plain = True
    for part in parts:
        if part.functionCall is not None:
            calls.append(call_of(part.functionCall, len(calls), answer.responseId))
            plain = plain and part.thoughtSignature is None and part.functionCall.id is None
        elif part.text is not None:
            (reasoning if part.thought else text).append(part.text)
            plain = plain and part.thoughtSignature is None
        else:
            plain = False
    return make_reply(
        text="".join(text),
        reasoning="".join(reasoning) or None,
        refusal=None,
        calls=tuple(calls),
        finish=settled_finish(finish_of(candidate.finishReason), calls),
        usage=answer.usageMetadata.usage() if answer.usageMetadata is not None else UNKNOWN_USAGE,
        model=answer.modelVersion or "",
        id=answer.responseId or "",
        logprobs=logprobs_of(candidate.logprobsResult),
        native=None if plain else {"parts": native_parts(body)},
        adapter="gemini",
    )


def finish_of(reason: str | int | None) -> FinishReason:
    """The canonical finish reason."""
    return "unknown" if reason is None else FINISH.get(reason, "unknown")


def call_of(call: FunctionCall, place: int, response_id: str | None) -> ToolCall:
    """A function call in canonical form."""
    arguments = bytes(call.args).decode("utf-8", "replace")
    return ToolCall(call_id(call.id, place, response_id, call.name), call.name or "", arguments or "{}")


def call_id(id: str | None, place: int, response_id: str | None, name: str | None) -> str:
    """The call's id; where Gemini gives none, one that is the same each time and differs between answers."""
    return id or f"call_{crc32(f'{response_id}/{name}'.encode('utf-8', 'replace')):08x}_{place}"


def native_parts(body: bytes) -> list[Any]:
    """The first candidate's parts as they came, without thought summaries, which Gemini does not want back."""
    found = loads(body)
    try:
        parts = found["candidates"][0]["content"]["parts"]
    except (KeyError, IndexError, TypeError):
        return []
    return [part for part in parts if isinstance(part, dict) and not is_thought_summary(part)]


def is_thought_summary(part: Mapping[str, Any]) -> bool:
    """A part that only shows thinking."""
    return bool(part.get("thought")) and "thoughtSignature" not in part


def logprobs_of(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """Log-probabilities in OpenAI's shape; None if there are none or they make no sense."""
    chosen = found.get("chosenCandidates") if found else None
    if found is None or not isinstance(chosen, list):
        return None
    tops = found.get("topCandidates")
    tops = tops if isinstance(tops, list) else []
    content = []
    for place, token in enumerate(chosen):
        top = tops[place].get("candidates") if place < len(tops) and isinstance(tops[place], dict) else None
        entry = _token(token)
        if entry is None:
            return None
        entry["top_logprobs"] = [one for other in top or () if (one := _token(other)) is not None]
        content.append(entry)
    return {"content": content}


def _token(found: Any) -> dict[str, Any] | None:
    if not isinstance(found, dict):
        return None
    return {"token": str(found.get("token") or ""), "logprob": found.get("logProbability", 0.0)}


def classify(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """The failure behind an error answer; see `Adapter.classify`."""
    found = faults.error_body(body)
    if not isinstance(found, dict) or not found.get("error"):
        return faults.plain(status, headers, body)
    return failure_of(found["error"], status, headers)


def failure_of(error: Any, status: int | None, headers: Mapping[str, str]) -> Failure:
    """The failure that a Google error object means."""
    fields = error if isinstance(error, dict) else {}
    name = str(fields.get("status") or "")[:200]
    text = faults.words_of(fields.get("message") or (error if isinstance(error, str) else ""))
    seen = faults.effective_status(status, fields.get("code"))
    return Failure(
        kind=_kind(name, _STATUS.get(name, seen), text, fields),
        message=text or name or "no message",
        status=seen,
        retry_after_s=hint_s(headers, {"error": fields}),
        code=name or None,
    )


def _kind(name: str, status: int | None, text: str, fields: dict[str, Any]) -> Kind:
    if _reason(fields) == "API_KEY_INVALID":
        return "auth"
    kind = _BY_NAME.get(name)
    if kind == "rate_limit" or (kind is None and status == 429):
        return "quota" if _daily(fields) or _spent(text) else "rate_limit"
    if kind is not None:
        return kind
    if status is not None and 200 <= status < 300:
        status = None
    return faults.by_words(status, text) or faults.by_status(status)


def _details(fields: dict[str, Any]) -> list[dict[str, Any]]:
    details = fields.get("details")
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _reason(fields: dict[str, Any]) -> str:
    return next((str(detail["reason"]) for detail in _details(fields) if "reason" in detail), "")


def _daily(fields: dict[str, Any]) -> bool:
    """Whether a quota of the day is used up: the quota's id says so, the message does not."""
    for detail in _details(fields):
        violations = detail.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict) and "PerDay" in str(violation.get("quotaId")):
                return True
    return False


def _spent(text: str) -> bool:
    words = text.lower()
    return "spend" in words or "credits are depleted" in words
