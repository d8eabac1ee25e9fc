"""Effort and what it excludes, for each family of models that Converse serves.

Each maker has its own field for thinking. Claude's rules are those of its own API, so its adapter's arithmetic is used;
Nova takes an effort word and, at its highest, no sampling parameters and no bound on the answer. A bound matters more
than the last step of effort, so a bounded Nova thinks at `medium`.
"""

from __future__ import annotations

from typing import Any, Final

from junctor.adapters.anthropic.thinking import sampling_fields, thinking_fields, thinks
from junctor.adapters.bedrock.models import Claude, Family
from junctor.request import ChatRequest, Endpoint

_LADDER: Final = ("minimal", "low", "medium", "high", "xhigh", "max")
DEFAULT_BOUND: Final = 4096  # what a thinking budget is measured by where nobody bounds the answer


def think(
    request: ChatRequest,
    endpoint: Endpoint,
    family: Family,
    body: dict[str, Any],
    config: dict[str, Any],
    dropped: list[str],
) -> dict[str, Any]:
    """The model's own fields (`additionalModelRequestFields`) for the effort; `config` loses what they exclude."""
    if family.claude is not None:
        return _claude(request, endpoint, family.claude, body, config, dropped)
    wanted = request.effort
    if wanted is None:
        return {}
    if family.nova:
        return _nova(wanted, family, config, dropped)
    if wanted == "none" and family.effort_field != "reasoning_effort":
        return {}
    if family.effort_field is None or (wanted not in _LADDER and wanted != "none"):
        dropped.append("effort")
        return {}
    word = _nearest(wanted, family.effort_words)
    if word != wanted:
        dropped.append("effort")
    return {family.effort_field: word}


def _nearest(wanted: str, words: tuple[str, ...]) -> str:
    rank = _LADDER.index(wanted) if wanted in _LADDER else 0
    return next((word for word in reversed(words) if _LADDER.index(word) <= rank), words[0])


def _nova(wanted: str, family: Family, config: dict[str, Any], dropped: list[str]) -> dict[str, Any]:
    if not family.nova_thinks or (wanted not in _LADDER and wanted != "none"):
        if wanted != "none":
            dropped.append("effort")
        return {}
    if wanted == "none":
        return {"reasoningConfig": {"type": "disabled"}}
    word = _nearest(wanted, ("low", "medium", "high"))
    if word == "high" and "maxTokens" in config:
        word = "medium"
    if word != wanted:
        dropped.append("effort")
    if word == "high":
        for name, key in (("temperature", "temperature"), ("top_p", "topP")):
            if config.pop(key, None) is not None:
                dropped.append(name)
    return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": word}}


def _claude(
    request: ChatRequest,
    endpoint: Endpoint,
    claude: Claude,
    body: dict[str, Any],
    config: dict[str, Any],
    dropped: list[str],
) -> dict[str, Any]:
    bound = config.get("maxTokens") or endpoint.max_output_tokens or DEFAULT_BOUND
    chosen = body.get("toolConfig", {}).get("toolChoice", {})
    extra = thinking_fields(
        request.effort,
        claude,
        most=bound,
        forced="any" in chosen or "tool" in chosen,
        may_start=_may_start(body["messages"]),
        dropped=dropped,
    )
    if thinks(extra) and "maxTokens" not in config and "budget_tokens" in extra["thinking"]:
        config["maxTokens"] = bound  # the budget must stay below a bound
    sampling = sampling_fields(request, claude, thinking=thinks(extra), dropped=dropped)
    for name, key in (("temperature", "temperature"), ("top_p", "topP")):
        if name not in sampling:
            config.pop(key, None)
    if "top_k" in sampling:
        extra["top_k"] = sampling["top_k"]
    return extra


def _may_start(turns: list[dict[str, Any]]) -> bool:
    """Whether thinking with a budget may be on: a running tool loop must then begin with its thinking block."""
    if len(turns) < 2 or turns[-1]["role"] != "user":
        return True
    if not any("toolResult" in block for block in turns[-1]["content"]):
        return True
    return "reasoningContent" in turns[-2]["content"][0]
