"""Gemini's other stream form: one JSON array, element by element, sent when `alt=sse` is missing.

A proxy that drops the query gets this form instead of server-sent events. Elements are cut out by matching braces;
a regular expression walks strings and braces, so nothing loops over bytes in Python.
"""

from __future__ import annotations

import re
from typing import Final

from junctor.adapters.sse import MAX_EVENT_BYTES, EventTooLong

_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["{}]', re.DOTALL)


class JsonArrayDecoder:
    """Incremental splitter of a top-level array of objects."""

    __slots__ = ("_buffer", "_depth", "_limit", "_position", "_start")

    def __init__(self, *, max_element_bytes: int = MAX_EVENT_BYTES) -> None:
        self._buffer = bytearray()
        self._position = 0  # everything before it is understood
        self._depth = 0
        self._start = 0
        self._limit = max_element_bytes

    def feed(self, chunk: bytes) -> list[bytes]:
        """The elements completed by `chunk`. Raises `EventTooLong` when one exceeds the bound."""
        self._buffer += chunk
        found: list[bytes] = []
        if b"}" in chunk:
            self._scan(found)
        if len(self._buffer) > self._limit:
            raise EventTooLong(self._limit)
        return found

    def rest(self) -> bytes:
        """The bytes of the element that has not ended."""
        return bytes(self._buffer)

    def _scan(self, found: list[bytes]) -> None:
        done = 0
        for token in _TOKEN.finditer(self._buffer, self._position):
            word = token[0]
            if word == b'"':  # a string that has not ended
                break
            self._position = token.end()
            if word == b"{":
                if self._depth == 0:
                    self._start = token.start()
                self._depth += 1
            elif word == b"}" and self._depth > 0:
                self._depth -= 1
                if self._depth == 0:
                    done = token.end()
                    found.append(bytes(self._buffer[self._start : done]))
        if done:
            del self._buffer[:done]
            self._position -= done
            self._start = max(self._start - done, 0)
