"""How one object serves two libraries: httpx and httpx2 are the same seam with different classes.

Both ask a transport by duck typing, and both insist that an answer's stream is of their own stream class. So nothing of
ours inherits from theirs: the library is told by the request that it makes, and answers and errors are made of that
library's classes. A program that uses one of them never imports the other, and ours is imported without either.

Rejected: a transport class for each library, which the caller would have to choose to fit the SDK's version.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from junctor.dropin.bodies import AsyncBody, SyncBody

if TYPE_CHECKING:
    from junctor.bridge import Line
    from junctor.doors import Answer
    from junctor.dropin.bodies import Pieces

KNOWN: Final = ("httpx", "httpx2")


class Library:
    """The classes of one of the two libraries that answers are made of."""

    def __init__(self, name: str) -> None:
        module: Any = sys.modules[name]
        self._response: Any = module.Response
        self._bytes: Any = module.ByteStream
        self._async_body: Any = type("AsyncBody", (AsyncBody, module.AsyncByteStream), {})
        self._sync_body: Any = type("SyncBody", (SyncBody, module.SyncByteStream), {})
        self._late: Any = module.ReadTimeout
        self._cut: Any = module.ReadError

    def late(self, read_s: float | None) -> Exception:
        """The caller's own read timeout has passed."""
        error: Exception = self._late(f"no answer within the read timeout of {read_s:g} s")
        return error

    def cut(self) -> Exception:
        """The transport was closed, or the process forked, under an answer."""
        error: Exception = self._cut("the transport was closed while this answer was under way")
        return error

    def whole(self, answer: Answer, body: bytes) -> Any:
        """The response whose body is at hand."""
        headers = {**answer.headers, "content-length": str(len(body))}
        return self._response(answer.status, headers=headers, stream=self._bytes(body))

    def streamed(self, answer: Answer, pieces: Pieces, line: Line | None) -> Any:
        """The response whose body is still to come; over a line for who has no event loop."""
        body = self._async_body(pieces) if line is None else self._sync_body(pieces, line)
        return self._response(answer.status, headers=answer.headers, stream=body)


def library_of(request: object) -> Library:
    """The library that made this request. Raises `TypeError` for a request of neither."""
    for kind in type(request).__mro__:
        name = kind.__module__.partition(".")[0]
        if name in KNOWN:
            return _library(name)
    raise TypeError(f"a {type(request).__qualname__} is no request of {' or of '.join(KNOWN)}")


@cache
def _library(name: str) -> Library:
    return Library(name)
