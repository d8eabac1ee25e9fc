"""The lines of a script: what a scripted provider does with one request.

Each constructor makes one `Outcome`. Times are seconds, and tokens that are not given are counted from the texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

import msgspec

from junctor.testing.dialects import ErrorKind
from junctor.testing.speech import pieces_of


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a script; made by the functions of this module, which say what the fields mean."""

    does: Literal["speak", "fail", "raw", "hang", "raise"]
    pieces: tuple[str, ...] = ()
    tool: str | None = None
    arguments: str = "{}"
    input_tokens: int | None = None
    output_tokens: int | None = None
    usage: bool = True
    cut_after: int | None = None
    cut: Literal["connection", "clean"] = "connection"
    error_after: int | None = None
    error: ErrorKind = "overloaded"
    stall_after: int | None = None
    status: int = 200
    kind: ErrorKind | None = None
    message: str | None = None
    retry_after_s: float | None = None
    failure: Literal["connection", "timeout"] = "connection"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    after_s: float = 0.0
    gap_s: float = 0.0
    logprobs: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.does == "fail" and not 400 <= self.status <= 599:
            raise ValueError(f"status is {self.status}, a failure has 400 to 599; use ok() or raw()")
        for name, kind in (("kind", self.kind), ("error", self.error)):
            if kind is not None and kind not in get_args(ErrorKind):
                raise ValueError(f"{name} is {kind!r}, allowed are {', '.join(get_args(ErrorKind))}")
        breaks = [name for name in ("cut_after", "error_after", "stall_after") if getattr(self, name) is not None]
        if len(breaks) > 1:
            raise ValueError(f"{' and '.join(breaks)} are both given; a stream breaks in one way")
        for name in breaks:
            if not 0 <= getattr(self, name) <= len(self.pieces):
                raise ValueError(f"{name} is {getattr(self, name)}, allowed is 0 to {len(self.pieces)}, the pieces")


def ok(
    text: str = "fine", *, input_tokens: int | None = None, output_tokens: int | None = None, usage: bool = True,
    headers: Iterable[tuple[str, str]] = (), after_s: float = 0.0, logprobs: Iterable[float] = (),
) -> Outcome:  # fmt: skip
    """A whole answer, after `after_s` seconds; a streamed one when the request asks for a stream.

    Tokens that are not given are counted from the texts. `usage=False` reports none. `headers` are added. `logprobs`
    has one number per word, told by the dialects that have them when the request asks for them.
    """
    return Outcome(
        does="speak", pieces=pieces_of(text), input_tokens=input_tokens, output_tokens=output_tokens, usage=usage,
        headers=tuple(headers), after_s=after_s, logprobs=tuple(logprobs),
    )  # fmt: skip


def tool_call(name: str, arguments: Mapping[str, Any] | None = None, *, after_s: float = 0.0) -> Outcome:
    """An answer that calls a tool."""
    return Outcome(does="speak", tool=name, arguments=msgspec.json.encode(arguments or {}).decode(), after_s=after_s)


def stream(
    *pieces: str, cut_after: int | None = None, cut: Literal["connection", "clean"] = "connection",
    error_after: int | None = None, error: ErrorKind = "overloaded", stall_after: int | None = None,
    usage: bool = True, after_s: float = 0.0, gap_s: float = 0.0, logprobs: Iterable[float] = (),
) -> Outcome:  # fmt: skip
    """A stream of these pieces, `gap_s` seconds apart.

    It may break after a number of pieces: `cut_after` loses the connection (or, with `cut="clean"`, ends without the
    terminal marker), `error_after` sends the provider's error event, `stall_after` goes silent. 0 is before the first
    content.
    """
    return Outcome(
        does="speak", pieces=pieces, cut_after=cut_after, cut=cut, error_after=error_after, error=error,
        stall_after=stall_after, usage=usage, after_s=after_s, gap_s=gap_s, logprobs=tuple(logprobs),
    )  # fmt: skip


def fail(
    status: int, *, retry_after_s: float | None = None, kind: ErrorKind | None = None, message: str | None = None,
    headers: Iterable[tuple[str, str]] = (), after_s: float = 0.0,
) -> Outcome:  # fmt: skip
    """The provider's error answer with this status, and its own kind of hint when `retry_after_s` is given.

    `kind` chooses among errors of one status, such as `quota` for 429 or `context_length` for 400.
    """
    return Outcome(
        does="fail", status=status, retry_after_s=retry_after_s, kind=kind, message=message, headers=tuple(headers),
        after_s=after_s,
    )  # fmt: skip


def raw(status: int, body: bytes, *, headers: Iterable[tuple[str, str]] = (), after_s: float = 0.0) -> Outcome:
    """Exactly this answer, whatever was asked."""
    return Outcome(does="raw", status=status, body=body, headers=tuple(headers), after_s=after_s)


def hang() -> Outcome:
    """No answer, until the caller gives up."""
    return Outcome(does="hang")


def raise_connection(message: str = "connection refused", *, after_s: float = 0.0) -> Outcome:
    """The connection fails."""
    return Outcome(does="raise", failure="connection", message=message, after_s=after_s)


def raise_timeout(message: str = "timed out", *, after_s: float = 0.0) -> Outcome:
    """The transport gives up by itself."""
    return Outcome(does="raise", failure="timeout", message=message, after_s=after_s)
