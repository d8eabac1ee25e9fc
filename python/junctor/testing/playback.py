"""Playing an answer out over time: pieces, pauses, and how it ends.

Both the simulated provider and the replay server come down to this. Pauses are counted against a schedule, not slept
one by one: a loop that wakes late catches up, and pauses far below a millisecond are joined, so that a scaled-down
latency model keeps its total.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from junctor.testing.app import Answer, Framing, Headers

Ending = Literal["end", "close", "reset", "stall"]

MIN_PAUSE_S: Final = 0.001  # event loops sleep no shorter; below it pieces go out together


class Play(NamedTuple):
    """One answer: `pieces` of the body, the first one after `first_s` seconds, the others `gap_s` apart.

    `delays_s`, where given, replaces both: the pause before each piece, the last one repeated. `ending`: `end`
    properly, `close` or `reset` the connection, or `stall` until the client leaves. `silent`: end that way before
    anything was sent, headers included. `length` is the promised Content-Length when `framing` is `length`.
    """

    status: int
    headers: Headers
    pieces: Sequence[bytes]
    first_s: float = 0.0
    gap_s: float = 0.0
    ending: Ending = "end"
    framing: Framing = "chunked"
    length: int | None = None
    delays_s: Sequence[float] = ()
    silent: bool = False

    @property
    def waits(self) -> bool:
        """Whether playing it takes time; if not, `play_now` will do."""
        return self.first_s > 0 or self.gap_s > 0 or self.ending == "stall" or any(self.delays_s)

    def delay_s(self, index: int) -> float:
        """The pause before piece `index`."""
        if self.delays_s:
            return self.delays_s[min(index, len(self.delays_s) - 1)]
        return self.gap_s if index else self.first_s


def play_now(answer: Answer, play: Play) -> None:
    """Write everything at once."""
    if not play.silent:
        answer.begin(play.status, play.headers, framing=play.framing, length=play.length)
        answer.write_all(play.pieces)
    _finish(answer, play.ending)


async def play_out(answer: Answer, play: Play) -> None:
    """Write the pieces when they are due. Headers go out together with the first piece.

    With `stall` this only ends by cancellation, when the client leaves.
    """
    loop = asyncio.get_running_loop()
    due_s = loop.time() + play.delay_s(0)
    await _until(loop, due_s)
    if not play.silent:
        answer.begin(play.status, play.headers, framing=play.framing, length=play.length)
    pieces = () if play.silent else play.pieces
    for index, piece in enumerate(pieces, start=1):
        if index > 1:
            due_s += play.delay_s(index - 1)
            await _until(loop, due_s)
        answer.write(piece)
        if index < len(pieces):
            await answer.flush()
    # No wait after the last piece: a client that leaves as soon as it has everything was given everything.
    if play.ending == "stall":
        await loop.create_future()
    _finish(answer, play.ending)


async def _until(loop: asyncio.AbstractEventLoop, due_s: float) -> None:
    ahead_s = due_s - loop.time()
    if ahead_s >= MIN_PAUSE_S:
        await asyncio.sleep(ahead_s)


def _finish(answer: Answer, ending: Ending) -> None:
    if ending == "end":
        answer.end()
    elif ending == "reset":
        answer.reset()
    else:
        answer.close()
