"""Connections that wait for their next request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from junctor.transport.connection import Connection

Key = tuple[str, int, bool]
"""Host, port and whether it speaks TLS: connections with the same key may stand in for each other."""


class Pool:
    """The kept connections of one event loop: at most `max_idle` per host, each for `idle_timeout_s`.

    Only the loop's own thread touches it.
    """

    __slots__ = ("_idle", "_idle_timeout_s", "_max_idle", "_open", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, *, idle_timeout_s: float, max_idle: int) -> None:
        self.loop = loop
        self._idle_timeout_s = idle_timeout_s
        self._max_idle = max_idle
        self._idle: dict[Key, list[Connection]] = {}
        self._open = True

    def take(self, key: Key, now: float) -> Connection | None:
        """A connection to this host that can be trusted, or None."""
        connections = self._idle.get(key)
        while connections:
            connection = connections.pop()
            if connection.alive and now - connection.idle_since <= self._idle_timeout_s:
                return connection
            connection.abort()
        return None

    def put_back(self, connection: Connection) -> None:
        """The connection's exchange is over: keep it if it is fit for another one."""
        if not connection.alive or not connection.parser.reusable or not self._open:
            connection.abort()
            return
        # The last one back is the first one out, so what lies at the front was not needed for the longest time.
        connections = self._idle.setdefault(connection.key, [])
        if len(connections) >= self._max_idle:
            connection.abort()
            return
        now = connection.idle_since = self.loop.time()
        while connections and now - connections[0].idle_since > self._idle_timeout_s:
            connections.pop(0).abort()
        connections.append(connection)

    def close(self) -> None:
        """Close what waits, and each of the others when its exchange ends."""
        self._open = False
        for connections in self._idle.values():
            for connection in connections:
                connection.abort()
        self._idle.clear()
