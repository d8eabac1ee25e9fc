"""A call and its attempts as attributes of spans and metrics. Pure; no attribute here says a word of the content.

What a caller chose freely (the model that it asked for) is told only where the router knew it, so that a mistyped key
in that place ends up in no trace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from junctor.observe.otel import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from junctor.observe.observed import Observed, ObservedAttempt

Attributes = dict[str, Any]

QUIET: Final = frozenset({"ok", "cancelled", "abandoned"})
"""Outcomes that are nobody's error: a caller may leave, and the slower of two hedged attempts is cut off."""

MAX_CHARS: Final = 256
"""Of a value that a provider or a caller wrote: names are shorter, and backends refuse longer ones."""

_PARAMETERS: Final = {
    "max_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
    "dimensions": "gen_ai.embeddings.dimension.count",
    "output_type": "gen_ai.output.type",
}


def of_metrics(call: Observed) -> Attributes:
    """What the conventions' metrics are split by: few values each."""
    found: Attributes = {names.OPERATION: call.operation, names.PROVIDER: "junctor"}
    if (last := call.last) is not None:
        found[names.PROVIDER] = names.provider_word(last.provider, last.address)
        found[names.REQUEST_MODEL] = last.provider_model
        found |= _server(last)
    if call.answered is not None and call.answered.model:
        found[names.RESPONSE_MODEL] = call.answered.model[:MAX_CHARS]
    return found


def of_call(call: Observed) -> Attributes:
    """Everything that is told of a call."""
    found = of_metrics(call)
    decision = call.receipt.decision
    if decision is not None:
        found.setdefault(names.REQUEST_MODEL, decision.asked[:MAX_CHARS])
        found |= {"junctor.asked": decision.asked[:MAX_CHARS], "junctor.config": decision.config_hash}
        found |= _given({"junctor.rule": decision.rule})
    if (last := call.last) is not None:
        found |= {"junctor.deployment": last.told.deployment, "junctor.group": last.told.decision.group or ""}
    if call.outcome not in QUIET:
        found[names.ERROR_TYPE] = call.outcome
    if call.streamed:
        found["gen_ai.request.stream"] = True
    found |= _asked(call.parameters) | _answered(call)
    found |= _given({
        "gen_ai.conversation.id": call.session and call.session[:MAX_CHARS],
        "gen_ai.response.time_to_first_chunk": call.first_content_s,
        "junctor.tenant": call.tenant and call.tenant[:MAX_CHARS],
    })  # fmt: skip
    return found | {
        "junctor.outcome": call.outcome,
        "junctor.downgrade": call.receipt.downgrade,
        "junctor.attempts": len(call.attempts),
        "junctor.refusals": _refusals(call),
        "junctor.waited_s": call.waited_s,
        "junctor.overhead_us": call.overhead_us,
        "junctor.cost_usd": call.receipt.cost_usd,
    }


def of_attempt(attempt: ObservedAttempt) -> Attributes:
    """Everything that is told of an attempt."""
    told, decision = attempt.told, attempt.told.decision
    found: Attributes = _server(attempt) | {
        "junctor.deployment": told.deployment,
        "junctor.provider": attempt.provider,
        "junctor.model": attempt.model,
        "junctor.group": decision.group or "",
        "junctor.outcome": told.outcome,
        "junctor.hedge": told.hedge,
        "junctor.downgrade": decision.downgrade,
        "junctor.last_resort": decision.last_resort,
        "junctor.refusals": len(decision.refusals),
        "junctor.input_tokens": told.input_tokens,
        "junctor.output_tokens": told.output_tokens,
        "junctor.cost_usd": told.cost_usd_micros / 1_000_000,
    }
    if told.outcome not in QUIET:
        found[names.ERROR_TYPE] = told.outcome
    return found | _given({
        "junctor.rule": decision.rule,
        "junctor.first_content_s": attempt.first_content_s,
        "http.response.status_code": told.status,
    })  # fmt: skip


def _server(attempt: ObservedAttempt) -> Attributes:
    if not attempt.address:
        return {}
    return _given({names.SERVER_ADDRESS: attempt.address, names.SERVER_PORT: attempt.port})


def _asked(parameters: Mapping[str, Any]) -> Attributes:
    found = {name: parameters[own] for own, name in _PARAMETERS.items() if own in parameters}
    stop = parameters.get("stop")
    if stop:
        found["gen_ai.request.stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
    if parameters.get("n", 1) != 1:
        found["gen_ai.request.choice.count"] = parameters["n"]
    return found


def _answered(call: Observed) -> Attributes:
    answered = call.answered
    if answered is None:
        return {}
    found: Attributes = {}
    if answered.finish_reason:
        found["gen_ai.response.finish_reasons"] = [answered.finish_reason]
    if answered.id:
        found["gen_ai.response.id"] = answered.id[:MAX_CHARS]
    usage = answered.usage
    if usage.known:
        found["gen_ai.usage.input_tokens"] = usage.input_tokens
        if call.operation == "chat":
            found["gen_ai.usage.output_tokens"] = usage.output_tokens
        found |= {name: tokens for name, tokens in {
            "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
        }.items() if tokens}  # fmt: skip
    return found


def _refusals(call: Observed) -> int:
    failed = call.receipt.failed_decision
    made = sum(len(attempt.told.decision.refusals) for attempt in call.attempts)
    return made + (len(failed.refusals) if failed is not None else 0)


def _given(values: Attributes) -> Attributes:
    """Those that are known."""
    return {name: value for name, value in values.items() if value is not None and value != ""}
