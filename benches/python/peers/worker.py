"""A peer in its own process and environment, measured by the same code as junctor. Standard library only.

The parent sends one JSON line per measurement and gets one back, so that peers can take turns with junctor within every
round although they cannot share an environment with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from benches.python.load import Call, cost_us, paced


class Peer(Protocol):
    """What a peer has to be able to do. All of it runs in one event loop."""

    async def open(self, base_url: str, keys: Sequence[str]) -> None:
        """A fresh router over one deployment per key, everything at its defaults."""

    async def chat(self) -> str:
        """One whole call, as text."""

    async def stream(self) -> str:
        """One streamed call, its text joined."""

    def picker(self, strategy: str, deployments: int) -> Callable[[], Awaitable[object]]:
        """Choosing a deployment and nothing else. `NotImplementedError` if the peer offers no such thing."""


def serve(peer: Peer) -> None:
    """Answers measurements until the input ends. What the peer prints goes to the error output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            try:
                said: dict[str, Any] = {"value": runner.run(_obey(peer, **json.loads(line)))}
            except Exception as error:  # told to the parent, which reports it
                traceback.print_exc()
                said = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(said), file=answers, flush=True)
    answers.close()
    os._exit(0)  # some peers leave threads behind that never end


async def _obey(peer: Peer, do: str, **asked: Any) -> object:
    if do == "open":
        await peer.open(**asked)
        return None
    if do == "pick":
        return await _pick_us(peer.picker(asked["strategy"], asked["deployments"]), asked["count"])
    if do == "paced":
        return await paced(peer.chat, **asked)
    calls: dict[str, Call] = {"chat": peer.chat, "stream": peer.stream}
    return await cost_us(calls[do], **asked)


async def _pick_us(pick: Callable[[], Awaitable[object]], count: int) -> float:
    await pick()
    started = time.perf_counter()
    for _ in range(count):
        await pick()
    return (time.perf_counter() - started) / count * 1e6
