"""The names that spans and metrics carry: OpenTelemetry's GenAI conventions, and junctor's own beside them.

The conventions are read as of August 2026 (`open-telemetry/semantic-conventions-genai`, status Development) and written
out here, because the package that holds their constants is marked deprecated and is no dependency of a library. A test
compares them with that package. Routing has no convention: its facts are `junctor.*`.
"""

from __future__ import annotations

from typing import Final

import msgspec

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
TOKEN_TYPE: Final = "gen_ai.token.type"
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

CALL_ATTRIBUTES: Final[dict[str, str]] = {
    OPERATION: "`chat` or `embeddings`",
    PROVIDER: "who the last attempt went to, in the conventions' word; `junctor` if there was none",
    REQUEST_MODEL: "the model as its provider calls it; without an attempt, what was asked for, if it exists",
    "gen_ai.request.stream": "true if the answer was streamed; else left out",
    "gen_ai.request.max_tokens": "as the caller set it",
    "gen_ai.request.temperature": "as the caller set it",
    "gen_ai.request.top_p": "as the caller set it",
    "gen_ai.request.top_k": "as the caller set it",
    "gen_ai.request.frequency_penalty": "as the caller set it",
    "gen_ai.request.presence_penalty": "as the caller set it",
    "gen_ai.request.stop_sequences": "as the caller set it",
    "gen_ai.request.seed": "as the caller set it",
    "gen_ai.request.choice.count": "`n`, unless it is 1",
    "gen_ai.embeddings.dimension.count": "as the caller set it, of embeddings",
    "gen_ai.output.type": "`json` or `text`, if the caller asked for a format",
    "gen_ai.conversation.id": "`session`, if the caller named one",
    "gen_ai.response.id": "the provider's name for its answer",
    RESPONSE_MODEL: "the model that answered, in the provider's words",
    "gen_ai.response.finish_reasons": "one word: why the answer ended",
    "gen_ai.response.time_to_first_chunk": "seconds from the call's beginning to the first content, of streams",
    "gen_ai.usage.input_tokens": "the whole prompt, cached parts included",
    "gen_ai.usage.output_tokens": "the whole answer, reasoning included",
    "gen_ai.usage.cache_read.input_tokens": "read from the provider's prompt cache",
    "gen_ai.usage.cache_creation.input_tokens": "written to it",
    "gen_ai.usage.reasoning.output_tokens": "not shown",
    ERROR_TYPE: "the outcome, if the call failed",
    SERVER_ADDRESS: "where the last attempt went",
    SERVER_PORT: "where the last attempt went",
    "junctor.outcome": "how the call ended: `ok`, `cancelled`, `refused`, `no_capacity`, a failure kind, and so on",
    "junctor.deployment": "where the last attempt went",
    "junctor.group": "the group that served",
    "junctor.rule": "the rule that chose, if one did",
    "junctor.asked": "the model, group or `auto` that was asked for, if it exists",
    "junctor.tenant": "the tenant, if the call named one",
    "junctor.downgrade": "true if a fallback group served",
    "junctor.attempts": "how many were made",
    "junctor.refusals": "deployments that were looked at and ruled out, over all decisions",
    "junctor.waited_s": "seconds of waiting for capacity and between attempts",
    "junctor.overhead_us": "microseconds that were neither waiting nor a provider's",
    "junctor.cost_usd": "dollars of all attempts",
    "junctor.config": "the configuration in force",
}
"""Attributes of the span of a call, and what they say."""

ATTEMPT_ATTRIBUTES: Final[dict[str, str]] = {
    SERVER_ADDRESS: "host of the deployment",
    SERVER_PORT: "its port",
    ERROR_TYPE: "the failure kind, if the attempt failed",
    "http.response.status_code": "of the answer, if there was one",
    "junctor.deployment": "where it went",
    "junctor.provider": "the provider's name in the fleet file",
    "junctor.model": "the model's name in the fleet",
    "junctor.group": "the group that it was drawn from",
    "junctor.rule": "the rule that chose, if one did",
    "junctor.outcome": "`ok`, `cancelled`, `abandoned` or a failure kind",
    "junctor.hedge": "true if it was started beside a slow one",
    "junctor.downgrade": "true if the group is a fallback",
    "junctor.last_resort": "true if everything else was out",
    "junctor.refusals": "deployments that this decision ruled out",
    "junctor.first_content_s": "seconds to the first content, of streams",
    "junctor.input_tokens": "used by this attempt",
    "junctor.output_tokens": "used by this attempt",
    "junctor.cost_usd": "dollars",
}
"""Attributes of the span of an attempt. No `gen_ai.*`, or backends would count each call twice."""

CONTENT_ATTRIBUTES: Final[dict[str, str]] = {
    "gen_ai.input.messages": "the messages, as JSON in the conventions' form",
    "gen_ai.output.messages": "the answer, likewise",
    "gen_ai.tool.definitions": "the tools that were offered",
}
"""Only with `record_content=True`."""


class Instrument(msgspec.Struct, frozen=True):
    """One histogram of the conventions, with the bounds that they advise."""

    name: str
    unit: str
    what: str
    bounds: tuple[float, ...]


_SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)

DURATION: Final = Instrument("gen_ai.client.operation.duration", "s", "GenAI operation duration.", _SECONDS)
TOKENS: Final = Instrument(
    "gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.", tuple(4.0**n for n in range(14))
)
FIRST_CHUNK: Final = Instrument(
    "gen_ai.client.operation.time_to_first_chunk", "s",
    "Time from the beginning of a streamed call to its first content.", _SECONDS,
)  # fmt: skip
SERVER_DURATION: Final = Instrument(
    "gen_ai.server.request.duration", "s", "Time from a request to the last byte of its answer.", _SECONDS
)
SERVER_FIRST_TOKEN: Final = Instrument(
    "gen_ai.server.time_to_first_token", "s", "Time to the first token of answers that ended well.",
    (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)  # fmt: skip
SERVER_PER_TOKEN: Final = Instrument(
    "gen_ai.server.time_per_output_token", "s", "Time per output token after the first, of answers that ended well.",
    (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
)  # fmt: skip

CLIENT_INSTRUMENTS: Final = (DURATION, TOKENS, FIRST_CHUNK)
SERVER_INSTRUMENTS: Final = (SERVER_DURATION, SERVER_FIRST_TOKEN, SERVER_PER_TOKEN)

_PROVIDERS: Final = {
    "azure": "azure.ai.openai", "bedrock": "aws.bedrock", "gemini": "gcp.gemini", "mistral": "mistral_ai",
    "moonshot": "moonshot_ai", "vertex": "gcp.vertex_ai", "xai": "x_ai",
}  # fmt: skip
"""The conventions' words for providers that fleets call otherwise; all others are called what the fleet calls them."""

_HOSTS: Final = {
    ".openai.azure.com": "azure.ai.openai",
    ".amazonaws.com": "aws.bedrock",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "api.mistral.ai": "mistral_ai",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "x_ai",
}
"""A provider of a fleet's own naming (`openai-eu`) is known by where it is."""


def provider_word(provider: str, address: str) -> str:
    """The conventions' word for a provider of the fleet that is reached at this host."""
    by_host = next((word for host, word in _HOSTS.items() if address.endswith(host)), None)
    return by_host or _PROVIDERS.get(provider, provider)
