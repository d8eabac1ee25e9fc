"""Transports: they move bytes and know no provider.

| transport | for |
|---|---|
| `direct.DirectTransport` | the default: asyncio's own sockets, HTTP/1.1 |
| `pyreqwest.PyreqwestTransport` | proxies, HTTP/2, the platform's certificate store |
| `httpx.HttpxTransport` | a client that the program already has |
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from junctor.transport.base import Transport

PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def default_transport() -> Transport:
    """The transport of a client that was given none: direct, unless the environment names a proxy."""
    if any(os.environ.get(name) for name in PROXY_VARIABLES):
        from junctor.transport.pyreqwest import PyreqwestTransport

        return PyreqwestTransport()
    from junctor.transport.direct import DirectTransport

    return DirectTransport()
