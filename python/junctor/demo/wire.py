"""What really left this process: a transport that looks at the bytes on their way out.

Receipts and router agree with each other even when both are wrong. This stands below the client, sees the address and
the body of every attempt, and so can say whether a prompt that may not leave the EU was ever sent anywhere else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from junctor.demo.traffic import EU_MARK
from junctor.request import HttpRequest
from junctor.transport.base import Response, StreamedResponse, Transport


class WireWatch:
    """Passes everything on and counts.

    `sent` counts attempts per region, `outside` those whose prompt was not allowed there. `regions` maps the host and
    port of an address to its region.
    """

    def __init__(self, transport: Transport, regions: Mapping[str, str]) -> None:
        self._transport = transport
        self._regions = regions
        self.sent: Counter[str] = Counter()
        self.outside = 0

    async def send(self, request: HttpRequest, *, timeout_s: float) -> Response:
        """See `Transport.send`."""
        self._look(request)
        return await self._transport.send(request, timeout_s=timeout_s)

    def stream(self, request: HttpRequest, *, timeout_s: float) -> AbstractAsyncContextManager[StreamedResponse]:
        """See `Transport.stream`."""
        self._look(request)
        return self._transport.stream(request, timeout_s=timeout_s)

    async def close(self) -> None:
        """See `Transport.close`."""
        await self._transport.close()

    def _look(self, request: HttpRequest) -> None:
        region = self._regions[request.url.split("/", 3)[2]]
        self.sent[region] += 1
        if region != "eu" and EU_MARK in request.body:
            self.outside += 1
