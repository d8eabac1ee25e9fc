"""Whole responses: output items into one reply. Errors are OpenAI's own, read where chat completions read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from junctor.adapters import faults
from junctor.adapters.draft import CallDraft, Draft, settled_finish
from junctor.adapters.lenient import decode
from junctor.adapters.openai.parse import classify, failure_of
from junctor.adapters.openai_responses.items import ADAPTER
from junctor.adapters.openai_responses.shapes import Item, Response, response_decoder
from junctor.adapters.rate_limits import told_limits
from junctor.failures import Failure
from junctor.reply import FinishReason, Reply

CALLS: Final = frozenset({"function_call", "custom_tool_call"})
_PLAIN: Final = frozenset({"message", "function_call"})
_CUT: Final[dict[str, FinishReason]] = {"max_output_tokens": "length", "content_filter": "content_filter"}
_BETWEEN: Final = "\n\n"
"""What stands between two pieces of reasoning, which are paragraphs of their own."""


def parse(status: int, headers: Mapping[str, str], body: bytes) -> Reply | Failure:
    """A whole answer; see `Adapter.parse`."""
    if not 200 <= status < 300:
        return classify(status, headers, body)
    response = decode(response_decoder, Response, body)
    if response is None:
        return faults.plain(status, headers, body)
    if response.output is None or response.error:
        return classify(status, headers, body)
    if response.status in ("failed", "cancelled"):
        return faults.malformed(f"a response with the status {response.status} and no error", status)
    draft = Draft()
    for item in response.output:
        read_item(draft, item)
    finish(draft, response)
    reply = draft.reply(native(response, response.output), ADAPTER)
    reply.rate_limits = told_limits(headers)
    return reply


def read_item(draft: Draft, item: Item) -> None:
    """Adds one finished item to the draft."""
    kind = item.get("type")
    if kind == "message":
        for part in _parts(item, "content"):
            if isinstance(text := part.get("text"), str) and part.get("type") == "output_text":
                draft.text.append(text)
                add_logprobs(draft, part.get("logprobs"))
            elif isinstance(refusal := part.get("refusal"), str):
                draft.refusal.append(refusal)
    elif kind in CALLS:
        call = open_call(draft, item)
        call.arguments.append(arguments_of(item))
    elif kind == "reasoning":
        for text in thoughts_of(item):
            draft.reasoning.append(_BETWEEN + text if draft.reasoning else text)


def open_call(draft: Draft, item: Item) -> CallDraft:
    """A new call in the draft; its arguments are still to come."""
    place = len(draft.calls)
    call = CallDraft(place, str(item.get("call_id") or item.get("id") or f"call_{place}"), str(item.get("name") or ""))
    draft.calls.append(call)
    return call


def arguments_of(item: Item) -> str:
    """The arguments of a function's call, or the input of a custom tool's."""
    found = item.get("arguments") or item.get("input")
    return found if isinstance(found, str) else ""


def thoughts_of(item: Item) -> list[str]:
    """What a reasoning item shows: the provider's summary, or the thinking itself."""
    parts = (*_parts(item, "summary"), *_parts(item, "content"))
    return [text for part in parts if isinstance(text := part.get("text"), str) and text]


def add_logprobs(draft: Draft, found: Any) -> None:
    """Log-probabilities of more text, in the form that chat completions give them."""
    if isinstance(found, list) and found:
        if draft.logprobs is None:
            draft.logprobs = {"content": []}
        draft.logprobs["content"].extend(found)


def _parts(item: Item, name: str) -> Iterable[dict[str, Any]]:
    found = item.get(name)
    return [part for part in found if isinstance(part, dict)] if isinstance(found, list) else ()


def finish(draft: Draft, response: Response) -> None:
    """How the answer ended, what it cost and who gave it."""
    draft.id, draft.model = response.id or draft.id, response.model or draft.model
    if response.usage is not None:
        draft.usage = response.usage.usage()
    reason: FinishReason = "unknown"
    if response.status == "completed":
        reason = "stop"
    elif response.status == "incomplete":
        cause = response.incomplete_details
        reason = _CUT.get(cause.reason or "", "unknown") if cause is not None else "unknown"
    elif response.status is None and (draft.text or draft.calls):
        reason = "stop"  # hosts that copy the interface leave it out
    draft.finish = settled_finish(reason, draft.calls)
    if draft.refusal and not draft.text and not draft.calls:
        draft.finish = "refusal"


def native(response: Response, output: list[Item]) -> dict[str, Any] | None:
    """The items, if there is more among them than text and calls; and what says who can read them again."""
    if all(item.get("type") in _PLAIN and not item.get("phase") for item in output):
        return None
    found: dict[str, Any] = {"model": response.model or "", "output": output}
    # DeepSeek has the key too, always empty, and ids of another form.
    if bytes(response.content_filters) and (response.id or "").startswith("resp_"):
        found["azure"] = True
    return found


def failed(response: Response) -> Failure:
    """The failure of a response that ended with an error."""
    return failure_of(response.error or {"message": f"the response is {response.status}"}, None, {}, None)
