"""A client that sees everything: raw bytes over asyncio streams, chunk by chunk, proper ends told from broken ones."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from junctor.testing import Key, ManualTime, SimulatedProvider

T = TypeVar("T")

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello there"}]}
# per dialect: path, path of streams, header of the key, body, field of streams
SHAPES: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "openai": ("/v1/chat/completions", "/v1/chat/completions", "authorization", CHAT),
    "anthropic": ("/v1/messages", "/v1/messages", "x-api-key", {**CHAT, "max_tokens": 100}),
    "gemini": (
        "/v1beta/models/m:generateContent",
        "/v1beta/models/m:streamGenerateContent?alt=sse",
        "x-goog-api-key",
        {"contents": [{"role": "user", "parts": [{"text": "hello there"}]}]},
    ),
}
DIALECTS = tuple(SHAPES)


class Got(msgspec.Struct):
    """What came back. `complete` is whether HTTP ended properly; `silent` that nothing came before time ran out."""

    status: int = 0
    headers: dict[str, str] = {}
    chunks: list[bytes] = []
    complete: bool = False
    reset: bool = False
    silent: bool = False
    refused: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


def request_bytes(
    path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"", method: str = "POST"
) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    return f"{method} {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {len(body)}\r\n{lines}\r\n".encode() + body


async def fetch(
    url: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"", give_up_s: float = 60.0
) -> Got:
    """One request on a connection of its own, read as far as it goes; gives up on silence."""
    parts = urlsplit(url)
    got = Got(headers={}, chunks=[])
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except ConnectionRefusedError:
        got.refused = True
        return got
    try:
        writer.write(request_bytes(path, headers=headers, body=body))
        async with asyncio.timeout(give_up_s):
            await read_answer(reader, got)
    except TimeoutError:
        got.silent = True
    except ConnectionResetError:
        got.reset = True
    except asyncio.IncompleteReadError:
        pass  # `complete` stays False: that is what the caller looks at
    finally:
        writer.transport.abort()
    return got


async def read_answer(reader: asyncio.StreamReader, got: Got) -> None:
    """Fill `got` from the connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    got.status = int(first.split(" ")[1])
    got.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    if "content-length" in got.headers:
        left = int(got.headers["content-length"])
        while left:
            piece = await reader.read(left)
            if not piece:
                return
            got.chunks.append(piece)
            left -= len(piece)
    elif got.headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            got.chunks.append(await reader.readexactly(size))
            await reader.readexactly(2)
        await reader.readexactly(2)
    else:
        while piece := await reader.read(65536):
            got.chunks.append(piece)
    got.complete = True


async def ask(
    provider: SimulatedProvider, dialect: str = "openai", *, key: str = "k", region: str | None = None,
    stream: bool = False, give_up_s: float = 60.0, **fields: Any,
) -> Got:  # fmt: skip
    """A chat request in this dialect."""
    path, stream_path, header, body = SHAPES[dialect]
    if stream and dialect != "gemini":
        fields["stream"] = True
    headers = {header: f"Bearer {key}" if header == "authorization" else key}
    return await fetch(
        provider.url(region), stream_path if stream else path, headers=headers,
        body=msgspec.json.encode({**body, **fields}), give_up_s=give_up_s,
    )  # fmt: skip


def one_key(dialect: str = "openai", **options: Any) -> SimulatedProvider:
    """A provider with the single key `k`."""
    return SimulatedProvider([Key("k", dialect=dialect)], **options)


def on_manual_time(scenario: Coroutine[Any, Any, T]) -> T:
    """Run on a loop where nothing waits for real."""
    return ManualTime().run(scenario)
