"""OpenAI responses, as its servers answer them: output items, and streams in which every event has a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from junctor.testing.app import Request
from junctor.testing.dialects.base import Ask, ErrorKind, Frames, Invalid, count_tokens, decode, required
from junctor.testing.dialects.openai import ERRORS, OpenAI
from junctor.testing.speech import Said


class OpenAIResponses(OpenAI):
    """`POST /responses`, for the keys of the simulated OpenAI."""

    def serves(self, path: str) -> bool:
        return path.endswith("/responses")

    def read(self, request: Request) -> Ask:
        body = decode(request.body)
        model = required(body, "model", str)
        items = body.get("input")
        if not items or not isinstance(items, str | list):
            raise Invalid("Missing or invalid required parameter: 'input'.")
        tool = _wanted_tool(body, items)
        form = (body.get("text") or {}).get("format") or {}
        return Ask(
            model=model,
            stream=bool(body.get("stream")),
            input_tokens=count_tokens(items) + count_tokens([body.get("instructions") or "", body.get("tools") or ""]),
            max_tokens=body.get("max_output_tokens"),
            tool=tool.get("name"),
            tool_schema=tool.get("parameters") or {},
            answer_schema=form.get("schema"),
            echo={"store": body.get("store", True), "tools": body.get("tools") or []},
        )

    def reply(self, ask: Ask, said: Said) -> bytes:
        return msgspec.json.encode(_response(ask, said, [_item(said, "completed")], ended=True))

    def frames(self, ask: Ask, said: Said) -> Frames:
        script = _Script(ask, said)
        return Frames(script.prelude(), script.content(), script.end())

    def stream_error(self, kind: ErrorKind) -> bytes:
        _, type_, code, words = ERRORS[kind]
        return _event({"type": "error", "code": code or type_, "message": words, "param": None, "sequence_number": 9})


class _Script:
    """The events of one stream, numbered as they are made."""

    def __init__(self, ask: Ask, said: Said) -> None:
        self.ask = ask
        self.said = said
        self.number = 0
        self.part = {"item_id": _item_id(said), "output_index": 0, "content_index": 0}

    def event(self, type_: str, **fields: Any) -> bytes:
        self.number += 1
        return _event({"type": type_, **fields, "sequence_number": self.number - 1})

    def prelude(self) -> list[bytes]:
        begun = _response(self.ask, self.said, [], ended=False)
        empty: dict[str, Any] = {
            **_item(self.said, "in_progress"),
            **({"arguments": ""} if self.said.tool else {"content": []}),
        }
        events = [
            self.event("response.created", response=begun),
            self.event("response.in_progress", response=begun),
            self.event("response.output_item.added", output_index=0, item=empty),
        ]
        if self.said.tool is None:
            events.append(self.event("response.content_part.added", **self.part, part=_text("")))
        return events

    def content(self) -> list[bytes]:
        if self.said.tool is not None:
            place = {"item_id": _item_id(self.said), "output_index": 0}
            return [
                self.event("response.function_call_arguments.delta", **place, delta=piece)
                for piece in self.said.arguments
            ]
        return [
            self.event("response.output_text.delta", **self.part, delta=piece, logprobs=[])
            for piece in self.said.pieces
        ]

    def end(self) -> list[bytes]:
        said = self.said
        item = _item(said, "completed")
        if said.tool is not None:
            place = {"item_id": item["id"], "output_index": 0, "name": said.tool}
            arguments = "".join(said.arguments)
            closing = [self.event("response.function_call_arguments.done", **place, arguments=arguments)]
        else:
            closing = [
                self.event("response.output_text.done", **self.part, text=said.text, logprobs=[]),
                self.event("response.content_part.done", **self.part, part=_text(said.text)),
            ]
        last = "response.incomplete" if said.finish == "length" else "response.completed"
        return [
            *closing,
            self.event("response.output_item.done", output_index=0, item=item),
            self.event(last, response=_response(self.ask, said, [item], ended=True)),
        ]


def _event(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: ".encode() + msgspec.json.encode(event) + b"\n\n"


def _item_id(said: Said) -> str:
    return f"{'fc' if said.tool else 'msg'}_sim{said.number:08d}"


def _item(said: Said, status: str) -> dict[str, Any]:
    if said.tool is not None:
        return {
            "id": _item_id(said),
            "type": "function_call",
            "status": status,
            "call_id": f"call_sim{said.number:08d}",
            "name": said.tool,
            "arguments": "".join(said.arguments),
        }
    if said.finish == "length" and status == "completed":
        status = "incomplete"
    return {
        "id": _item_id(said),
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [_text(said.text)],
    }


def _text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _response(ask: Ask, said: Said, output: list[Any], *, ended: bool) -> dict[str, Any]:
    cut = ended and said.finish == "length"
    response = {
        "id": f"resp_sim{said.number:08d}",
        "object": "response",
        "created_at": said.created_s,
        "status": "incomplete" if cut else "completed" if ended else "in_progress",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": None,
        "max_output_tokens": ask.max_tokens,
        "metadata": {},
        "model": ask.model,
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "top_p": 1.0,
        **ask.echo,
    }
    if ended and said.usage:
        response["usage"] = {
            "input_tokens": said.input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": said.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": said.input_tokens + said.output_tokens,
        }
    return response


def _wanted_tool(body: Mapping[str, Any], items: str | Sequence[Any]) -> Mapping[str, Any]:
    """The function that the model calls: the named one, else the first; none after a tool's result."""
    choice = body.get("tool_choice")
    functions = [tool for tool in body.get("tools") or [] if isinstance(tool, dict) and tool.get("type") == "function"]
    last = items[-1]
    answered = isinstance(last, dict) and last.get("type") == "function_call_output"
    if not functions or choice == "none" or answered:
        return {}
    if isinstance(choice, dict):
        functions = [each for each in functions if each.get("name") == choice.get("name")] or functions
    chosen: Mapping[str, Any] = functions[0]
    return chosen
