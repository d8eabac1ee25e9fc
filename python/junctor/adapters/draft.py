"""An answer in the making: what a stream has said so far, and the reply it becomes.

Text is kept as pieces and joined once. Every dialect's reader fills one draft, so a streamed reply and a whole one are
made by the same code and are equal.
"""

from __future__ import annotations

from typing import Any

from junctor.reply import FinishReason, Reply, ToolCall, Usage

UNKNOWN_USAGE = Usage(known=False)


class CallDraft:
    """One tool call whose arguments are still arriving."""

    __slots__ = ("arguments", "id", "index", "name")

    def __init__(self, index: int, id: str, name: str) -> None:
        self.index = index
        self.id = id
        self.name = name
        self.arguments: list[str] = []

    def finished(self) -> ToolCall:
        """The call as the reply holds it; a call without arguments has an empty object."""
        return ToolCall(self.id, self.name, "".join(self.arguments) or "{}")


class Draft:
    """What is known of the answer so far."""

    __slots__ = ("calls", "chunks", "finish", "id", "logprobs", "model", "reasoning", "refusal", "text", "usage")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.calls: list[CallDraft] = []
        self.logprobs: Any = None
        self.usage = UNKNOWN_USAGE
        self.finish: FinishReason | None = None
        self.id = ""
        self.model = ""
        self.chunks = 0

    def reply(self, native: dict[str, Any] | None, adapter: str) -> Reply:
        """The finished reply. `native` is what the provider needs to see again."""
        calls = tuple(call.finished() for call in self.calls)
        return make_reply(
            text="".join(self.text),
            reasoning="".join(self.reasoning) or None,
            refusal="".join(self.refusal) or None,
            calls=calls,
            finish=self.finish or settled_finish("unknown", calls),
            usage=self.usage,
            model=self.model,
            id=self.id,
            logprobs=self.logprobs,
            native=native,
            adapter=adapter,
        )


def settled_finish(reason: FinishReason, calls: object) -> FinishReason:
    """The finish reason, corrected for providers that end tool calls with "stop" or with nothing."""
    return "tool_calls" if calls and reason in ("stop", "unknown") else reason


def name_model(reply: Reply, model: str) -> None:
    """The model that was asked for stands in where a provider does not say which one answered (Bedrock)."""
    reply.model = model
    for native in reply.message.get("provider_fields", {}).values():
        if isinstance(native, dict) and native.get("model") == "":
            native["model"] = model


def make_reply(
    *,
    text: str,
    reasoning: str | None,
    refusal: str | None,
    calls: tuple[ToolCall, ...],
    finish: FinishReason,
    usage: Usage,
    model: str,
    id: str,
    logprobs: Any,
    native: dict[str, Any] | None,
    adapter: str,
) -> Reply:
    """A reply whose `message` can be appended to the conversation and sent to any provider."""
    message: dict[str, Any] = {"role": "assistant", "content": text or (None if calls or refusal else "")}
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    if refusal:
        message["refusal"] = refusal
    if native:
        message["provider_fields"] = {adapter: native}
    return Reply(
        text=text,
        message=message,
        finish_reason=finish,
        usage=usage,
        model=model,
        id=id,
        tool_calls=calls,
        reasoning=reasoning,
        refusal=refusal,
        logprobs=logprobs,
    )
