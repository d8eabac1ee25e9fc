"""The gateway: a fleet behind the APIs that people already speak, as an ASGI application.

```python
app = junctor.gateway.app("fleet.yaml")         # granian, uvicorn, or mounted in Starlette or FastAPI
```

The application is raw ASGI with one small table of routes. A framework was measured and rejected: its routing
and its request and response objects cost more CPU per request than the fleet's whole decision, and nothing of theirs is
needed where every body goes through as bytes (docs/decisions/027). Dialects are the doors' (`junctor.doors`), decisions
the router's; what is left here is who may come in (`keys`, `limits`), how bytes come in and go out within bounds
(`intake`, `delivery`, `interruption`), and how it all starts, reloads and ends (`application`, `serve`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from junctor.client import Callback
    from junctor.config import Config
    from junctor.gateway.access import Tell
    from junctor.gateway.application import Gateway
    from junctor.observe import Observer
    from junctor.transport.base import Transport

__all__ = ["app"]


def app(
    config: str | PathLike[str] | Config,
    *,
    transport: Transport | None = None,
    on_receipt: Callback | None = None,
    observers: Sequence[Observer] = (),
    access: Tell | None = None,
) -> Gateway:
    """The ASGI application for the fleet file at `config`, or for a `Config`.

    The file must have a section `gateway:`. It is read now, and secrets, sockets and shared state are opened at the
    start of the server (lifespan) or at the first request, so the application may be made before a fork. A host that
    mounts it and runs no lifespan for it calls `await app.aclose()` when it ends. `transport`, `on_receipt` and
    `observers` are those of `Client`; `access` is told about every request when it has ended.

    Raises `ConfigError` naming everything that is wrong with the file.
    """
    from junctor.gateway.application import Gateway

    return Gateway(config, transport=transport, on_receipt=on_receipt, observers=observers, access=access)


def __getattr__(name: str) -> Any:
    if name == "Gateway":
        from junctor.gateway.application import Gateway

        return Gateway
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
