"""The drop-in: the doors as an HTTP transport under clients on httpx and on httpx2, the official SDKs among them.

```python
transport = junctor.httpx_transport("fleet.yaml")
llm = openai.AsyncOpenAI(api_key="unused", http_client=httpx2.AsyncClient(transport=transport))
```

A program that speaks an official SDK has its requests in that SDK's dialect already. A gateway would take them over a
socket to another process; here they go in by the same doors without leaving the process, and the program's own code
stays as it is. `transport` says what the seam promises, `libraries` how one object serves two libraries, `bridge` how
callers without an event loop reach an engine that needs one (docs/decisions/031).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from junctor.client import Client
from junctor.dropin.transport import DropIn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from junctor.client import Callback
    from junctor.observe import Observer

__all__ = ["DropIn", "httpx_transport"]


def httpx_transport(
    source: str | PathLike[str] | Client,
    *,
    on_receipt: Callback | None = None,
    observers: Sequence[Observer] = (),
) -> DropIn:
    """A transport for `httpx.Client`, `httpx.AsyncClient` and those of httpx2: what they ask goes to a fleet.

    `source` is the path of a fleet file, read now, or a `Client`, for example one that `Client.over_keys` made. With a
    path, `on_receipt` and `observers` are those of `Client`, and everything is closed with the transport; a client that
    is handed in stays its owner's to close, and has its own.

    The host in a request's URL and the keys in its headers mean nothing here and go nowhere. What stands in `model` is
    a group, a model or a deployment of the fleet, or `auto`. One transport serves any number of HTTP clients, of both
    libraries, async and sync, in any number of threads and event loops. It may be made before a fork.

    Raises `ConfigError` naming everything that is wrong with the file.
    """
    if isinstance(source, Client):
        if on_receipt is not None or observers:
            raise TypeError("on_receipt and observers belong to the client that was handed in; give them to it")
        return DropIn(source)
    return DropIn(Client.open(source, on_receipt=on_receipt, observers=observers), owned=True)
