"""The body of a streamed answer, piece by piece, for callers with and without an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from junctor.bridge import Line
    from junctor.doors import Stream
    from junctor.dropin.libraries import Library
    from junctor.dropin.transport import DropIn


class Pieces:
    """The pieces of one answer, each of which must come within `read_s` seconds of being asked for.

    It holds its transport: one that is forgotten is closed, and with an answer in hand it is not forgotten.
    """

    __slots__ = ("_library", "_owner", "_read_s", "_stream")

    def __init__(self, stream: Stream, library: Library, read_s: float | None, owner: DropIn) -> None:
        self._stream = stream
        self._library = library
        self._read_s = read_s
        self._owner = owner

    async def next(self) -> bytes | None:
        """The next piece, or None after the last one. Raises the library's `ReadTimeout`."""
        try:
            async with asyncio.timeout(self._read_s):
                return await anext(self._stream, None)
        except TimeoutError:
            raise self._library.late(self._read_s) from None

    async def aclose(self) -> None:
        """Leave: what is still running is cancelled and settled."""
        await self._stream.aclose()

    def cut(self) -> Exception:
        """The error of a reader whose event loop is gone."""
        return self._library.cut()


class AsyncBody:
    """What `AsyncClient` reads. `libraries` adds the library's own base class."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = self._pieces
        while (piece := await pieces.next()) is not None:
            yield piece

    async def aclose(self) -> None:
        """Called by the library at the end, and when the answer is left early."""
        await self._pieces.aclose()


class SyncBody:
    """What `Client` reads: each piece is fetched over the line on which the answer began."""

    def __init__(self, pieces: Pieces, line: Line) -> None:
        self._pieces = pieces
        self._line = line

    def __iter__(self) -> Iterator[bytes]:
        pieces, line = self._pieces, self._line
        while (piece := line.run(pieces.next(), pieces.cut)) is not None:
            yield piece

    def close(self) -> None:
        """Called by the library at the end, and when the answer is left early. Returns when all is settled."""
        self._line.finish(self._pieces.aclose())
