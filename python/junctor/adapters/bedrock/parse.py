"""Converse's whole answers and errors.

Bedrock names an error in a header (`x-amzn-errortype`) or in the body (`__type`), and tells little else. The same name
means different things: a `ValidationException` is a wrong request, a prompt that is too long, or a model that this
account does not have; a `ThrottlingException` is a busy minute or a used-up day. So the name decides first, then the
words that real errors showed, then the status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from junctor.adapters import faults
from junctor.adapters.bedrock.shapes import Answer, Block, answer_decoder
from junctor.adapters.draft import UNKNOWN_USAGE, make_reply, settled_finish
from junctor.adapters.lenient import UNFIT, decode, loads
from junctor.adapters.retry_after import hint_s
from junctor.failures import Failure, Kind
from junctor.reply import FinishReason, Reply, ToolCall

FINISH: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
BROKEN_OFF: Final = frozenset({"malformed_model_output", "malformed_tool_use"})
"""What the model wrote could not be read by Bedrock itself: the answer is not one."""

_BY_NAME: Final[dict[str, Kind]] = {
    "accessdeniedexception": "permission",
    "unrecognizedclientexception": "auth",
    "invalidsignatureexception": "auth",
    "signaturedoesnotmatch": "auth",
    "incompletesignatureexception": "auth",
    "missingauthenticationtokenexception": "auth",
    "expiredtokenexception": "auth",
    "requestexpired": "auth",
    "optinrequired": "permission",
    "resourcenotfoundexception": "not_found",
    "throttlingexception": "rate_limit",
    "servicequotaexceededexception": "quota",
    "modelnotreadyexception": "overloaded",
    "serviceunavailableexception": "overloaded",
    "modeltimeoutexception": "timeout",
    "modelerrorexception": "server",
    "modelstreamerrorexception": "server",
    "internalserverexception": "server",
    "internalfailure": "server",
}
_NOT_HERE: Final = (
    "model identifier is invalid",
    "on-demand throughput isn",  # …isn't supported: the model must be asked for by its inference profile
    "inference profile",
    "model version has reached the end of its life",
)
_KEY_WORDS: Final = ("api key", "bearer token", "security token")


def parse(status: int, headers: Mapping[str, str], body: bytes) -> Reply | Failure:
    """A whole answer; see `Adapter.parse`. Bedrock does not say which model answered."""
    if not 200 <= status < 300:
        return classify(status, headers, body)
    answer = decode(answer_decoder, Answer, body)
    if answer is None:
        return faults.plain(status, headers, body)
    message = answer.output.message if answer.output is not None else None
    if message is None or message.content is None:
        return classify(status, headers, body)
    if answer.stopReason in BROKEN_OFF:
        return faults.malformed(f"stopReason {answer.stopReason}", status)
    native = None
    if not all(block.plain for block in message.content):
        found = loads(body)
        if found is UNFIT:  # broken bytes where the typed decoder did not look
            return faults.plain(status, headers, body)
        native = native_of(found["output"]["message"]["content"])
    return _reply(answer, message.content, native, headers.get("x-amzn-requestid", ""))


def _reply(answer: Answer, blocks: list[Block], native: dict[str, Any] | None, id: str) -> Reply:
    text: list[str] = []
    reasoning: list[str] = []
    calls: list[ToolCall] = []
    for block in blocks:
        if block.text:
            text.append(block.text)
        elif block.citationsContent is not None:
            text.extend(words.text for words in block.citationsContent.content or () if words.text)
        elif block.toolUse is not None and not block.toolUse.server:
            use, place = block.toolUse, len(calls)
            arguments = bytes(use.input).decode("utf-8", "replace") or "{}"
            calls.append(ToolCall(use.toolUseId or f"call_{place}", use.name or "", arguments))
        elif block.reasoningContent is not None and block.reasoningContent.reasoningText is not None:
            reasoning.append(block.reasoningContent.reasoningText.text or "")
    return make_reply(
        text="".join(text),
        reasoning="".join(reasoning) or None,
        refusal=None,
        calls=tuple(calls),
        finish=settled_finish(FINISH.get(answer.stopReason or "", "unknown"), calls),
        usage=answer.usage.usage() if answer.usage is not None else UNKNOWN_USAGE,
        model="",
        id=id,
        logprobs=None,
        native=native,
        adapter="bedrock",
    )


def native_of(blocks: list[Any]) -> dict[str, Any]:
    """What the same model must see again: its own blocks; whose they are is filled in where the model is known."""
    return {"model": "", "content": [_clean(block) for block in blocks if isinstance(block, dict)]}


def _clean(block: dict[str, Any]) -> dict[str, Any]:
    """The block without the `type` that some answers carry and no request takes."""
    use = block.get("toolUse")
    if isinstance(use, dict) and use.get("type") == "tool_use":
        block = {**block, "toolUse": {key: value for key, value in use.items() if key != "type"}}
    return {key: value for key, value in block.items() if key != "type"}


def classify(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """The failure behind an error answer; see `Adapter.classify`."""
    found = faults.error_body(body)
    name = headers.get("x-amzn-errortype", "")
    if not isinstance(found, dict) or not (name or {"message", "Message", "__type"} & found.keys()):
        return faults.plain(status, headers, body)
    name = name or str(found.get("__type") or "")
    text = faults.words_of(found.get("message") or found.get("Message"))
    return failure_of(name, text, status, headers)


def failure_of(name: str, text: str, status: int | None, headers: Mapping[str, str]) -> Failure:
    """The failure that an error's name and words mean; inside a stream there is no status."""
    word = name.partition(":")[0].rpartition("#")[2][:200]
    return Failure(
        kind=_kind(word.lower(), text, status),
        message=text or word or "no message",
        status=status,
        retry_after_s=hint_s(headers),
        code=word or None,
    )


def _kind(word: str, text: str, status: int | None) -> Kind:
    words = text.lower()
    kind = _BY_NAME.get(word)
    if kind == "rate_limit" or (kind is None and status == 429):
        return faults.by_words(429, text) or "rate_limit"  # a day's tokens are a quota, "at capacity" is neither
    if kind == "permission":
        return "auth" if any(phrase in words for phrase in _KEY_WORDS) else "permission"
    if kind is not None:
        return kind
    if word == "validationexception" or status == 400:
        if any(phrase in words for phrase in _NOT_HERE):
            return "not_found"
        return faults.by_words(400, text) or "invalid_request"
    return faults.by_words(status, text) or faults.by_status(status)
