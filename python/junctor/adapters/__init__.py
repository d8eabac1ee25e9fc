"""Provider dialects: a canonical request into HTTP bytes, HTTP bytes into a canonical reply or failure.

`get(name)` gives the adapter for a dialect, `names()` lists them, `needs(request)` says what a request needs of a
deployment. Adapters are pure and hold no state, so one instance serves every thread. A dialect is imported when it is
first asked for: most programs speak one or two.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Final

from junctor.adapters.contract import Adapter, StreamReader
from junctor.adapters.needs import needs
from junctor.exceptions import ConfigError

__all__ = ["Adapter", "StreamReader", "get", "names", "needs"]

_ADAPTERS: Final = ("openai", "openai-responses", "anthropic", "gemini", "bedrock", "mistral")
"""Each is a package here (with `_` for `-`) that calls its adapter `DIALECT`."""


@cache
def get(name: str) -> Adapter:
    """The adapter called `name`. Raises `ConfigError`, naming the nearest one, if there is none."""
    if name not in _ADAPTERS:
        from difflib import get_close_matches  # only a typo needs it

        near = get_close_matches(name, _ADAPTERS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"adapter: {name!r} is not one of {', '.join(_ADAPTERS)}{hint}")
    adapter: Adapter = import_module(f"{__name__}.{name.replace('-', '_')}").DIALECT
    return adapter


def names() -> tuple[str, ...]:
    """The names of all adapters."""
    return _ADAPTERS
