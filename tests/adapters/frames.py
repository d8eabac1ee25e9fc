"""AWS event stream frames, written and read by nothing of ours and nothing of botocore's: plain arithmetic."""

from __future__ import annotations

import json
import struct
from typing import Any
from zlib import crc32


def frame(name: str, body: Any, *, kind: str = "event", extra: bytes = b"") -> bytes:
    """One frame as Bedrock sends it. `extra` is put in front of the headers as it is."""
    named = ":exception-type" if kind == "exception" else ":event-type"
    headers = {named: name, ":content-type": "application/json", ":message-type": kind}
    return raw_frame(extra + b"".join(map(text_header, headers, headers.values())), json.dumps(body).encode())


def raw_frame(headers: bytes, payload: bytes) -> bytes:
    """Headers and payload between right lengths and checksums."""
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    whole = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return whole + struct.pack(">I", crc32(whole))


def text_header(name: str, value: str) -> bytes:
    return header(name, 7, struct.pack(">H", len(value.encode())) + value.encode())


def header(name: str, kind: int, value: bytes) -> bytes:
    """A header of any type; `value` as it stands on the wire."""
    return bytes([len(name.encode())]) + name.encode() + bytes([kind]) + value


def unframed(raw: bytes) -> list[dict[str, Any]]:
    """The events of a well-formed stream of text headers, as {name: payload}."""
    events = []
    while raw:
        size, header_size = struct.unpack(">II", raw[:8])
        block, payload = raw[12 : 12 + header_size], raw[12 + header_size : size - 4]
        headers = {}
        while block:
            name_end = 1 + block[0]
            (length,) = struct.unpack(">H", block[name_end + 1 : name_end + 3])
            headers[block[1:name_end].decode()] = block[name_end + 3 : name_end + 3 + length].decode()
            block = block[name_end + 3 + length :]
        events.append({headers.get(":event-type") or headers[":exception-type"]: json.loads(payload)})
        raw = raw[size:]
    return events
