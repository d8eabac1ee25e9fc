"""What an exchange must come out as, worked out from its raw JSON alone: an oracle that shares no code with them."""

from __future__ import annotations

import json
from typing import Any

OPENAI_FINISH = {"stop": "stop", "length": "length", "tool_calls": "tool_calls", "content_filter": "content_filter"}
ANTHROPIC_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "refusal",
}
BEDROCK_FINISH = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}
GEMINI_FINISH = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}


def blank() -> dict[str, Any]:
    return {"text": "", "calls": [], "finish": "unknown", "input": 0, "output": 0, "cached": 0, "reasoning": False}


def whole(adapter: str, found: dict[str, Any]) -> dict[str, Any]:
    return _WHOLE[adapter](found)


def _finish(out: dict[str, Any], reason: str) -> None:
    out["finish"] = "tool_calls" if out["calls"] and reason in ("stop", "unknown") else reason


def _openai_usage(out: dict[str, Any], usage: dict[str, Any] | None) -> None:
    if not usage:
        return
    out["input"], out["output"] = usage["prompt_tokens"], usage["completion_tokens"]
    details = usage.get("prompt_tokens_details") or {}
    out["cached"] = (
        details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or usage.get("cached_tokens") or 0
    )
    hidden = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    if hidden and usage["total_tokens"] == out["input"] + out["output"] + hidden:
        out["output"] += hidden


def _openai(found: dict[str, Any]) -> dict[str, Any]:
    out = blank()
    message = found["choices"][0]["message"]
    content = message.get("content") or ""
    out["text"] = content if isinstance(content, str) else "".join(p["text"] for p in content if p["type"] == "text")
    out["reasoning"] = bool(message.get("reasoning_content") or message.get("reasoning"))
    for call in message.get("tool_calls") or ():
        out["calls"].append((call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])))
    _finish(out, OPENAI_FINISH.get(found["choices"][0]["finish_reason"], "unknown"))
    _openai_usage(out, found.get("usage"))
    return out


def _anthropic(found: dict[str, Any]) -> dict[str, Any]:
    out = blank()
    for block in found["content"]:
        if block["type"] == "text":
            out["text"] += block["text"]
        elif block["type"] == "tool_use":
            out["calls"].append((block["id"], block["name"], block["input"]))
        elif block["type"] == "thinking" and block["thinking"]:
            out["reasoning"] = True
    _finish(out, ANTHROPIC_FINISH[found["stop_reason"]])
    _anthropic_usage(out, found["usage"])
    return out


def _anthropic_usage(out: dict[str, Any], usage: dict[str, Any]) -> None:
    out["cached"] = usage.get("cache_read_input_tokens") or 0
    out["input"] = usage["input_tokens"] + out["cached"] + (usage.get("cache_creation_input_tokens") or 0)
    out["output"] = usage["output_tokens"]


def _gemini(found: dict[str, Any]) -> dict[str, Any]:
    out = blank()
    _gemini_parts(out, found["candidates"][0])
    _finish(out, GEMINI_FINISH[found["candidates"][0]["finishReason"]])
    _gemini_usage(out, found["usageMetadata"])
    return out


def _gemini_parts(out: dict[str, Any], candidate: dict[str, Any]) -> None:
    for part in candidate.get("content", {}).get("parts", ()):
        if "functionCall" in part:
            call = part["functionCall"]
            out["calls"].append((call.get("id"), call["name"], call.get("args", {})))
        elif "text" in part and part.get("thought"):
            out["reasoning"] = True
        elif "text" in part:
            out["text"] += part["text"]


def _gemini_usage(out: dict[str, Any], usage: dict[str, Any]) -> None:
    if "promptTokenCount" not in usage:
        return
    out["input"] = usage["promptTokenCount"] + usage.get("toolUsePromptTokenCount", 0)
    out["output"] = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
    out["cached"] = usage.get("cachedContentTokenCount", 0)


def streamed(adapter: str, events: list[dict[str, Any]]) -> dict[str, Any]:
    return _STREAMED[adapter](events)


