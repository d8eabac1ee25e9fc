"""HTTP/1.1 responses from bytes that arrive in any pieces. Pure: no sockets, no clock.

Only what a client of JSON and event-stream APIs meets is understood: a status line, headers, and a body framed by its
length, by chunks or by the end of the connection. Anything else is an error rather than a guess, because a misread
frame would hand one caller's bytes to another. Sizes are bounded by names below.
"""

from __future__ import annotations

import re
from typing import Final

MAX_HEAD_BYTES: Final = 65_536
"""Status line and headers together. Providers send one to four KiB."""

MAX_LINE_BYTES: Final = 4_096
"""A chunk's size line with its extensions, or a trailer."""

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [^\r\n]*)?")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r\n]*)?")
_BODILESS: Final = frozenset({204, 304})


class BadHttp(Exception):
    """The server's bytes are not an HTTP/1.1 response, or the connection ended inside one."""


class ResponseParser:
    """Parses one response.

    Feed it bytes; then `status` is 0 until the head is complete, `pieces` collects the body as it comes (take and clear
    them), `done` says that the response is whole and `reusable` that its connection may carry another.
    """

    __slots__ = ("_buffer", "_framing", "_left", "done", "headers", "pieces", "reusable", "status")

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.pieces: list[bytes] = []
        self.done = False
        self.reusable = True
        self._buffer = b""
        self._framing = "head"
        self._left = 0

    def feed(self, arrived: bytes) -> None:
        """More bytes. Raises `BadHttp`; the connection is then worth nothing."""
        if self.done:
            raise BadHttp("bytes came after the end of the response")
        self._buffer = self._buffer + arrived if self._buffer else arrived
        if self._framing == "head" and not self._head():
            return
        if self._framing == "length":
            self._by_length()
        elif self._framing == "close":
            self._take(len(self._buffer))
        else:
            self._by_chunks()

    def end(self) -> None:
        """The server closed the connection. Raises `BadHttp` if the response was not whole."""
        if self._framing == "close":
            self.done = True
        if not self.done:
            raise BadHttp("the connection ended inside the response" if self.status else "no response came")

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise BadHttp(f"the response's head is longer than {MAX_HEAD_BYTES} bytes")
            return False
        first, _, rest = self._buffer[:end].partition(b"\r\n")
        self._buffer = self._buffer[end + 4 :]
        line = _STATUS_LINE.fullmatch(first)
        if line is None:
            raise BadHttp("the first line is no HTTP/1.1 status line")
        status = int(line[2])
        if status < 200:  # an interim response such as 103: the real one follows
            return self._head()
        self.headers = _headers(rest)
        self.status = status
        self._frame(new=line[1] == b"1")
        return True

    def _frame(self, *, new: bool) -> None:
        """Decide how the body ends."""
        get = self.headers.get
        connection = get("connection", "").lower()
        self.reusable = "close" not in connection and (new or "keep-alive" in connection)
        coding, length = get("transfer-encoding"), get("content-length")
        if self.status in _BODILESS:
            self._framing, self._left = "length", 0
        elif coding is not None:
            if coding.lower() != "chunked":
                raise BadHttp("the transfer-encoding is not chunked")
            self._framing = "size"
            self.reusable = self.reusable and length is None
        elif length is not None:
            if not (length.isascii() and length.isdigit() and len(length) <= 15):
                raise BadHttp("the content-length is no number")
            self._framing, self._left = "length", int(length)
        else:
            self._framing = "close"
            self.reusable = False

    def _take(self, count: int) -> None:
        if count:
            self.pieces.append(self._buffer[:count])
            self._buffer = self._buffer[count:]

    def _by_length(self) -> None:
        count = min(self._left, len(self._buffer))
        self._left -= count
        self._take(count)
        if self._left == 0:
            self._finish()

    def _by_chunks(self) -> None:
        """Walk through the buffer by position: slicing it once per chunk would copy it once per chunk."""
        buffer, at = self._buffer, 0
        while not self.done:
            if self._framing == "chunk":
                count = min(self._left, len(buffer) - at)
                if count:
                    self.pieces.append(buffer[at : at + count])
                    at += count
                    self._left -= count
                if self._left:
                    break
                self._framing = "gap"
            line_end = buffer.find(b"\r\n", at)
            if line_end < 0:
                if len(buffer) - at > MAX_LINE_BYTES:
                    raise BadHttp(f"a line between chunks is longer than {MAX_LINE_BYTES} bytes")
                break
            self._line(buffer[at:line_end])
            at = line_end + 2
        self._buffer = buffer[at:]
        if self.done:
            self._finish()

    def _line(self, line: bytes) -> None:
        """One line between chunks: the end of a chunk, the size of the next, or a trailer."""
        if self._framing == "gap":
            if line:
                raise BadHttp("a chunk is longer than its size")
            self._framing = "size"
        elif self._framing == "size":
            size = _CHUNK_SIZE.fullmatch(line)
            if size is None:
                raise BadHttp("a chunk's size is no hexadecimal number")
            self._left = int(size[1], 16)
            self._framing = "chunk" if self._left else "trailer"
        elif not line:
            self.done = True

    def _finish(self) -> None:
        self.done = True
        if self._buffer:  # nobody asked for these bytes: never let them become the next caller's answer
            self.reusable = False


def _headers(lines: bytes) -> dict[str, str]:
    """Names in lower case. Values of a name that was sent twice are joined by a comma; lengths must agree."""
    headers: dict[str, str] = {}
    for line in lines.decode("latin-1").split("\r\n") if lines else ():
        name, colon, value = line.partition(":")
        if not colon or not name or name[-1] in " \t" or name[0] in " \t":
            raise BadHttp("a header line has no name")
        name, value = name.lower(), value.strip(" \t")
        if name in headers:
            if name != "content-length":
                value = f"{headers[name]}, {value}"
            elif headers[name] != value:
                raise BadHttp("two different content-lengths")
        headers[name] = value
    return headers
