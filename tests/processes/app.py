"""The same small program for every server: each request is a call by a client of this worker.

The fleet's file is named by `FLEET`. Answers say which process gave them, and 429 what the router refused.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from junctor import Client, NoCapacity, Router

MESSAGES = [{"role": "user", "content": "Hi"}]

router = Router.open(os.environ["FLEET"])
client = Client(router)


async def answer() -> tuple[int, bytes]:
    """One call: 200 and this worker, or 429."""
    try:
        await client.chat("all", MESSAGES, max_tokens=1, max_wait_s=0, deadline_s=10)
    except NoCapacity:
        return 429, b""
    return 200, str(os.getpid()).encode()


async def asgi(
    scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """For uvicorn and granian."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            event = await receive()
            await send({"type": f"{event['type']}.complete"})
        return
    status, body = await answer()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def wsgi(_: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    """For gunicorn."""
    status, body = asyncio.run(answer())
    start_response(f"{status} Whatever", [("content-length", str(len(body)))])
    return [body]