def _openai_stream(events: list[dict[str, Any]]) -> dict[str, Any]:
    out = blank()
    calls: dict[int, list[Any]] = {}
    reason = ""
    for event in events:
        usage = event.get("usage") or event.get("x_groq", {}).get("usage")
        _openai_usage(out, usage)
        for choice in event["choices"][:1]:
            delta = choice.get("delta") or {}
            content = delta.get("content") or ""
            if isinstance(content, list):
                content = "".join(part["text"] for part in content if part["type"] == "text")
            out["text"] += content
            out["reasoning"] |= bool(delta.get("reasoning_content") or delta.get("reasoning"))
            for call in delta.get("tool_calls") or ():
                known = calls.setdefault(call.get("index", 0), ["", "", ""])
                known[0] = known[0] or call.get("id") or ""
                known[1] += call["function"].get("name") or ""
                known[2] += call["function"].get("arguments") or ""
            reason = reason or choice.get("finish_reason") or ""
    out["calls"] = [(id, name, json.loads(arguments or "{}")) for _, (id, name, arguments) in sorted(calls.items())]
    _finish(out, OPENAI_FINISH.get(reason, "unknown"))
    return out


def _anthropic_stream(events: list[dict[str, Any]]) -> dict[str, Any]:
    out = blank()
    blocks: dict[int, dict[str, Any]] = {}
    usage: dict[str, Any] = {}
    reason = ""
    for event in events:
        if event["type"] == "message_start":
            usage.update(event["message"]["usage"])
        elif event["type"] == "content_block_start":
            blocks[event["index"]] = {**event["content_block"], "json": ""}
        elif event["type"] == "content_block_delta":
            delta, block = event["delta"], blocks[event["index"]]
            out["text"] += delta.get("text", "")
            out["reasoning"] |= bool(delta.get("thinking"))
            block["json"] += delta.get("partial_json", "")
        elif event["type"] == "message_delta":
            reason = event["delta"]["stop_reason"]
            usage.update({key: value for key, value in event["usage"].items() if value is not None})
        elif event["type"] == "message_stop":
            break  # some recordings hold the next answer too
    for _, block in sorted(blocks.items()):
        if block["type"] == "tool_use":
            out["calls"].append((block["id"], block["name"], json.loads(block["json"] or "{}")))
    _finish(out, ANTHROPIC_FINISH[reason])
    _anthropic_usage(out, usage)
    return out


def _gemini_stream(events: list[dict[str, Any]]) -> dict[str, Any]:
    out = blank()
    reason = "unknown"
    for event in events:
        _gemini_usage(out, event.get("usageMetadata", {}))
        for candidate in event.get("candidates", ())[:1]:
            _gemini_parts(out, candidate)
            reason = GEMINI_FINISH.get(candidate.get("finishReason", ""), reason)
    _finish(out, reason)
    return out


def _thought(content: Any) -> bool:
    chunks = content if isinstance(content, list) else []
    return any(piece["text"] for chunk in chunks if chunk["type"] == "thinking" for piece in chunk["thinking"])


def _mistral(found: dict[str, Any]) -> dict[str, Any]:
    out = _openai(found)
    out["reasoning"] = _thought(found["choices"][0]["message"].get("content"))
    out["cached"] = out["cached"] or found["usage"].get("num_cached_tokens") or 0
    return out


def _mistral_stream(events: list[dict[str, Any]]) -> dict[str, Any]:
    out = _openai_stream(events)
    out["reasoning"] = any(_thought(choice["delta"].get("content")) for event in events for choice in event["choices"])
    return out


def _bedrock_usage(out: dict[str, Any], usage: dict[str, Any]) -> None:
    out["cached"] = usage.get("cacheReadInputTokens", 0)
    out["input"] = usage["inputTokens"] + out["cached"] + usage.get("cacheWriteInputTokens", 0)
    out["output"] = usage["outputTokens"]
    assert usage["totalTokens"] == out["input"] + out["output"]


