"""The seam: requests of an HTTP client in, by the doors, answers of that client's library out.

What is promised: whatever the fleet does is an answer in the caller's dialect, so an SDK raises its own exceptions.
Three things are raised: the library's `ReadTimeout` when the caller's own read timeout has passed, its `ReadError` when
the transport is closed under a request, and cancellation, which goes through and settles.

**Timeouts.** Of the four that the libraries know, `read` means something here. It bounds the whole call that is not
streamed, as its deadline, so that attempts are fitted into it and a deployment that hangs is learned of; and it bounds
the wait for each piece of a stream. The fleet's own deadline holds beside it.

**Retries.** SDKs ask again by themselves, after 408, 409, 429 and 5xx. Where the answer says when (a limit), asking
again then is right. Everything else was already tried elsewhere, within a budget that all calls share, so the answer
says `x-should-retry: false`, which both SDKs obey: three attempts that are each asked for three times are nine.

**Closing** lets go and is no end: connections are closed and the bridge's thread ends, and a later request begins anew.
One transport may serve several HTTP clients, and each of them closes it when it is closed itself.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Self

from junctor import doors
from junctor.attempts import MIN_ATTEMPT_S
from junctor.bridge import Bridge, Line
from junctor.dispatch import DEADLINE_SLACK_S
from junctor.doors import Answer, Incoming
from junctor.dropin.bodies import Pieces
from junctor.dropin.libraries import Library, library_of

if TYPE_CHECKING:
    import httpx
    import httpx2

    from junctor.client import Client

    class _Seams(httpx.BaseTransport, httpx.AsyncBaseTransport, httpx2.BaseTransport, httpx2.AsyncBaseTransport):
        """What type checkers see: a transport of both libraries. They ask for none of these bases when running."""

        def handle_request(self, request: Any) -> Any: ...
        async def handle_async_request(self, request: Any) -> Any: ...
        def __enter__(self) -> Self: ...
        async def __aenter__(self) -> Self: ...
        def __exit__(self, *_: Any) -> None: ...
        async def __aexit__(self, *_: Any) -> None: ...
        def close(self) -> None: ...
        async def aclose(self) -> None: ...

else:

    class _Seams:
        """Nothing: neither library is imported."""


SECRETS: Final = ("authorization", "x-api-key", "api-key", "cookie", "proxy-authorization")
"""Headers that stop here: what the SDK was given as a key is for nobody."""

GRACE_S: Final = 0.1
"""How much later than its deadline a call is cut off that this does not end: a stream has no deadline here."""

LEAST_S: Final = 0.001
"""A read timeout of nothing is a timeout all the same, and no request without sense."""

EARLY_S: Final = MIN_ATTEMPT_S + DEADLINE_SLACK_S
"""How long before its deadline a call may be given up: when no attempt fits into the rest, or by a timer's error."""


class DropIn(_Seams):
    """A transport for clients on httpx and on httpx2, async and sync. Make it by `junctor.httpx_transport`."""

    def __init__(self, client: Client, *, owned: bool = False) -> None:
        self.client = client
        self._owned = owned
        self._bridge = Bridge(client.leave_loop)
        # A transport that is forgotten, or still open when the interpreter ends, leaves no thread and no loop behind.
        weakref.finalize(self, Bridge.end, self._bridge)

    async def handle_async_request(self, request: Any) -> Any:
        """What `AsyncClient` calls: one request of its library, answered by a response of the same."""
        library = library_of(request)
        incoming = _incoming(request, await request.aread())
        return await self._response(library, incoming, _read_s(request), None)

    def handle_request(self, request: Any) -> Any:
        """What `Client` calls, in any thread: as `handle_async_request`, over the bridge."""
        library = library_of(request)
        incoming = _incoming(request, request.read())
        line = self._bridge.line()
        return line.run(self._response(library, incoming, _read_s(request), line), library.cut)

    async def _response(self, library: Library, incoming: Incoming, read_s: float | None, line: Line | None) -> Any:
        answer = await self._answer(library, incoming, read_s)
        body = answer.body
        if isinstance(body, bytes):
            return library.whole(answer, body)
        return library.streamed(answer, Pieces(body, library, read_s, self), line)

    async def _answer(self, library: Library, incoming: Incoming, read_s: float | None) -> Answer:
        door = doors.find(incoming.method, incoming.path)
        if door is None:
            return self._without_door(incoming)
        clock = asyncio.get_running_loop().time
        due = None if read_s is None else clock() + read_s
        try:
            async with asyncio.timeout_at(None if due is None else due + GRACE_S):
                answer = await doors.answer(self.client, door, incoming, within_s=read_s)
        except TimeoutError:
            raise library.late(read_s) from None
        if answer.status < 400:
            return answer
        if answer.status == TIMED_OUT and due is not None and clock() >= due - EARLY_S:
            raise library.late(read_s)
        return _told_when(answer)

    def _without_door(self, incoming: Incoming) -> Answer:
        dialect = doors.dialect_of(incoming.path, incoming.headers)
        asked = doors.models_path(incoming.method, incoming.path)
        if asked is not None:
            return doors.list_models(self.client, dialect, name=asked[0])
        message = (
            f"nothing here answers {incoming.method} {incoming.path[:200]}; what does is POST to a path that ends in "
            f"{', '.join(doors.ENDINGS)}, and GET of models: send anything else by a client without this transport"
        )
        return doors.turn_away(dialect, 404, message, code="unknown_url")

    def close(self) -> None:
        """Let go, in sync programs: cancel what runs on the bridge, close connections, and the client if it is ours.

        A later request begins anew. Twice is harmless.
        """
        try:
            if self._owned:
                self._bridge.line().finish(self.client.aclose())
        finally:
            self._bridge.end()

    async def aclose(self) -> None:
        """As `close`, inside an event loop."""
        if self._bridge.is_open:
            await asyncio.to_thread(self._bridge.end)
        if self._owned:
            await self.client.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<junctor.httpx_transport of {self.client!r}>"


TIMED_OUT: Final = 504


def _incoming(request: Any, body: bytes) -> Incoming:
    headers = dict(request.headers.items())
    for name in SECRETS:
        headers.pop(name, None)
    path = request.url.raw_path.partition(b"?")[0].decode("ascii")
    return Incoming(request.method, path, headers, body)


def _read_s(request: Any) -> float | None:
    """The caller's read timeout; None for one that never passes."""
    timeouts: Mapping[str, float | None] = request.extensions.get("timeout") or {}
    read_s = timeouts.get("read")
    return None if read_s is None else max(read_s, LEAST_S)


def _told_when(answer: Answer) -> Answer:
    """An error that says whether asking again can help: not, unless it says when."""
    headers = answer.headers
    if "retry-after" in headers or "x-should-retry" in headers:
        return answer
    return Answer(answer.status, {**headers, "x-should-retry": "false"}, answer.body)
