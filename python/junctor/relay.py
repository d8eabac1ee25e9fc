"""The relay: an answer passed on as its provider wrote it, to a caller of the same dialect.

A reply in canonical form has words for what all providers share. A caller who speaks the provider's own API knows more:
citations, server tools, signatures, events of last week. So where both ends speak one dialect, the provider's bytes are
what the caller gets, while the reader still reads them for usage, limits and failures.

`RawReader` wraps a dialect's reader. Bytes are split at the ends of server-sent events and the reader is fed one block
at a time, so it is known which block says what: content goes out as `Raw`, an error block does not go out at all, and
everything from the block that says why the answer ends is kept until the stream has ended properly and its cost is
known. Failing over before the first content and never ending a cut stream cleanly thus hold as for any other stream
(`streaming`), which knows nothing of it but that a `Raw` may be content.

Rejected: passing the chunks as they come. A role chunk that went out cannot be taken back, and an end that went out
before it is settled carries no cost and cannot become an error. Cost: one split and one join per chunk, about a
microsecond per block beside the reading itself.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from junctor.adapters import StreamReader
from junctor.adapters.faults import malformed
from junctor.adapters.sse import EventTooLong, SseDecoder
from junctor.failures import Failure
from junctor.reply import Event, Finish, Reply, StreamError, Usage


class Raw(msgspec.Struct, frozen=True, tag="raw"):
    """Whole server-sent events as the provider wrote them. `content` is whether a caller can show any of it."""

    blocks: bytes
    content: bool


class RawReader:
    """A `StreamReader` whose events are the provider's own bytes."""

    __slots__ = ("_ending", "_failure", "_reader", "_sse")

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self._sse = SseDecoder()
        self._ending: list[bytes] = []
        self._failure: Failure | None = None

    @property
    def usage(self) -> Usage:
        return self._reader.usage

    @property
    def text(self) -> str:
        return self._reader.text

    @property
    def logprobs(self) -> Any:
        return self._reader.logprobs

    @property
    def output_chunks(self) -> int:
        return self._reader.output_chunks

    def feed(self, chunk: bytes) -> list[Event]:
        if self._failure is not None:
            return []
        try:
            blocks = self._sse.blocks(chunk)
        except EventTooLong as error:
            self._failure = malformed(str(error))
            return [StreamError(self._failure)]
        if not blocks:
            return []
        return self._read(blocks)

    def _read(self, blocks: list[bytes]) -> list[Event]:
        feed = self._reader.feed
        going: list[bytes] = []
        content = False
        after: list[Event] = []
        for block in blocks:
            block += b"\n\n"
            events = feed(block)
            if events:
                last = events[-1].__class__
                if last is StreamError:
                    self._failure = cast(StreamError, events[-1]).failure
                    after.append(events[-1])
                    break
                if last is Finish:
                    after.append(events[-1])
                    self._ending.append(block)
                    continue
                content = content or events[0].__class__ is not Finish
            (self._ending if self._ending else going).append(block)
        if going:
            # The events of a stream are a closed union for those who match on them, and no program ever sees this one:
            # only doors ask for it.
            after.insert(0, cast(Event, Raw(b"".join(going), content)))
        return after

    def close(self) -> Reply | Failure:
        if self._failure is not None:
            return self._failure
        rest = self._sse.rest()
        if rest.strip():
            self._reader.feed(rest)
        reply = self._reader.close()
        if isinstance(reply, Reply):
            if rest.strip():  # a terminal marker without the blank line after it
                self._ending.append(rest.rstrip(b"\n") + b"\n\n")
            keep(reply, tuple(self._ending))
        return reply


def keep(reply: Reply, raw: bytes | tuple[bytes, ...]) -> None:
    """Tie the provider's own bytes to a reply: a whole body, or the blocks that end a stream."""
    reply.__dict__["raw"] = raw


def kept_body(reply: Reply) -> bytes | None:
    """The provider's own body, if this reply is passed on as it came."""
    found = reply.__dict__.get("raw")
    return found if isinstance(found, bytes) else None


def kept_ending(reply: Reply) -> tuple[bytes, ...] | None:
    """The blocks that end the provider's own stream, if this reply is passed on as it came."""
    found = reply.__dict__.get("raw")
    return found if isinstance(found, tuple) else None