def _bedrock(found: dict[str, Any]) -> dict[str, Any]:
    out = blank()
    for block in found["output"]["message"]["content"]:
        out["text"] += block.get("text", "")
        out["text"] += "".join(piece["text"] for piece in block.get("citationsContent", {}).get("content", ()))
        out["reasoning"] |= bool(block.get("reasoningContent", {}).get("reasoningText", {}).get("text"))
        use = block.get("toolUse")
        if use and use.get("type") != "server_tool_use":
            out["calls"].append((use["toolUseId"], use["name"], use["input"]))
    _finish(out, BEDROCK_FINISH[found["stopReason"]])
    _bedrock_usage(out, found["usage"])
    return out


def _bedrock_stream(events: list[dict[str, Any]]) -> dict[str, Any]:
    out = blank()
    calls: dict[int, list[str]] = {}
    reason = ""
    for event in events:
        (name, body), *_ = event.items()
        if name == "contentBlockStart" and body["start"].get("toolUse", {}).get("type") != "server_tool_use":
            if use := body["start"].get("toolUse"):
                calls[body["contentBlockIndex"]] = [use["toolUseId"], use["name"], ""]
        elif name == "contentBlockDelta":
            delta = body["delta"]
            out["text"] += delta.get("text", "")
            out["reasoning"] |= bool(delta.get("reasoningContent", {}).get("text"))
            if "toolUse" in delta and body["contentBlockIndex"] in calls:
                calls[body["contentBlockIndex"]][2] += delta["toolUse"]["input"]
        elif name == "messageStop":
            reason = body["stopReason"]
        elif name == "metadata":
            _bedrock_usage(out, body["usage"])
    out["calls"] = [(id, name, json.loads(text or "{}")) for _, (id, name, text) in sorted(calls.items())]
    _finish(out, BEDROCK_FINISH[reason])
    return out


def _responses(found: dict[str, Any]) -> dict[str, Any]:
    out = blank()
    for item in found["output"]:
        if item["type"] == "message":
            out["text"] += "".join(part["text"] for part in item["content"] if part["type"] == "output_text")
        elif item["type"] == "function_call":
            out["calls"].append((item["call_id"], item["name"], json.loads(item["arguments"])))
        elif item["type"] == "reasoning":
            out["reasoning"] |= any(part["text"] for part in [*item["summary"], *(item.get("content") or ())])
    _responses_end(out, found)
    return out


def _responses_end(out: dict[str, Any], found: dict[str, Any]) -> None:
    cause = (found.get("incomplete_details") or {}).get("reason")
    status = found.get("status") or "completed"
    reason = {"max_output_tokens": "length", "content_filter": "content_filter"}.get(cause or "", "unknown")
    _finish(out, "stop" if status == "completed" else reason)
    usage = found.get("usage") or {}
    out["input"], out["output"] = usage.get("input_tokens", 0), usage.get("output_tokens", 0)
    out["cached"] = (usage.get("input_tokens_details") or {}).get("cached_tokens") or 0


def _responses_stream(events: list[dict[str, Any]]) -> dict[str, Any]:
    out = blank()
    calls: dict[int, Any] = {}
    for event in events:
        if event["type"] == "response.output_text.delta":
            out["text"] += event["delta"]
        elif event["type"].startswith("response.reasoning") and event["type"].endswith("text.delta"):
            out["reasoning"] = True
        elif event["type"] == "response.output_item.done" and event["item"]["type"] == "function_call":
            item = event["item"]
            calls[event["output_index"]] = (item["call_id"], item["name"], json.loads(item["arguments"]))
        elif event["type"] in ("response.completed", "response.incomplete"):
            out["calls"] = [made for _, made in sorted(calls.items())]
            _responses_end(out, event["response"])
            break  # some recordings hold the next answer too
    return out


_WHOLE = {
    "openai": _openai,
    "openai-responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "bedrock": _bedrock,
    "mistral": _mistral,
}
_STREAMED = {
    "openai": _openai_stream,
    "openai-responses": _responses_stream,
    "anthropic": _anthropic_stream,
    "gemini": _gemini_stream,
    "bedrock": _bedrock_stream,
    "mistral": _mistral_stream,
}
