"""One line per request: who asked for what, what became of it, and nothing of what was said.

A line holds no body, no header, no query, no key and no path that was not one of the gateway's own. Lines are written
together, a few times a second, so that a busy gateway pays for a write now and then and not for each request; what
waits when a process is killed is lost, and that is a fifth of a second.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from typing import IO, Final

import msgspec

TOGETHER_S: Final = 0.2
"""How long a line may wait for others."""

MAX_WAITING: Final = 1_000
"""Lines after which they are written at once."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What the log says of one request.

    `at` is Unix time, `route` one of the gateway's own paths or `-`, `key` the key's name. `ended` is `ok`, or what
    interrupted it: `gone`, `slow`, `stuck`, `drained`, `error`. The fields after it are the answer's own headers, empty
    where no deployment was reached.
    """

    at: float
    key: str
    method: str
    route: str
    status: int
    ended: str
    bytes_in: int
    bytes_out: int
    ms: float
    request: str = ""
    model: str = ""
    deployment: str = ""
    attempts: str = ""
    cost_usd: str = ""


Tell = Callable[[Access], object]


class AccessLog:
    """Writes each request as a line of text, or of JSON, to `stream` (standard output)."""

    def __init__(self, *, json: bool = False, stream: IO[str] | None = None) -> None:
        self._line = _json if json else _text
        self._stream = stream
        self._waiting: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, access: Access) -> None:
        """Note one request. Called in the event loop."""
        self._waiting.append(self._line(access))
        if len(self._waiting) >= MAX_WAITING:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TOGETHER_S, self.flush)

    def flush(self) -> None:
        """Write what waits. A reader of the log that has gone is no failure of a request."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._waiting = self._waiting, []
        if lines:
            stream = self._stream or sys.stdout
            try:
                stream.write("\n".join(lines) + "\n")
                stream.flush()
            except (OSError, ValueError):
                pass


@lru_cache(maxsize=2)
def _second(at: int) -> str:
    """A moment to the second; many lines share it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _json(access: Access) -> str:
    return msgspec.json.encode(access).decode()


def _text(access: Access) -> str:
    at = _second(int(access.at))
    where = f" {access.model} by {access.deployment} in {access.attempts}" if access.deployment else ""
    cost = f" ${access.cost_usd}" if access.cost_usd else ""
    ended = "" if access.ended == "ok" else f" {access.ended}"
    size = f"{access.bytes_in}/{access.bytes_out} bytes"
    asked = f"{access.key} {access.method} {access.route}"
    return f"{at} {access.status}{ended} {access.ms:.1f} ms {asked} {size}{where}{cost} {access.request}".rstrip()
