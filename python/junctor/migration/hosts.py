"""LiteLLM's names of providers, as hosts of a fleet file.

Providers that junctor knows by name need no more than that name. The others speak OpenAI's dialect at an address of
their own; theirs are written out, since LiteLLM keeps them in its code. Read off LiteLLM 1.109.1.
"""

from __future__ import annotations

from typing import Final

import msgspec

from junctor.config.providers import KNOWN


class Host(msgspec.Struct, frozen=True):
    """How one of LiteLLM's providers is written: its name, and what has to be said where junctor does not know it.

    `key_env` is the variable that LiteLLM reads if no key is given.
    """

    provider: str
    key_env: str | None = None
    adapter: str | None = None
    base_url: str | None = None
    suffix: str = ""

    @property
    def known(self) -> bool:
        """Whether its name alone says how it is spoken to."""
        return self.provider in KNOWN


def _copy(provider: str, base_url: str | None, key_env: str | None = None, suffix: str = "") -> Host:
    return Host(provider, key_env, "openai", base_url, suffix)


HOSTS: Final = {
    "openai": Host("openai", "OPENAI_API_KEY"),
    "anthropic": Host("anthropic", "ANTHROPIC_API_KEY"),
    "gemini": Host("gemini", "GEMINI_API_KEY"),
    "azure": Host("azure", "AZURE_API_KEY"),
    "bedrock": Host("bedrock"),
    "bedrock_converse": Host("bedrock"),
    "vertex_ai": Host("vertex"),
    "vertex_ai_beta": Host("vertex"),
    "mistral": Host("mistral", "MISTRAL_API_KEY"),
    "groq": Host("groq", "GROQ_API_KEY"),
    "deepseek": Host("deepseek", "DEEPSEEK_API_KEY"),
    "xai": Host("xai", "XAI_API_KEY"),
    "openrouter": Host("openrouter", "OPENROUTER_API_KEY"),
    "azure_ai": _copy("azure-ai", None, "AZURE_AI_API_KEY"),
    "together_ai": _copy("together", "https://api.together.ai/v1", "TOGETHER_API_KEY"),
    "fireworks_ai": _copy("fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "perplexity": _copy("perplexity", "https://api.perplexity.ai", "PERPLEXITYAI_API_KEY"),
    "cerebras": _copy("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "deepinfra": _copy("deepinfra", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    "nvidia_nim": _copy("nvidia", "https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
    "sambanova": _copy("sambanova", "https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
    "moonshot": _copy("moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    "ollama": _copy("ollama", "http://localhost:11434/v1", suffix="/v1"),
    "ollama_chat": _copy("ollama", "http://localhost:11434/v1", suffix="/v1"),
    **{
        name: _copy(name.replace("_", "-"), None)
        for name in (
            *("hosted_vllm", "vllm", "lm_studio", "llamafile", "openai_like", "custom_openai", "litellm_proxy"),
            *("databricks", "snowflake", "docker_model_runner", "lemonade", "llama_server", "xinference"),
        )
    },
}

_MADE_BY: Final = (
    ("claude-", "anthropic"),
    ("gemini-", "vertex_ai"),
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("text-embedding-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("mistral-", "mistral"),
    ("grok-", "xai"),
    ("deepseek-", "deepseek"),
)
"""Whose a model is that is named without its provider, by the beginning of its name, as LiteLLM's table has it."""

_ROUTES: Final = ("responses/", "converse/", "chat/", "converse_like/")
"""Words between provider and model that choose one of the provider's APIs; junctor chooses for itself."""


def split(model: str, provider: str | None) -> tuple[str | None, str]:
    """LiteLLM's name of the provider, None if nobody can tell, and the model's name there."""
    first, slash, rest = model.partition("/")
    if provider is not None:
        name = rest if slash and first == provider else model
    elif slash and first in HOSTS:
        provider, name = first, rest
    elif slash:
        return first, rest
    else:
        provider, name = next((maker for start, maker in _MADE_BY if model.startswith(start)), None), model
    for route in _ROUTES if provider in ("openai", "azure", "bedrock", "ollama") else ():
        name = name.removeprefix(route)
    return provider, name
