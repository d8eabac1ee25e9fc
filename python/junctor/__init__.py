"""junctor: send each request to the right language model, key and region, in about a microsecond.

```python
async with junctor.Client.open("fleet.yaml") as llm:
    reply = await llm.chat("auto", [{"role": "user", "content": "Hi"}])
```

Importing the package imports nothing else: each name is loaded when it is first used, so a program that only decides
(`Router`) never pays for HTTP, and one that only catches errors pays for neither.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from junctor import adapters as adapters
    from junctor._core import __version__ as __version__
    from junctor.client import Client as Client
    from junctor.dropin import httpx_transport as httpx_transport
    from junctor.exceptions import ConfigError as ConfigError
    from junctor.exceptions import DeadlineExceeded as DeadlineExceeded
    from junctor.exceptions import InvalidRequest as InvalidRequest
    from junctor.exceptions import JunctorError as JunctorError
    from junctor.exceptions import NoCapacity as NoCapacity
    from junctor.exceptions import ProviderError as ProviderError
    from junctor.exceptions import Refused as Refused
    from junctor.exceptions import StreamInterrupted as StreamInterrupted
    from junctor.receipts import Receipt as Receipt
    from junctor.reply import Reply as Reply
    from junctor.router import Router as Router

__all__ = [
    "Client",
    "ConfigError",
    "DeadlineExceeded",
    "InvalidRequest",
    "JunctorError",
    "NoCapacity",
    "ProviderError",
    "Receipt",
    "Refused",
    "Reply",
    "Router",
    "StreamInterrupted",
    "__version__",
    "adapters",
    "httpx_transport",
]

_ERRORS: Final = "junctor.exceptions"
_HOMES: Final = {
    "Client": "junctor.client",
    "ConfigError": _ERRORS,
    "DeadlineExceeded": _ERRORS,
    "InvalidRequest": _ERRORS,
    "JunctorError": _ERRORS,
    "NoCapacity": _ERRORS,
    "ProviderError": _ERRORS,
    "Receipt": "junctor.receipts",
    "Refused": _ERRORS,
    "Reply": "junctor.reply",
    "Router": "junctor.router",
    "StreamInterrupted": _ERRORS,
    "__version__": "junctor._core",
    "httpx_transport": "junctor.dropin",
}


def __getattr__(name: str) -> Any:
    if name == "adapters":
        return import_module("junctor.adapters")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'junctor' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(home), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
