"""A provider that costs next to nothing, in a process of its own: constant bytes, whole or as a stream.

`junctor.testing.SimulatedProvider` keeps limits and draws latencies; for the CPU time of clients that work would only
warm the other core. Streams are written event by event, so that they arrive as they do in life: in many pieces.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from benches.python.harness import ROOT
from junctor.testing.app import Answer, Request
from junctor.testing.server import Server

EVENTS: Final = 50
WORDS: Final = [f"word{number} " for number in range(EVENTS)]
MESSAGES: Final = [{"role": "user", "content": "Say in one sentence why the sky is blue, and name your sources."}]
HEADERS: Final = {"authorization": "Bearer sk-bench", "content-type": "application/json"}
BODY: Final[dict[str, Any]] = {"model": "bench", "messages": MESSAGES, "max_tokens": 64}
STREAM_BODY: Final = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
TEXT: Final = "Rayleigh."
STOP_S: Final = 10.0

REPLY: Final = msgspec.json.encode(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "bench",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 23},
    }
)


def _event(choices: list[Any], **more: Any) -> bytes:
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "bench", "choices": choices}
    return b"data: " + msgspec.json.encode(chunk | more) + b"\n\n"


FRAMES: Final = [
    *(_event([{"index": 0, "delta": {"content": word}, "finish_reason": None}]) for word in WORDS),
    _event([{"index": 0, "delta": {}, "finish_reason": "stop"}]),
    _event([], usage={"prompt_tokens": 20, "completion_tokens": 50, "total_tokens": 70}),
    b"data: [DONE]\n\n",
]


def answer_all(request: Request, answer: Answer) -> Coroutine[Any, Any, None] | None:
    """A stream to whoever asks for one, else the same small answer."""
    if b'"stream":true' in request.body.replace(b" ", b""):
        return _stream(answer)
    answer.send(200, [("content-type", "application/json")], REPLY)
    return None


async def _stream(answer: Answer) -> None:
    answer.begin(200, [("content-type", "text/event-stream")])
    for frame in FRAMES:
        answer.write(frame)
        await asyncio.sleep(0)
    answer.end()


async def _serve() -> None:
    async with Server(answer_all) as server:
        print(server.url, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@contextmanager
def provider() -> Iterator[str]:
    """Starts the provider; the value is its root URL."""
    child = subprocess.Popen(
        [sys.executable, "-m", "benches.python.constant"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield child.stdout.readline().strip()
    finally:
        child.stdin.close()
        child.stdout.close()
        child.wait(STOP_S)


if __name__ == "__main__":
    asyncio.run(_serve())
