"""Playing out an answer: when it counts as given."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from junctor.testing.app import Framing, Headers
from junctor.testing.playback import Play, play_out


class Leaving:
    """A client that leaves as soon as it has the last piece, as one does that has seen a stream's terminal event."""

    def __init__(self, whole: bytes) -> None:
        self.whole = whole
        self.given = b""
        self.ended = False

    def send(self, status: int, headers: Headers, body: bytes) -> None:
        raise AssertionError(f"{status} with {headers} and {body!r} at once, not in pieces")

    def begin(self, status: int, headers: Headers, *, framing: Framing = "chunked", length: int | None = None) -> None:
        pass

    def write(self, piece: bytes) -> None:
        self.given += piece

    def write_all(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.write(piece)

    async def flush(self) -> None:
        if self.given == self.whole:
            raise asyncio.CancelledError

    def end(self) -> None:
        self.ended = True

    def close(self) -> None:
        pass

    def reset(self) -> None:
        pass


def test_a_client_that_leaves_with_the_last_piece_was_given_everything() -> None:
    """Otherwise a busy machine counts an answer as cut off that its caller has whole."""
    client = Leaving(b"abc")
    asyncio.run(play_out(client, Play(200, (), [b"a", b"b", b"c"])))
    assert client.ended
