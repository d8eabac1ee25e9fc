"""How `effort`, sampling and forced tools come out for each generation of each maker's models."""

from __future__ import annotations

from typing import Any

from tests.adapters.cases import ABSENT, CLOSED, JSON_SCHEMA, TOOLS, Case, asking, tool_loop, user


def _one(adapter: str, model: str, says: dict[str, Any], *dropped: str, **fields: Any) -> Case:
    shown = ", ".join(
        f"{key}={value}" for key, value in fields.items() if key in ("effort", "temperature", "max_tokens")
    )
    extra = " with tools" if "tools" in fields else ""
    forced = " forced" if fields.get("tool_choice") == "required" else ""
    loop = " in a loop that another model began" if len(fields.get("messages", ())) > 1 else ""
    return Case(
        name=f"{model} {shown}{extra}{forced}{loop}",
        request=asking(**fields),
        models={adapter: model},
        only=(adapter,),
        says={adapter: says},
        dropped={adapter: dropped},
    )


def openai(model: str, says: dict[str, Any], *dropped: str, **fields: Any) -> Case:
    return _one("openai", model, says, *dropped, **fields)


def claude(model: str, says: dict[str, Any], *dropped: str, **fields: Any) -> Case:
    return _one("anthropic", model, says, *dropped, **fields)


def gemini(model: str, says: dict[str, Any], *dropped: str, **fields: Any) -> Case:
    return _one("gemini", model, says, *dropped, **fields)


ADAPTIVE = {"type": "adaptive"}
SHOWN = {"type": "adaptive", "display": "summarized"}

