"""`python -m junctor.testing`: a simulated provider, a replay or a bare server as a process of its own.

```
python -m junctor.testing --key openai:sk-a --key anthropic:sk-b --first-token 0.4 --per-token 0.01
python -m junctor.testing --replay case.json --chunk-bytes 64
python -m junctor.testing --constant            # the cheapest answer there is, for floors of benchmarks
```

Prints one JSON line with its addresses, then serves until it is interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import msgspec

from junctor.testing.app import Answer, Request
from junctor.testing.keys import Key
from junctor.testing.latency import Latency
from junctor.testing.provider import SimulatedProvider
from junctor.testing.remote import obey
from junctor.testing.replay import Delivery, Exchange, ReplayServer
from junctor.testing.server import Server

CONSTANT = msgspec.json.encode(
    {
        "id": "chatcmpl-constant", "object": "chat.completion", "created": 0, "model": "constant",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"},
        ],
        "usage": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10},
    }
)  # fmt: skip


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m junctor.testing", description="Simulated providers on loopback.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--key", action="append", type=key, metavar="DIALECT:SECRET", help="a key to serve; may be repeated"
    )
    what.add_argument("--replay", metavar="FILE", help="serve one recorded case, whatever is asked")
    what.add_argument("--constant", action="store_true", help="answer every request with one short chat completion")
    what.add_argument("--control", action="store_true", help="take keys and commands as JSON lines on standard input")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--first-token", type=float, default=0.0, metavar="S", help="median seconds to the first token")
    parser.add_argument("--per-token", type=float, default=0.0, metavar="S", help="seconds between output tokens")
    parser.add_argument("--sigma", type=float, default=0.0, help="log-normal spread of the first token's time")
    parser.add_argument("--output-tokens", type=int, default=24, help="length of an answer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chunk-bytes", type=int, default=None, help="size of the pieces of a replay")
    return parser


def key(text: str) -> Key:
    """`openai:sk-a` as a key. Raises what argparse turns into a line about the option."""
    dialect, _, secret = text.partition(":")
    try:
        if not secret:
            raise ValueError(f"{text!r} is not DIALECT:SECRET, such as openai:sk-test")
        return Key(secret, dialect=dialect)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def constant(request: Request, answer: Answer) -> None:  # noqa: ARG001 - an application's signature
    """One short chat completion for every request."""
    answer.send(200, [("content-type", "application/json")], CONSTANT)


def serving(chosen: argparse.Namespace) -> AbstractAsyncContextManager[Any]:
    """The server that the options ask for."""
    if chosen.constant:
        return Server(constant, port=chosen.port)
    if chosen.replay:
        return ReplayServer(
            [(Exchange.load(chosen.replay), Delivery(chunk_bytes=chosen.chunk_bytes))], port=chosen.port
        )
    keys = chosen.key
    latency = Latency(first_token_s=chosen.first_token, per_output_token_s=chosen.per_token, sigma=chosen.sigma)
    return SimulatedProvider(
        keys, latency=latency, output_tokens=chosen.output_tokens, seed=chosen.seed, port=chosen.port
    )


async def serve(chosen: argparse.Namespace) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(chosen) as server:
        url = server.url() if isinstance(server, SimulatedProvider) else server.url
        print(msgspec.json.encode({"url": url}).decode(), flush=True)
        await stop.wait()


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    chosen = options().parse_args(arguments)
    with suppress(KeyboardInterrupt):
        asyncio.run(obey(sys.stdin.buffer, sys.stdout.buffer) if chosen.control else serve(chosen))
    return 0


if __name__ == "__main__":
    sys.exit(main())
