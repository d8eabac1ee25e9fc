"""What routing writes into an Anthropic caller's own body.

Thinking has a budget that must stay below the answer's bound, so a bound that is lowered takes the budget with it; and
thinking excludes sampling parameters, so an effort that a rule fills in takes those with it. Both are reported.
"""

from __future__ import annotations

from typing import Any, Final

from junctor.adapters.anthropic.thinking import MIN_BUDGET
from junctor.adapters.native import lower_bound
from junctor.request import ChatRequest, Endpoint

BETA: Final = "anthropic-beta"
VERSION: Final = "anthropic-version"


def bounded(body: dict[str, Any], request: ChatRequest, endpoint: Endpoint, dropped: list[str], most: int) -> None:
    """Writes the answer's bound; `most` is the one if nobody names any."""
    own = body.get("max_tokens")
    bound = lower_bound(request, endpoint, own, dropped) or most
    body["max_tokens"] = bound
    thinking = body.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    if bound == own or not isinstance(budget, int) or budget < bound:
        return
    dropped.append("effort")
    room = bound * 3 // 4  # a quarter is left for the answer
    if room >= MIN_BUDGET:
        body["thinking"] = {**body["thinking"], "budget_tokens": room}
    else:
        del body["thinking"]


def leaves_effort_open(body: dict[str, Any]) -> bool:
    """Whether the caller says nothing of thinking, so that an effort which a rule filled in applies."""
    config = body.get("output_config")
    return "thinking" not in body and not (isinstance(config, dict) and "effort" in config)


def without_sampling(body: dict[str, Any], dropped: list[str]) -> None:
    """Takes out what thinking, which the caller did not ask for, excludes."""
    for name in ("temperature", "top_k", "top_p"):
        if name in body and body[name] != 1:
            dropped.append(name)
        body.pop(name, None)


def joined_betas(first: str | None, second: str | None) -> str:
    """Two lists of betas as one, each beta once."""
    words = [word.strip() for text in (first, second) if text for word in text.split(",")]
    return ",".join(dict.fromkeys(word for word in words if word))