EFFORT_CASES = [
    openai("gpt-4.1", {"reasoning_effort": ABSENT}, "effort", effort="low"),
    openai("gpt-5-mini", {"reasoning_effort": "minimal"}, effort="minimal"),
    openai("gpt-5-mini", {"reasoning_effort": "minimal"}, "effort", effort="none"),
    openai("o3", {"reasoning_effort": "high"}, "effort", effort="max"),
    openai("gpt-5.1", {"reasoning_effort": "low"}, "effort", effort="minimal"),
    openai("gpt-5.2", {"reasoning_effort": "xhigh"}, effort="xhigh"),
    openai("gpt-5.6", {"reasoning_effort": "max"}, effort="max"),
    openai("gpt-5.6", {"reasoning_effort": "none"}, "effort", effort="high", tools=TOOLS),
    openai("gpt-5.6", {"reasoning_effort": "none"}, tools=TOOLS),
    openai("gpt-5-mini", {"temperature": ABSENT}, "temperature", temperature=0.2),
    openai("gpt-5.2", {"temperature": 0.2}, temperature=0.2),
    openai("gpt-5.2", {"temperature": ABSENT}, "temperature", temperature=0.2, effort="low"),
    openai("gpt-5.6", {"temperature": ABSENT}, "temperature", temperature=0.2),
    openai("gpt-5.6", {"temperature": ABSENT}, temperature=1),
    openai("gpt-5-chat-latest", {"temperature": 0.2}, temperature=0.2),
    claude("claude-3-5-haiku-20241022", {"thinking": ABSENT}, "effort", effort="high"),
    claude(
        "claude-sonnet-4-20250514",
        {"thinking": {"type": "enabled", "budget_tokens": 8192}},
        effort="medium",
        max_tokens=32000,
    ),
    claude(
        "claude-haiku-4-5",
        {"thinking": {"type": "enabled", "budget_tokens": 3000}, "temperature": ABSENT},
        "effort",
        "temperature",
        effort="high",
        max_tokens=4000,
        temperature=0.5,
    ),
    claude("claude-haiku-4-5", {"thinking": ABSENT}, "effort", effort="high", max_tokens=1000),
    claude("claude-haiku-4-5", {"thinking": ABSENT}, effort="none"),
    claude(
        "claude-haiku-4-5",
        {"thinking": ABSENT, "tool_choice": {"type": "any"}},
        "effort",
        effort="low",
        tools=TOOLS,
        tool_choice="required",
        max_tokens=8000,
    ),
    claude(
        "claude-haiku-4-5",
        {"thinking": ABSENT},
        "effort",
        effort="low",
        tools=TOOLS,
        messages=tool_loop("t1"),
        max_tokens=8000,
    ),
    claude("claude-opus-4-5", {"output_config": {"effort": "high"}}, "effort", effort="xhigh", max_tokens=60000),
    claude("claude-opus-4-6", {"thinking": ADAPTIVE, "output_config": {"effort": "max"}}, effort="max"),
    claude("claude-opus-4-6", {"output_config": {"effort": "high"}}, "effort", effort="xhigh"),
    claude("claude-opus-4-8", {"thinking": SHOWN, "output_config": {"effort": "xhigh"}}, effort="xhigh"),
    claude("claude-opus-4-8", {"thinking": ABSENT, "output_config": ABSENT}, effort="none"),
    claude("claude-opus-4-8", {"temperature": ABSENT}, "temperature", temperature=0.2),
    claude("claude-sonnet-5", {"output_config": {"effort": "low"}}, "effort", effort="minimal"),
    claude("claude-opus-5", {"thinking": {"type": "disabled"}}, effort="none"),
    claude(
        "claude-opus-5",
        {"thinking": {"type": "disabled"}, "tool_choice": {"type": "any"}},
        tools=TOOLS,
        tool_choice="required",
    ),
    claude("claude-sonnet-5-5", {"thinking": {"type": "between_tools"}}, effort="none"),
    claude(
        "claude-opus-5-5",
        {"tool_choice": {"type": "auto"}},
        "tool_choice",
        tools=TOOLS,
        tool_choice="required",
    ),
    claude("claude-opus-5-5", {"thinking": ABSENT, "output_config": {"effort": "low"}}, "effort", effort="none"),
    gemini("gemini-2.0-flash", {"generationConfig": ABSENT}, "effort", effort="low"),
    gemini("gemini-2.5-flash", {"generationConfig.thinkingConfig": {"thinkingBudget": 0}}, effort="none"),
    gemini("gemini-2.5-pro", {"generationConfig.thinkingConfig": {"thinkingBudget": 128}}, "effort", effort="none"),
    gemini(
        "gemini-2.5-flash",
        {"generationConfig.thinkingConfig": {"thinkingBudget": 8192, "includeThoughts": True}},
        effort="medium",
    ),
    gemini(
        "gemini-3-flash-preview",
        {"generationConfig.thinkingConfig": {"thinkingLevel": "minimal", "includeThoughts": True}},
        effort="minimal",
    ),
    gemini(
        "gemini-3-pro-preview",
        {"generationConfig.thinkingConfig": {"thinkingLevel": "low", "includeThoughts": True}},
        "effort",
        effort="minimal",
    ),
    gemini(
        "gemini-3-pro-preview",
        {"generationConfig.thinkingConfig.thinkingLevel": "high"},
        "effort",
        effort="max",
    ),
    gemini(
        "gemini-3-flash-preview",
        {"generationConfig.thinkingConfig": {"thinkingLevel": "minimal"}},
        "effort",
        effort="none",
    ),
    gemini(
        "gemini-3-flash-preview",
        {
            "contents.1.parts.0.thoughtSignature": "skip_thought_signature_validator",
            "contents.1.parts.1.thoughtSignature": ABSENT,
        },
        messages=tool_loop("a", "b"),
        tools=TOOLS,
    ),
    gemini(
        "gemini-2.5-flash",
        {"contents.1.parts.0.thoughtSignature": ABSENT},
        messages=[*tool_loop("a"), user("And?")],
        tools=TOOLS,
    ),
    openai("o3", {"stop": ABSENT}, "stop", stop="END", effort="low"),
    claude(
        "claude-3-5-haiku-20241022",
        {"tools.0.strict": ABSENT, "output_config": ABSENT},
        "strict",
        "response_format",
        tools=[{"type": "function", "function": {"name": "f", "parameters": CLOSED, "strict": True}}],
        response_format=JSON_SCHEMA,
    ),
    claude(
        "claude-opus-5",
        {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}},
        "effort",
        effort="max",
        tools=TOOLS,
        tool_choice="required",
    ),
    claude("claude-haiku-4-5", {"top_p": 0.5}, top_p=0.5),
    claude("claude-haiku-4-5", {"top_k": ABSENT}, "top_k", top_k=5, effort="low", max_tokens=8000),
    claude("claude-mystery", {"temperature": ABSENT}, "temperature", "logprobs", temperature=0.1, logprobs=True),
    claude("claude-haiku-4-5", {"stop_sequences": ABSENT}, "stop", stop=" "),
    claude("claude-haiku-4-5", {"thinking": ABSENT}, "effort", effort="enormous"),
    gemini("gemini-3-pro-preview", {"generationConfig": ABSENT}, "effort", effort="enormous"),
    gemini("gemini-flash-latest", {"generationConfig.thinkingConfig.thinkingLevel": "low"}, effort="low"),
]
