"""Messages out of an AWS event stream: binary, each with its lengths, its headers and two checksums.

The frame format is small and public (prelude, headers, payload, CRC-32 of the prelude and of the whole), and reading it
needs no client of AWS: botocore's reader is tied to its service models and its own HTTP responses, and would be the
only reason to install it for those who hold a bearer token. Tests compare the two on every recorded stream.

Lengths are checked before anything is kept: no frame can be larger than the protocol allows, so a broken length cannot
fill the memory. A checksum that is wrong ends the stream: after it no byte's meaning is certain. Whole frames are
handed on before the broken one, so it does not matter how the bytes were cut.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

from junctor.adapters.sse import BrokenFraming

MAX_FRAME_BYTES: Final = 24 * 1024 * 1024  # the protocol's own bound
MAX_HEADER_BYTES: Final = 128 * 1024  # likewise

_PRELUDE: Final = Struct(">III")  # length of all, length of the headers, CRC of these two
_CRC: Final = Struct(">I")
_SHORT: Final = Struct(">H")
_FIXED: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # bytes of a value, by its type
_TEXT: Final = 7  # as 6, bytes, it has a length in front
_MAX_TYPE: Final = 9
_MIN_FRAME_BYTES: Final = _PRELUDE.size + _CRC.size


class Frame(NamedTuple):
    """One message: its headers that are text, by name, and its payload."""

    headers: dict[str, str]
    payload: bytes


class EventStreamDecoder:
    """Incremental decoder of `application/vnd.amazon.eventstream`."""

    __slots__ = ("_buffer", "_wanted")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._wanted = _PRELUDE.size  # nothing can be read before so many bytes are there

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """The frames that `chunk` completes. Raises `BrokenFraming` after those that were whole."""
        buffer = self._buffer
        buffer += chunk
        while len(buffer) >= self._wanted:
            size, header_size = self._prelude()
            if len(buffer) < size:
                self._wanted = size
                return
            frame = bytes(buffer[:size])
            del buffer[:size]
            self._wanted = _PRELUDE.size
            yield _frame(frame, header_size)

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished frame are held."""
        return len(self._buffer)

    def _prelude(self) -> tuple[int, int]:
        size, header_size, checksum = _PRELUDE.unpack_from(self._buffer)
        if crc32(self._buffer[:8]) != checksum:
            raise BrokenFraming("the checksum of an event stream frame's prelude is wrong")
        if not (_MIN_FRAME_BYTES + header_size <= size <= MAX_FRAME_BYTES) or header_size > MAX_HEADER_BYTES:
            raise BrokenFraming(f"an event stream frame of {size} bytes with {header_size} bytes of headers")
        return size, header_size


def _frame(frame: bytes, header_size: int) -> Frame:
    if crc32(frame[: -_CRC.size]) != _CRC.unpack_from(frame, len(frame) - _CRC.size)[0]:
        raise BrokenFraming("the checksum of an event stream frame is wrong")
    end = _PRELUDE.size + header_size
    return Frame(_headers(frame[_PRELUDE.size : end]), frame[end : -_CRC.size])


def _headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    place = 0
    try:
        while place < len(block):
            after = place + 1 + block[place]
            name, kind = block[place + 1 : after].decode(), block[after]
            place = after + 1
            size = _FIXED.get(kind)
            if size is None:
                (size,) = _SHORT.unpack_from(block, place)
                place += _SHORT.size
            if kind == _TEXT:
                headers[name] = block[place : place + size].decode()
            elif kind > _MAX_TYPE:
                raise BrokenFraming(f"an event stream header of the unknown type {kind}")
            place += size
    except (IndexError, UnicodeDecodeError, struct.error):
        place = -1
    if place != len(block):
        raise BrokenFraming("an event stream frame with unreadable headers")
    return headers
