"""Provider dialects: a canonical request into HTTP bytes, HTTP bytes into a canonical reply or failure.

`get(name)` gives the adapter for a dialect, `names()` lists them, `needs(request)` says what a request needs of a
deployment. Adapters are pure and hold no state, so one instance serves every thread.
"""

from __future__ import annotations

from typing import Final

from junctor.adapters.anthropic import AnthropicAdapter
from junctor.adapters.contract import Adapter, StreamReader
from junctor.adapters.gemini import GeminiAdapter
from junctor.adapters.needs import needs
from junctor.adapters.openai import OpenAIAdapter
from junctor.exceptions import ConfigError

__all__ = ["Adapter", "StreamReader", "get", "names", "needs"]

_ADAPTERS: Final[dict[str, Adapter]] = {
    adapter.name: adapter for adapter in (OpenAIAdapter(), AnthropicAdapter(), GeminiAdapter())
}


def get(name: str) -> Adapter:
    """The adapter called `name`. Raises `ConfigError`, naming the nearest one, if there is none."""
    adapter = _ADAPTERS.get(name)
    if adapter is None:
        from difflib import get_close_matches  # only a typo needs it

        near = get_close_matches(name, _ADAPTERS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"adapter: {name!r} is not one of {', '.join(_ADAPTERS)}{hint}")
    return adapter


def names() -> tuple[str, ...]:
    """The names of all adapters."""
    return tuple(_ADAPTERS)
