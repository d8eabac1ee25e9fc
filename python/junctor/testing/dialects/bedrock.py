"""Bedrock's Converse and ConverseStream, as AWS answers them: JSON whole, binary frames streamed."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote
from zlib import crc32

import msgspec

from junctor.testing.app import Request
from junctor.testing.dialects.base import Ask, ErrorKind, Frames, HeaderList, count_tokens, decode, required
from junctor.testing.quota import Dimension, Refusal, Standing
from junctor.testing.speech import Said

FINISH: Final = {"stop": "end_turn", "length": "max_tokens", "tool": "tool_use"}

# status, name, message
ERRORS: Final[dict[ErrorKind, tuple[int, str, str]]] = {
    "auth": (403, "UnrecognizedClientException", "The security token included in the request is invalid."),
    "permission": (403, "AccessDeniedException", "You don't have access to the model with the specified model ID."),
    "not_found": (404, "ResourceNotFoundException", "Could not resolve the foundation model."),
    "invalid_request": (400, "ValidationException", "Malformed input request, please reformat your input."),
    "context_length": (400, "ValidationException", "Input is too long for requested model."),
    "rate_limit": (429, "ThrottlingException", "Too many requests, please wait before trying again."),
    "quota": (429, "ThrottlingException", "Too many tokens per day, please wait before trying again."),
    "overloaded": (503, "ServiceUnavailableException", "Bedrock is unable to process your request."),
    "server": (500, "InternalServerException", "The system encountered an unexpected error during processing."),
}
_CREDENTIAL: Final = re.compile(r"Credential=([^/]+)/")
_OPERATION: Final = re.compile(r"/model/([^/]+)/converse(-stream)?\Z")


class Bedrock:
    """Converse. Input and `maxTokens` are charged at admission, and corrected when the answer is known."""

    name = "bedrock"
    base_path = ""

    def serves(self, path: str) -> bool:
        return _OPERATION.search(path) is not None

    def secret(self, request: Request) -> str | None:
        """A bearer token, or the access key id of a signature, which is not verified here."""
        given = request.headers.get("authorization", "")
        if given.startswith("Bearer "):
            return given.removeprefix("Bearer ") or None
        found = _CREDENTIAL.search(given)
        return found[1] if found else None

    def read(self, request: Request) -> Ask:
        operation = _OPERATION.search(request.path)
        body = decode(request.body)
        messages = required(body, "messages", list)
        tools = (body.get("toolConfig") or {}).get("tools") or []
        tool = wanted_tool(body.get("toolConfig") or {}, messages)
        asked = ((body.get("outputConfig") or {}).get("textFormat") or {}).get("structure") or {}
        schema = (asked.get("jsonSchema") or {}).get("schema")
        return Ask(
            model=unquote(operation[1]) if operation else "",
            stream=bool(operation and operation[2]),
            input_tokens=count_tokens([messages, body.get("system"), tools]),
            max_tokens=(body.get("inferenceConfig") or {}).get("maxTokens"),
            tool=tool.get("name"),
            tool_schema=(tool.get("inputSchema") or {}).get("json") or {},
            answer_schema=msgspec.json.decode(schema) if schema else None,
        )

    def amounts(self, ask: Ask) -> dict[Dimension, int]:
        tokens = ask.input_tokens + (ask.max_tokens or 0)
        return {"rpm": 1, "tpm": tokens, "rpd": 1, "tpd": tokens}

    def settled(self, said: Said) -> dict[Dimension, int]:  # noqa: ARG002 - one signature for all dialects
        return {}

    def reply(self, ask: Ask, said: Said) -> bytes:  # noqa: ARG002 - one signature for all dialects
        content: list[Any] = [{"text": said.text}] if said.pieces else []
        if said.tool is not None:
            arguments = msgspec.Raw("".join(said.arguments).encode())
            content.append({"toolUse": {"toolUseId": _tool_id(said), "name": said.tool, "input": arguments}})
        reply: dict[str, Any] = {
            "metrics": {"latencyMs": 1},
            "output": {"message": {"content": content, "role": "assistant"}},
            "stopReason": FINISH[said.finish],
        }
        if said.usage:
            reply["usage"] = _usage(said)
        return msgspec.json.encode(reply)

    def frames(self, ask: Ask, said: Said) -> Frames:  # noqa: ARG002 - one signature for all dialects
        prelude = [_event("messageStart", {"role": "assistant"})]
        content = [
            _event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}}) for piece in said.pieces
        ]
        if said.tool is not None:
            index = 1 if said.pieces else 0
            start = {"toolUse": {"toolUseId": _tool_id(said), "name": said.tool}}
            content.append(_event("contentBlockStart", {"contentBlockIndex": index, "start": start}))
            for piece in said.arguments:
                delta = {"toolUse": {"input": piece}}
                content.append(_event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}))
        end = [
            _event("contentBlockStop", {"contentBlockIndex": 0}),
            _event("messageStop", {"stopReason": FINISH[said.finish]}),
        ]
        if said.usage:
            end.append(_event("metadata", {"metrics": {"latencyMs": 1}, "usage": _usage(said)}))
        return Frames(prelude, content, end)

    def stream_headers(self, ask: Ask) -> HeaderList:  # noqa: ARG002 - one signature for all dialects
        return [("content-type", "application/vnd.amazon.eventstream")]

    def common_headers(self, number: int) -> HeaderList:
        return [("x-amzn-requestid", f"00000000-0000-4000-8000-{number:012d}")]

    def limit_headers(self, standings: Mapping[Dimension, Standing], now_epoch_s: float) -> HeaderList:  # noqa: ARG002 - Bedrock tells no limits
        return []

    def error(self, kind: ErrorKind, message: str | None = None, *, number: int = 0) -> tuple[int, bytes]:  # noqa: ARG002 - one signature for all dialects
        status, name, words = ERRORS[kind]
        return status, msgspec.json.encode({"__type": name, "message": message or words})

    def refused(self, ask: Ask, refusal: Refusal, *, number: int = 0) -> tuple[int, HeaderList, bytes]:  # noqa: ARG002 - one signature for all dialects
        words = "Too many tokens" if "t" in refusal.dimension else "Too many requests"
        words += " per day" if refusal.dimension.endswith("d") else ""
        status, body = self.error("rate_limit", f"{words}, please wait before trying again.")
        return status, [], body

    def throttled(self, retry_after_s: float | None, *, number: int = 0) -> tuple[int, HeaderList, bytes]:
        status, body = self.error("rate_limit", number=number)
        return status, [] if retry_after_s is None else [("retry-after", f"{retry_after_s:g}")], body

    def stream_error(self, kind: ErrorKind) -> bytes:
        _, name, words = ERRORS[kind]
        return frame({":exception-type": name[0].lower() + name[1:], ":message-type": "exception"}, {"message": words})


def wanted_tool(config: Mapping[str, Any], messages: list[Any]) -> Mapping[str, Any]:
    """The tool that the model calls: the named one, else the first; none after a tool's result."""
    found = [tool["toolSpec"] for tool in config.get("tools") or [] if isinstance(tool, dict) and "toolSpec" in tool]
    content = messages[-1].get("content") if isinstance(messages[-1], dict) else None
    if not found or any(isinstance(block, dict) and "toolResult" in block for block in content or []):
        return {}
    named = ((config.get("toolChoice") or {}).get("tool") or {}).get("name")
    chosen: Mapping[str, Any] = next((tool for tool in found if tool.get("name") == named), found[0])
    return chosen


def frame(headers: Mapping[str, str], body: object) -> bytes:
    """One message of an AWS event stream: lengths, headers, payload, two checksums."""
    block = b""
    for name, value in {**headers, ":content-type": "application/json"}.items():
        block += struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
    payload = msgspec.json.encode(body)
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    message = prelude + struct.pack(">I", crc32(prelude)) + block + payload
    return message + struct.pack(">I", crc32(message))


def _event(name: str, body: dict[str, Any]) -> bytes:
    return frame({":event-type": name, ":message-type": "event"}, body)


def _tool_id(said: Said) -> str:
    return f"tooluse_sim{said.number:08d}"


def _usage(said: Said) -> dict[str, Any]:
    return {
        "inputTokens": said.input_tokens,
        "outputTokens": said.output_tokens,
        "totalTokens": said.input_tokens + said.output_tokens,
        "serverToolUsage": {},
    }
