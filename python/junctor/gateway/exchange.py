"""One HTTP request on its straight way: path, key, body, door, answer, access line."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from typing import TYPE_CHECKING, Any, Final

from junctor import doors
from junctor.doors.contract import Answer, Door, Incoming, Stamp
from junctor.exceptions import DeadlineExceeded
from junctor.gateway.access import Access
from junctor.gateway.delivery import Delivery
from junctor.gateway.intake import Gone, TooBig, read_body
from junctor.gateway.interruption import Interruption, Message, Reason, Receive, Send
from junctor.gateway.keys import SECRET_HEADERS, KeyRefused

if TYPE_CHECKING:
    from junctor.gateway.application import Gateway

LAST_WORDS_S: Final = 1.0
"""How long the last bytes of an interrupted answer may take: their reader may be the reason."""

log: Final = logging.getLogger("junctor.gateway")


class Exchange:
    """One request and its answer. Run it once, in the task that the server gave it."""

    __slots__ = (
        "_answered",
        "_began",
        "_bytes_in",
        "_delivery",
        "_door",
        "_gateway",
        "_headers",
        "_incoming",
        "_interruption",
        "_key",
        "_method",
        "_path",
        "_receive",
        "_scope",
    )

    def __init__(self, gateway: Gateway, scope: Message, receive: Receive, send: Send) -> None:
        self._began = time.perf_counter()
        self._gateway = gateway
        self._scope = scope
        self._receive = receive
        self._method: str = scope["method"]
        self._path = own_path(scope)
        self._headers: dict[str, str] = {}
        self._delivery = Delivery(send)
        self._interruption = Interruption()
        self._door: Door | None = None
        self._incoming: Incoming | None = None
        self._answered: Answer | None = None
        self._bytes_in = 0
        self._key = "-"

    async def run(self) -> None:
        """Answer, whatever comes. Only a cancellation that is the server's own is passed on."""
        interruption, gateway = self._interruption, self._gateway
        gateway.running.add(interruption)
        ended = "cancelled"
        try:
            ended = await self._run()
        finally:
            interruption.stop()
            gateway.left(interruption)
            if gateway.logs:
                gateway.tell(self._access(ended))

    async def _run(self) -> str:
        """How it ended."""
        try:
            self._headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in self._scope["headers"]}
            self._door = doors.find(self._method, self._path)
            await (self._view() if self._door is None else self._through(self._door))
            return "ok"
        except asyncio.CancelledError:
            why = self._interruption.ours()
            if why is None:
                raise
            await self._interrupted(why)
            return why
        except Gone:
            return "gone"
        except Exception as error:  # a fault of ours: its caller is told so, and the log where it was
            _report(error)
            if not self._delivery.began:
                await self._refuse(500, "an internal error; the gateway's log has more")
            return "error"

    async def _through(self, door: Door) -> None:
        """The way through a door: who asks, what is asked, and the answer as it comes."""
        gateway, headers, interruption = self._gateway, self._headers, self._interruption
        try:
            key = gateway.key(headers)
        except KeyRefused as refused:
            await self._refuse(401, str(refused), {"www-authenticate": "Bearer"})
            return
        self._key = key.name
        for name in SECRET_HEADERS:
            headers.pop(name, None)
        spec = gateway.spec
        try:
            body = await read_body(
                self._receive, headers, interruption, room=spec.max_body_bytes, within_s=spec.body_timeout_s
            )
        except TooBig:
            await self._refuse(
                413, f"the body is larger than the {spec.max_body_bytes:,} bytes that are allowed", CLOSE
            )
            return
        self._bytes_in = len(body)
        self._incoming = incoming = Incoming(self._method, self._path, headers, body)
        gateway.followers.add(interruption, self._receive)
        answer = await doors.answer(gateway.client, door, incoming, caller=gateway.caller(key))
        await self._deliver(answer)

    async def _view(self) -> None:
        """The gateway's own paths, and paths that lead nowhere."""
        views = self._gateway.views
        if not views.knows(self._path):
            if doors.find("POST", self._path) is not None:
                await self._refuse(405, f"{self._method} is not allowed here; use POST", {"allow": "POST"})
            else:
                await self._refuse(404, "there is no such path here; /openapi.json lists those that there are")
        elif self._method not in ("GET", "HEAD"):
            await self._refuse(405, f"{self._method} is not allowed here; use GET", {"allow": "GET, HEAD"})
        else:
            try:
                answer, self._key = await views.answer(self._path, self._headers)
            except KeyRefused as refused:
                await self._refuse(401, str(refused), {"www-authenticate": "Bearer"})
            else:
                await self._deliver(answer)

    async def _deliver(self, answer: Answer) -> None:
        self._answered = answer
        body = answer.body
        if isinstance(body, bytes):
            await self._delivery.whole(answer, b"" if self._method == "HEAD" else body, length=len(body))
        else:
            patience_s = self._gateway.spec.write_timeout_s
            await self._delivery.stream(answer, body, self._interruption, patience_s=patience_s)

    async def _refuse(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        dialect = doors.dialect_of(self._path, self._headers)
        await self._deliver(doors.turn_away(dialect, status, message, code=CODES[status], headers=headers))

    async def _interrupted(self, why: Reason) -> None:
        """Say what can still be said."""
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                if why == "slow":
                    await self._refuse(408, "the body did not come in time; send it faster, or ask for less", CLOSE)
                elif why == "drained" and not self._delivery.began:
                    await self._refuse(503, "the gateway is shutting down; ask again", {"retry-after": "1"})
                elif why == "drained":
                    await self._delivery.finish(self._last_words())
        except (TimeoutError, OSError):
            pass

    def _last_words(self) -> bytes:
        """What ends a stream in its dialect when the gateway ends before it."""
        if self._door is None or self._incoming is None:
            return b""
        stamp = Stamp("", int(time.time()), "")
        error = DeadlineExceeded("the gateway is shutting down and cut this stream; ask again")
        return self._door.writer(self._door.read(self._incoming), stamp).fail(error)

    def _access(self, ended: str) -> Access:
        answer, delivery = self._answered, self._delivery
        told: Any = {} if answer is None else answer.headers
        return Access(
            at=time.time(),
            key=self._key,
            method=self._method if self._method in METHODS else "-",
            route=self._route(),
            status=delivery.status,
            ended=ended,
            bytes_in=self._bytes_in,
            bytes_out=delivery.sent,
            ms=round((time.perf_counter() - self._began) * 1e3, 3),
            request=told.get("x-junctor-request-id", ""),
            model=told.get("x-junctor-model", ""),
            deployment=told.get("x-junctor-deployment", ""),
            attempts=told.get("x-junctor-attempts", ""),
            cost_usd=told.get("x-junctor-cost-usd", ""),
        )

    def _route(self) -> str:
        if self._door is not None:
            return f"/v1/{doors.ending_of(self._path)}"
        return self._gateway.views.route(self._path)


METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
CODES: Final = {
    401: "invalid_api_key",
    404: "unknown_url",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "request_too_large",
    500: "internal_error",
    503: "unavailable",
}
"""What OpenAI's dialect calls the errors of the gateway itself."""

CLOSE: Final = {"connection": "close"}
"""What is left of the body is not read, so the connection cannot be used again."""


def own_path(scope: Message) -> str:
    """The path below the place where the application is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("/", ""):
        return path[len(root) :] or "/"
    return path


def _report(error: Exception) -> None:
    """The place of a fault, without its message: nobody knows what that quotes."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    way = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    log.error("%s in %s", type(error).__name__, way)
