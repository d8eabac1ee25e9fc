"""Who answers at an address that speaks OpenAI's dialect, and what that host does not take.

Dozens of hosts copy the API and each refuses something else. What matters is written down here as data, read from the
address; an unknown host is treated as vLLM and the like: the older `max_tokens`, no `developer` role, extra fields
welcome. Anything finer belongs into the deployment's `provider_options`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import msgspec


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """What one host takes.

    `official` hosts (OpenAI, Azure) want `max_completion_tokens`, know the `developer` role and refuse unknown fields.
    `azure` hosts have addresses and a key header of their own, see `address`.
    `alternatives` is how many likeliest tokens must be asked for to be told any log-probabilities.
    `media_in_results` hosts take pictures inside of a tool's result.
    `strict_turns` hosts take no user's message right after a tool's result.
    `reasoning_field` is the message field in which the host wants its own reasoning back, if it does;
    `encrypted_reasoning` hosts hand it out encrypted by their responses interface, whatever the model.
    """

    official: bool = False
    azure: bool = False
    top_k: bool = True
    metadata: bool = False
    stream_options: bool = True
    alternatives: int = 0
    media_in_results: bool = False
    strict_turns: bool = False
    reasoning_field: str | None = None
    encrypted_reasoning: bool = False


_OFFICIAL: Final = Host(official=True, top_k=False, metadata=True)
_AZURE: Final = Host(official=True, top_k=False, metadata=True, azure=True)
_REASONING_CONTENT: Final = Host(top_k=False, reasoning_field="reasoning_content")

_BY_DOMAIN: Final[dict[str, Host]] = {
    "openai.com": _OFFICIAL,
    "openai.azure.com": _AZURE,
    "cognitiveservices.azure.com": _AZURE,
    "services.ai.azure.com": _AZURE,
    "deepseek.com": _REASONING_CONTENT,
    "moonshot.ai": _REASONING_CONTENT,
    "moonshot.cn": _REASONING_CONTENT,
    "z.ai": _REASONING_CONTENT,
    "aliyuncs.com": Host(reasoning_field="reasoning_content"),
    "openrouter.ai": Host(metadata=True, reasoning_field="reasoning_details"),
    "snowflakecomputing.com": Host(reasoning_field="reasoning_details"),
    "groq.com": Host(top_k=False),
    "x.ai": Host(top_k=False, encrypted_reasoning=True),
    "cerebras.ai": Host(top_k=False),
    "mistral.ai": Host(top_k=False, stream_options=False, media_in_results=True, strict_turns=True),
}
_ANY: Final = Host(alternatives=1)  # llama-cpp-python and llama.cpp's own server tell nothing for none


@lru_cache(maxsize=1024)
def host_of(base_url: str) -> Host:
    """The host behind `base_url`."""
    name = urlsplit(base_url).hostname or ""
    while name:
        if name in _BY_DOMAIN:
            return _BY_DOMAIN[name]
        name = name.partition(".")[2]
    return _ANY
