"""Playing out an answer: when it counts as given."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from junctor.testing.app import Framing, Headers
from junctor.testing.playback import Play, play_out


class Leaving:
    """A client that leaves as soon as it has the last piece, as one does that has seen a stream's terminal event."""

    def __init__(self, pieces: int) -> None:
        self.missing = pieces
        self.ended = False

    def send(self, status: int, headers: Headers, body: bytes) -> None:
        raise AssertionError("played out in pieces")

    def begin(self, status: int, headers: Headers, *, framing: Framing = "chunked", length: int | None = None) -> None:
        pass

    def write(self, piece: bytes) -> None:
        self.missing -= 1

    def write_all(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.write(piece)

    async def flush(self) -> None:
        if not self.missing:
            raise asyncio.CancelledError

    def end(self) -> None:
        self.ended = True

    def close(self) -> None:
        pass

    def reset(self) -> None:
        pass


def test_a_client_that_leaves_with_the_last_piece_was_given_everything() -> None:
    """Otherwise a busy machine counts an answer as cut off that its caller has whole."""
    client = Leaving(3)
    asyncio.run(play_out(client, Play(200, (), [b"a", b"b", b"c"])))
    assert client.ended
