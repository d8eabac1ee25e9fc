"""Server-sent events out of a byte stream that may be cut anywhere.

The bytes are cut by networks, not by meaning: inside a line, between CR and LF, inside a UTF-8 character. So line ends
are first made equal (each byte once), then whole events are split off at the blank line with `bytes.split`; nothing
loops over bytes in Python, and an event that arrives in many pieces is joined once, when its end has come. Decoding
stays with the JSON parser, which refuses invalid UTF-8 anyway.

Rejected: a line iterator over decoded text (as the SDKs do): it costs several microseconds a line, and an incremental
UTF-8 decoder hides where the damage was. An event's size is bounded, so a provider that never ends a line cannot fill
the memory.
"""

from __future__ import annotations

from typing import Final

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024  # a base64 image of 10 MB fits; more than that is no chat event

_BOM: Final = b"\xef\xbb\xbf"


class BrokenFraming(ValueError):
    """The bytes of a stream cannot be split into events any further."""


class EventTooLong(BrokenFraming):
    """An event grew beyond the bound without ending."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"server-sent event exceeds {limit} bytes without ending")
        self.limit = limit


class SseDecoder:
    """Incremental decoder of `text/event-stream`. `max_event_bytes` bounds one event, default 16 MiB."""

    __slots__ = ("_head", "_limit", "_pieces", "_size", "_skip_lf")

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._limit = max_event_bytes
        self._pieces: list[bytes] = []  # the unfinished event, line ends already LF
        self._size = 0
        self._skip_lf = False  # the last byte was CR: a LF that follows belongs to it
        self._head: bytes | None = b""  # the first bytes, until it is clear whether they are a byte order mark

    def feed(self, chunk: bytes) -> list[tuple[bytes, bytes]]:
        """The events completed by `chunk`, as (event name or b"", data).

        Raises `EventTooLong` when one event exceeds the bound; the decoder is of no further use then.
        """
        if self._is_one_plain_event(chunk):
            self._head = None
            return [(b"", chunk[6:-2])]
        return _events(self.blocks(chunk))

    def blocks(self, chunk: bytes) -> list[bytes]:
        """The events completed by `chunk` as they were sent: their lines, ends made equal, without the blank one.

        Comments are among them, and empty blocks are not. Raises `EventTooLong` as `feed` does.
        """
        if self._head is not None:
            chunk = self._after_bom(chunk)
        if self._skip_lf and chunk:
            self._skip_lf = False
            if chunk[0] == 10:
                chunk = chunk[1:]
        if not chunk:
            return []
        if 13 in chunk:  # an integer: `bytes in bytes` is five times slower
            self._skip_lf = chunk[-1] == 13
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return self._split(chunk)

    def _is_one_plain_event(self, chunk: bytes) -> bool:
        """Whether `chunk` is one whole event of one line, as providers write them and networks mostly deliver them."""
        return (
            chunk.startswith(b"data: ")
            and chunk.find(b"\n") == len(chunk) - 2
            and chunk[-1] == 10
            and 13 not in chunk
            and not (self._pieces or self._skip_lf or self._head)
            and len(chunk) <= self._limit
        )

    def rest(self) -> bytes:
        """The bytes of the event that has not ended, line ends normalised."""
        return (self._head or b"") + b"".join(self._pieces)

    def _after_bom(self, chunk: bytes) -> bytes:
        head = (self._head or b"") + chunk
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head[len(_BOM) :] if head.startswith(_BOM) else head

    def _split(self, chunk: bytes) -> list[bytes]:
        pieces = self._pieces
        if chunk.find(b"\n\n") < 0 and not (pieces and chunk[0] == 10 and pieces[-1][-1] == 10):
            pieces.append(chunk)
            self._size += len(chunk)
            if self._size > self._limit:
                raise EventTooLong(self._limit)
            return []
        if pieces:
            pieces.append(chunk)
            chunk = b"".join(pieces)
        blocks = chunk.split(b"\n\n")
        last = blocks.pop()
        self._pieces = [last] if last else []
        self._size = len(last)
        if len(chunk) > self._limit and max(map(len, blocks)) > self._limit:
            raise EventTooLong(self._limit)
        return [block for block in blocks if block]


def _events(blocks: list[bytes]) -> list[tuple[bytes, bytes]]:
    found = []
    for block in blocks:
        if block.startswith(b"data: ") and 10 not in block:  # what nearly every event looks like
            found.append((b"", block[6:]))
        elif (event := parse_block(block)) is not None:
            found.append(event)
    return found


def parse_block(block: bytes) -> tuple[bytes, bytes] | None:
    """(event name, data) of one event's lines; None if it carries no data (comments, retry, id)."""
    name = b""
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return (name, b"\n".join(data)) if data else None
