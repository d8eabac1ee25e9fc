"""Coroutines and streams for callers without a loop, over the bridge.

What runs there runs in its caller's context, which the loop takes over with each call: a span that is open here is the
parent of the call's. A stream is pulled: each item is asked for when its reader wants it, which costs some 0.1 ms of
CPU an item, and nothing runs ahead of a reader who may leave.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, Final, TypeVar

from junctor.bridge import Bridge
from junctor.exceptions import JunctorError

T = TypeVar("T")

_END: Final = object()


class Sync:
    """The bridge of one client. `farewell` closes what was opened on it."""

    def __init__(self, farewell: Callable[[], Awaitable[None]]) -> None:
        self._bridge = Bridge(farewell)
        weakref.finalize(self, Bridge.end, self._bridge)  # a model that nobody closed leaves no thread behind

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. Raises what it raises."""
        return self._bridge.line().run(work, _cut)

    def iterate(self, items: AsyncGenerator[T, None]) -> Iterator[T]:
        """The items, one by one. Leaving early closes their generator, and waits until that is done."""
        line = self._bridge.line()
        try:
            while (item := line.run(_next(items), _cut)) is not _END:
                yield item
        finally:
            line.finish(items.aclose())

    def end(self) -> None:
        """Cancel what runs there and end its thread; a later call begins another. Twice is harmless."""
        self._bridge.end()


async def _next(items: AsyncGenerator[Any, None]) -> Any:
    return await anext(items, _END)


def _cut() -> JunctorError:
    return JunctorError("the chat model was closed during this call; close it when nobody uses it any more")
