"""A request's body as it comes: bounded in size and in time, whatever its headers promise."""

from __future__ import annotations

from collections.abc import Mapping

from junctor.gateway.interruption import Interruption, Receive


class TooBig(Exception):
    """The body is larger than it may be, or says that it is."""


class Gone(Exception):
    """The client left before its body was there."""


async def read_body(
    receive: Receive, headers: Mapping[str, str], interruption: Interruption, *, room: int, within_s: float
) -> bytes:
    """The whole body.

    A body that announces more than `room` bytes is refused before it is read, one that sends more than it announced or
    none as soon as it does. `interruption` interrupts what takes longer than `within_s`. Raises `TooBig` and `Gone`.
    """
    told = headers.get("content-length", "")
    promised = int(told) if told.isascii() and told.isdigit() and len(told) < 20 else None
    if promised is not None and promised > room:
        raise TooBig
    interruption.expire(within_s, "slow")
    pieces: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        piece = message.get("body", b"")
        length += len(piece)
        if length > room:
            raise TooBig
        pieces.append(piece)
        # With the promised length at hand the server has no more, and asking it once more would cost a turn.
        if not message.get("more_body", False) or length == promised:
            break
    interruption.relax()
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
