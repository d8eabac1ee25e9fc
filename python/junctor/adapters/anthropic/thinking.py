"""Effort as Claude's thinking, and what thinking excludes: forced tools, most sampling parameters.

Written apart from the request's form, because Claude is also reached through APIs that put the same fields elsewhere.
"""

from __future__ import annotations

from typing import Any, Final

from junctor.adapters.anthropic.models import Model
from junctor.request import ChatRequest

MIN_BUDGET: Final = 1024  # the API's own floor for thinking

_BUDGETS: Final = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768, "max": 65536}
_LADDER: Final = ("minimal", "low", "medium", "high", "xhigh", "max")
_THINKS: Final = ("enabled", "adaptive", "between_tools")


def thinking_fields(
    wanted: str | None, model: Model, *, most: int, forced: bool, may_start: bool, dropped: list[str]
) -> dict[str, Any]:
    """`thinking` and `output_config` for an effort. Forced tools exclude thinking, and win: they change what the
    answer is. `most` bounds the answer, thinking included; `may_start` is False inside a tool loop that began without.
    """
    fields: dict[str, Any] = {}
    if forced and model.thinks_by_default and model.off == "disabled":
        fields["thinking"] = {"type": "disabled"}
    if wanted is None:
        return fields
    if wanted == "none":
        _off(model, fields, dropped)
    elif model.thinking == "none" or wanted not in _LADDER:
        dropped.append("effort")
    elif model.thinking == "budget":
        _budget(wanted, model, fields, dropped, room=most * 3 // 4, may=may_start and not forced)
    else:
        _adaptive(wanted, model, fields, dropped, forced=forced)
    return fields


def _off(model: Model, fields: dict[str, Any], dropped: list[str]) -> None:
    if model.off == "cannot":
        _set_effort("low", fields)
        dropped.append("effort")
    elif model.off != "omit":
        fields["thinking"] = {"type": model.off}


def _budget(wanted: str, model: Model, fields: dict[str, Any], dropped: list[str], *, room: int, may: bool) -> None:
    """A budget of tokens that leaves `room` (a quarter of the answer) for what is visible."""
    if model.efforts:
        _nearest_effort(wanted, model, fields, dropped)
    if not may or room < MIN_BUDGET:
        dropped.append("effort")
        return
    fields["thinking"] = {"type": "enabled", "budget_tokens": min(_BUDGETS[wanted], room)}
    if _BUDGETS[wanted] > room:
        dropped.append("effort")


def _adaptive(wanted: str, model: Model, fields: dict[str, Any], dropped: list[str], *, forced: bool) -> None:
    if forced and model.off == "disabled" and wanted in ("xhigh", "max"):
        wanted = "high"  # thinking can be disabled up to this effort only
        dropped.append("effort")
    _nearest_effort(wanted, model, fields, dropped)
    if forced:
        dropped.append("effort")
        return
    fields["thinking"] = {"type": "adaptive", "display": "summarized"} if model.display else {"type": "adaptive"}


def _nearest_effort(wanted: str, model: Model, fields: dict[str, Any], dropped: list[str]) -> None:
    rank = _LADDER.index(wanted)
    nearest = next((word for word in reversed(model.efforts) if _LADDER.index(word) <= rank), model.efforts[0])
    if nearest != wanted:
        dropped.append("effort")
    _set_effort(nearest, fields)


def _set_effort(word: str, fields: dict[str, Any]) -> None:
    fields.setdefault("output_config", {})["effort"] = word


def thinks(fields: dict[str, Any]) -> bool:
    """Whether a request with these fields lets the model think."""
    return fields.get("thinking", {}).get("type") in _THINKS


def sampling_fields(request: ChatRequest, model: Model, *, thinking: bool, dropped: list[str]) -> dict[str, Any]:
    """`temperature`, `top_p` and `top_k` as far as the model takes them; what is left out is reported."""
    fields: dict[str, Any] = {}
    temperature, top_p, top_k = request.temperature, request.top_p, request.top_k
    free = model.sampling and not thinking
    if temperature is not None:
        if free:
            fields["temperature"] = min(max(temperature, 0.0), 1.0)
        if (not free and temperature != 1) or temperature > 1 or temperature < 0:
            dropped.append("temperature")
    if top_p is not None:
        if (free or (model.sampling and top_p >= 0.95)) and (model.temperature_with_top_p or temperature is None):
            fields["top_p"] = top_p
        elif top_p != 1:
            dropped.append("top_p")
    if top_k is not None:
        if free:
            fields["top_k"] = top_k
        else:
            dropped.append("top_k")
    return fields
