"""Providers that need no settings: which dialect they speak, where they are, which variable holds their key.

A fleet file that says `openai: {}` means these values. Any other name is a host of the user's own and must say its
`adapter` and `base_url`. Hosts that copy OpenAI's interface are listed when their address is stable and public; their
limits are counted by the careful default profile.
"""

from __future__ import annotations

from typing import Final

import msgspec

OPENAI_BOTH: Final = ("openai", "openai-responses")


class Known(msgspec.Struct, frozen=True):
    """What is known of a provider by its name alone. `dialects` are all that it speaks; empty: its adapter's alone."""

    adapter: str
    base_url: str | None
    key_env: str
    accounting: str
    dialects: tuple[str, ...] = ()


KNOWN: Final[dict[str, Known]] = {
    "openai": Known("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", "openai", OPENAI_BOTH),
    "anthropic": Known("anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY", "anthropic"),
    "gemini": Known("gemini", "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY", "gemini"),
    "azure": Known("openai", None, "AZURE_OPENAI_API_KEY", "azure", OPENAI_BOTH),
    "groq": Known("openai", "https://api.groq.com/openai/v1", "GROQ_API_KEY", "default"),
    "deepseek": Known("openai", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", "default"),
    "xai": Known("openai", "https://api.x.ai/v1", "XAI_API_KEY", "default", OPENAI_BOTH),
    "bedrock": Known("bedrock", None, "AWS_BEARER_TOKEN_BEDROCK", "bedrock"),
    "mistral": Known("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", "default"),
    "vertex": Known("vertex", None, "", "default"),
    "cerebras": Known("openai", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", "default"),
    "cohere": Known("openai", "https://api.cohere.ai/compatibility/v1", "COHERE_API_KEY", "default"),
    "fireworks": Known("openai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", "default"),
    "perplexity": Known("openai", "https://api.perplexity.ai", "PERPLEXITY_API_KEY", "default"),
    "together": Known("openai", "https://api.together.xyz/v1", "TOGETHER_API_KEY", "default"),
    "openrouter": Known("openai", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "default"),
}

ADAPTER_ACCOUNTING: Final = {
    "anthropic": "anthropic",
    "bedrock": "bedrock",
    "gemini": "gemini",
    "mistral": "default",
    "openai": "default",
    "openai-responses": "default",
    "vertex": "default",
}
"""The profile of a host that is known only by its dialect."""

FAMILY: Final = {"openai-responses": "openai"}
"""Dialects of the same models: which family of the catalog they belong to, where it is not their own name."""
