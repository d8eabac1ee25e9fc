"""One table of canonical requests, and what each of them must become in every dialect.

A case says, per adapter, which parameters it reports as dropped and a few places in the body that carry its meaning.
The rest of the body is judged by the official SDK's own types.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from junctor.request import ChatRequest, Endpoint, Secret

KEY = Secret("sk-canary-7f3a", "env:TEST_KEY")
ADAPTERS = ("openai", "openai-responses", "anthropic", "gemini")
ABSENT = "<absent>"

BASES = {
    "openai": "https://api.openai.com/v1",
    "openai-responses": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
    "bedrock": "https://bedrock-runtime.us-east-1.amazonaws.com",
    "mistral": "https://api.mistral.ai/v1",
}
MODELS = {
    "openai": "gpt-4.1",
    "openai-responses": "gpt-4.1",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
    "bedrock": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "mistral": "mistral-small-latest",
}


def endpoint(adapter: str, **changes: Any) -> Endpoint:
    fields = {
        "deployment": "d",
        "provider": adapter,
        "adapter": adapter,
        "model": MODELS[adapter],
        "base_url": BASES[adapter],
        "key": KEY,
    }
    return Endpoint(**{**fields, **changes})


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """`says` maps adapter to {path in the body: value}; `dropped` maps adapter to the names it must report."""

    name: str
    request: ChatRequest
    says: Mapping[str, Mapping[str, Any]] = {}
    dropped: Mapping[str, tuple[str, ...]] = {}
    models: Mapping[str, str] = {}
    base_urls: Mapping[str, str] = {}
    stream: bool = False
    only: tuple[str, ...] = ADAPTERS


def at(body: Any, path: str) -> Any:
    """The value at `a.0.b`, or `ABSENT`."""
    for step in path.split("."):
        try:
            body = body[int(step)] if isinstance(body, list) else body[step]
        except (KeyError, IndexError, TypeError, ValueError):
            return ABSENT
    return body


def user(content: Any = "Hi") -> dict[str, Any]:
    return {"role": "user", "content": content}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKJSVFT0YK"
IMAGE_DATA = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
IMAGE_URL = {"type": "image_url", "image_url": {"url": "https://example.com/cat.jpg", "detail": "low"}}
PDF_FILE = {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}
TEXT_FILE = {"type": "file", "file": {"filename": "n.txt", "file_data": "data:text/plain;base64,aGVsbG8gd29ybGQ="}}
AUDIO = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {
            "type": "array",
            "items": {"type": "object", "properties": {"date": {"$ref": "#/$defs/date"}}, "required": ["date"]},
        },
    },
    "required": ["city"],
    "$defs": {"date": {"type": "string", "enum": ["today", "tomorrow"]}},
}
CLOSED = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "The weather", "parameters": SCHEMA}}
CLOCK = {"type": "function", "function": {"name": "clock"}}
TOOLS = (WEATHER, CLOCK)
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "person", "schema": CLOSED, "strict": True}}


def call(id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def tool_loop(*ids: str) -> list[dict[str, Any]]:
    calls = [call(id, "weather", f'{{"city":"{id}"}}') for id in ids]
    results = [{"role": "tool", "tool_call_id": id, "content": f"sunny in {id}"} for id in ids]
    return [user("Weather?"), {"role": "assistant", "content": None, "tool_calls": calls}, *results]


def asking(**fields: Any) -> ChatRequest:
    fields.setdefault("messages", [user()])
    return ChatRequest(**fields)


CASES = [
    Case(
        name="text",
        request=asking(max_tokens=64),
        says={
            "openai": {"messages": [user()], "max_completion_tokens": 64, "max_tokens": ABSENT, "model": "gpt-4.1"},
            "anthropic": {"messages": [user()], "max_tokens": 64, "model": "claude-sonnet-4-5"},
            "gemini": {
                "contents.0": {"role": "user", "parts": [{"text": "Hi"}]},
                "generationConfig.maxOutputTokens": 64,
            },
        },
    ),
    Case(
        name="no answer bound: only Anthropic needs one",
        request=asking(),
        says={
            "openai": {"max_completion_tokens": ABSENT},
            "anthropic": {"max_tokens": 4096},
            "gemini": {"generationConfig": ABSENT},
        },
    ),
    Case(
        name="streamed",
        request=asking(),
        stream=True,
        says={
            "openai": {"stream": True, "stream_options.include_usage": True},
            "anthropic": {"stream": True},
            "gemini": {"stream": ABSENT},
        },
    ),
    Case(
        name="system first",
        request=asking(messages=[{"role": "system", "content": "Be brief."}, user()]),
        says={
            "openai": {"messages.0": {"role": "system", "content": "Be brief."}},
            "anthropic": {"system": "Be brief.", "messages": [user()]},
            "gemini": {"systemInstruction.parts": [{"text": "Be brief."}], "contents.1": ABSENT},
        },
    ),
    Case(
        name="system and a late developer message keep their order",
        request=asking(
            messages=[
                {"role": "system", "content": "One."},
                user(),
                {"role": "assistant", "content": "Yes?"},
                {"role": "developer", "content": "Two."},
                user("Go on"),
            ]
        ),
        says={
            "openai": {"messages.3.role": "developer"},
            "anthropic": {"system": [text("One."), text("Two.")], "messages.2": user("Go on")},
            "gemini": {"systemInstruction.parts": [{"text": "One."}, {"text": "Two."}], "contents.1.role": "model"},
        },
    ),
    Case(
        name="only a system message",
        request=asking(messages=[{"role": "system", "content": "Say hello."}]),
        says={
            "anthropic": {"messages": [{"role": "user", "content": [text("Say hello.")]}], "system": ABSENT},
            "gemini": {"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}], "systemInstruction": ABSENT},
        },
    ),
    Case(
        name="neighbours of one role become one message where alternation is wanted",
        request=asking(messages=[user("A"), user([text("B")]), {"role": "assistant", "content": "C"}, user("D")]),
        says={
            "openai": {"messages.3": user("D")},
            "anthropic": {"messages.0.content": [text("A"), text("B")], "messages.2": user("D")},
            "gemini": {"contents.0.parts": [{"text": "A"}, {"text": "B"}], "contents.2.parts.0.text": "D"},
        },
    ),
    Case(
        name="empty texts are left out where they are refused",
        request=asking(messages=[user([text(""), text("Hi")]), {"role": "assistant", "content": ""}, user("You?")]),
        says={
            "anthropic": {"messages": [{"role": "user", "content": [text("Hi"), text("You?")]}]},
            "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}, {"text": "You?"}]}]},
        },
    ),
    Case(
        name="image inline",
        request=asking(messages=[user([text("What?"), IMAGE_DATA])]),
        says={
            "openai": {"messages.0.content.1": IMAGE_DATA},
            "anthropic": {
                "messages.0.content.1.source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
            },
            "gemini": {"contents.0.parts.1.inlineData": {"mimeType": "image/png", "data": PIXEL}},
        },
    ),
    Case(
        name="image by address",
        request=asking(messages=[user([IMAGE_URL, text("What?")])]),
        says={
            "openai": {"messages.0.content.0.image_url.detail": "low"},
            "anthropic": {"messages.0.content.0.source": {"type": "url", "url": "https://example.com/cat.jpg"}},
            "gemini": {
                "contents.0.parts.0.fileData": {"fileUri": "https://example.com/cat.jpg", "mimeType": "image/jpeg"}
            },
        },
    ),
    Case(
        name="PDF file",
        request=asking(messages=[user([PDF_FILE, text("Sum up")])]),
        says={
            "openai": {"messages.0.content.0": PDF_FILE},
            "anthropic": {
                "messages.0.content.0": {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                    "title": "a.pdf",
                }
            },
            "gemini": {"contents.0.parts.0.inlineData": {"mimeType": "application/pdf", "data": PDF}},
        },
    ),
    Case(
        name="text file",
        request=asking(messages=[user([TEXT_FILE])]),
        says={
            "openai": {"messages.0.content.0": text("[n.txt]\nhello world")},
            "anthropic": {
                "messages.0.content.0.source": {"type": "text", "media_type": "text/plain", "data": "hello world"}
            },
            "gemini": {"contents.0.parts.0.inlineData.mimeType": "text/plain"},
        },
    ),
    Case(
        name="uploaded file by id",
        request=asking(messages=[user([{"type": "file", "file": {"file_id": "file-1"}}])]),
        says={
            "openai": {"messages.0.content.0.file": {"file_id": "file-1"}},
            "anthropic": {"messages.0.content.0.source": {"type": "file", "file_id": "file-1"}},
            "gemini": {"contents.0.parts.0.fileData.fileUri": "file-1"},
        },
    ),
    Case(
        name="audio",
        request=asking(messages=[user([AUDIO])]),
        only=("openai", "gemini"),
        says={
            "openai": {"messages.0.content.0": AUDIO},
            "gemini": {"contents.0.parts.0.inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}},
        },
    ),
    Case(
        name="tools with nested schemas",
        request=asking(tools=TOOLS),
        says={
            "openai": {"tools.0": WEATHER, "tools.1.function.parameters.type": "object"},
            "anthropic": {"tools.0.input_schema": SCHEMA, "tools.1.input_schema.type": "object"},
            "gemini": {
                "tools.0.functionDeclarations.0.parametersJsonSchema": SCHEMA,
                "tools.0.functionDeclarations.1": {"name": "clock"},
            },
        },
    ),
    *(
        Case(
            name=f"tool_choice {name}",
            request=asking(tools=TOOLS, tool_choice=choice),
            says={
                "openai": {"tool_choice": choice},
                "anthropic": {"tool_choice": anthropic},
                "gemini": {"toolConfig.functionCallingConfig": gemini},
            },
        )
        for name, choice, anthropic, gemini in (
            ("auto", "auto", {"type": "auto"}, {"mode": "AUTO"}),
            ("none", "none", {"type": "none"}, {"mode": "NONE"}),
            ("required", "required", {"type": "any"}, {"mode": "ANY"}),
            (
                "named",
                {"type": "function", "function": {"name": "clock"}},
                {"type": "tool", "name": "clock"},
                {"mode": "ANY", "allowedFunctionNames": ["clock"]},
            ),
        )
    ),
    Case(
        name="tool_choice among some tools",
        request=asking(
            tools=TOOLS,
            tool_choice={
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [
                        {"type": "function", "function": {"name": "clock"}},
                        {"type": "function", "function": {"name": "weather"}},
                    ],
                },
            },
        ),
        says={
            "anthropic": {"tool_choice": {"type": "any"}},
            "gemini": {
                "toolConfig.functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["clock", "weather"]}
            },
        },
        dropped={"anthropic": ("tool_choice",)},
    ),
    Case(
        name="one tool at a time",
        request=asking(tools=TOOLS, parallel_tool_calls=False),
        says={
            "openai": {"parallel_tool_calls": False},
            "anthropic": {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
            "gemini": {"toolConfig": ABSENT},
        },
        dropped={"gemini": ("parallel_tool_calls",)},
    ),
    Case(
        name="tool wishes without tools",
        request=asking(tool_choice="auto", parallel_tool_calls=True),
        says={
            "openai": {"tool_choice": ABSENT, "parallel_tool_calls": ABSENT},
            "anthropic": {"tool_choice": ABSENT},
            "gemini": {"toolConfig": ABSENT},
        },
        dropped=dict.fromkeys(ADAPTERS, ("tool_choice", "parallel_tool_calls")),
    ),
    Case(
        name="strict tool",
        request=asking(tools=[{"type": "function", "function": {"name": "f", "parameters": CLOSED, "strict": True}}]),
        says={"openai": {"tools.0.function.strict": True}, "anthropic": {"tools.0.strict": True}},
        dropped={"gemini": ("strict",)},
    ),
    Case(
        name="a call and its result",
        request=asking(messages=[*tool_loop("t1"), user("Thanks")], tools=TOOLS),
        says={
            "openai": {"messages.1.tool_calls.0.id": "t1", "messages.2.tool_call_id": "t1"},
            "anthropic": {
                "messages.1.content": [
                    {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "t1"}},
                ],
                "messages.2.content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "sunny in t1"},
                    text("Thanks"),
                ],
            },
            "gemini": {
                "contents.1.parts.0": {"functionCall": {"name": "weather", "args": {"city": "t1"}}},
                "contents.2.parts.0": {"functionResponse": {"name": "weather", "response": {"output": "sunny in t1"}}},
            },
        },
    ),
    Case(
        name="parallel calls and their results",
        request=asking(messages=tool_loop("t1", "t2"), tools=TOOLS),
        says={
            "openai": {"messages.3.tool_call_id": "t2"},
            "anthropic": {"messages.1.content.1.id": "t2", "messages.2.content.1.tool_use_id": "t2"},
            "gemini": {
                "contents.1.parts.1.functionCall.args": {"city": "t2"},
                "contents.2.parts.1.functionResponse.response": {"output": "sunny in t2"},
            },
        },
    ),
    Case(
        name="ids of other providers are made acceptable, in the call and in its result alike",
        request=asking(messages=tool_loop("functions.weather:0"), tools=TOOLS),
        says={
            "openai": {"messages.2.tool_call_id": "functions.weather:0"},
            "anthropic": {
                "messages.1.content.0.id": "functions_weather_0",
                "messages.2.content.0.tool_use_id": "functions_weather_0",
            },
        },
    ),
    Case(
        name="text beside a call, and arguments that are no JSON",
        request=asking(
            messages=[
                user(),
                {"role": "assistant", "content": "Let me look.", "tool_calls": [call("t1", "weather", '{"city": ')]},
                {"role": "tool", "tool_call_id": "t1", "content": '{"sky": "blue"}'},
            ],
            tools=TOOLS,
        ),
        says={
            "anthropic": {
                "messages.1.content.0": text("Let me look."),
                "messages.1.content.1.input": {"raw_arguments": '{"city": '},
            },
            "gemini": {
                "contents.1.parts.1.functionCall.args": {"raw_arguments": '{"city": '},
                "contents.2.parts.0.functionResponse.response": {"sky": "blue"},
            },
        },
    ),
    Case(
        name="a tool result with an image",
        request=asking(
            messages=[
                user(),
                {"role": "assistant", "content": None, "tool_calls": [call("t1", "weather", "{}")]},
                {"role": "tool", "tool_call_id": "t1", "content": [text("see"), IMAGE_DATA]},
            ],
            tools=TOOLS,
        ),
        says={
            "openai": {
                "messages.2.content": [text("see")],
                "messages.3": user([text("[result of weather]"), IMAGE_DATA]),
                "messages.4": ABSENT,
            },
            "anthropic": {"messages.2.content.0.content.1.type": "image"},
            "gemini": {"contents.2.parts.1.inlineData.mimeType": "image/png"},
        },
    ),
    Case(
        name="structured output",
        request=asking(response_format=JSON_SCHEMA),
        says={
            "openai": {"response_format": JSON_SCHEMA},
            "anthropic": {"output_config.format": {"type": "json_schema", "schema": CLOSED}},
            "gemini": {
                "generationConfig.responseMimeType": "application/json",
                "generationConfig.responseJsonSchema": CLOSED,
            },
        },
    ),
    Case(
        name="structured output with what a grammar cannot enforce",
        request=asking(
            response_format={
                "type": "json_schema",
                "json_schema": {
                    "name": "n",
                    "schema": {
                        "type": "object",
                        "properties": {
                            "maximum": {"type": "integer", "maximum": 3},
                            "tags": {"type": "array", "items": {"type": "object", "properties": {}}, "maxItems": 2},
                        },
                    },
                },
            }
        ),
        says={
            "anthropic": {
                "output_config.format.schema": {
                    "type": "object",
                    "properties": {
                        "maximum": {"type": "integer", "description": "maximum: 3"},
                        "tags": {
                            "type": "array",
                            "items": {"type": "object", "properties": {}, "additionalProperties": False},
                            "description": "maxItems: 2",
                        },
                    },
                    "additionalProperties": False,
                }
            },
        },
        dropped={"anthropic": ("response_format",)},
    ),
    Case(
        name="schemas at a Gemini that takes OpenAPI's part only",
        request=asking(tools=[WEATHER]),
        models={"gemini": "gemini-2.0-flash"},
        says={
            "gemini": {
                "tools.0.functionDeclarations.0.parametersJsonSchema": ABSENT,
                "tools.0.functionDeclarations.0.parameters.properties.days.items.properties.date": {
                    "type": "string",
                    "enum": ["today", "tomorrow"],
                },
            }
        },
        only=("gemini",),
    ),
    Case(
        name="a strict schema with an optional property",
        request=asking(
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "n", "strict": True, "schema": {**CLOSED, "required": ["name"]}},
            }
        ),
        says={
            "openai": {
                "response_format.json_schema.schema.properties.age": {"type": ["integer", "null"]},
                "response_format.json_schema.schema.required": ["name", "age"],
            },
            "anthropic": {"output_config.format.schema.required": ["name"]},
        },
        only=("openai", "anthropic"),
    ),
    Case(
        name="JSON without a schema",
        request=asking(response_format={"type": "json_object"}),
        says={
            "openai": {"response_format": {"type": "json_object"}},
            "gemini": {"generationConfig": {"responseMimeType": "application/json"}},
        },
        dropped={"anthropic": ("response_format",)},
    ),
    Case(
        name="structured output beside tools",
        request=asking(response_format=JSON_SCHEMA, tools=TOOLS),
        says={"anthropic": {"output_config.format.type": "json_schema"}, "gemini": {"generationConfig": ABSENT}},
        dropped={"gemini": ("response_format",)},
    ),
    Case(
        name="structured output beside tools, Gemini 3",
        request=asking(response_format=JSON_SCHEMA, tools=TOOLS),
        models={"gemini": "gemini-3-pro-preview"},
        only=("gemini",),
        says={"gemini": {"generationConfig.responseMimeType": "application/json"}},
    ),
    Case(
        name="stop",
        request=asking(stop=["END", "\n"]),
        says={
            "openai": {"stop": ["END", "\n"]},
            "anthropic": {"stop_sequences": ["END"]},
            "gemini": {"generationConfig.stopSequences": ["END", "\n"]},
        },
        dropped={"anthropic": ("stop",)},
    ),
    Case(
        name="one stop as text",
        request=asking(stop="END"),
        says={
            "openai": {"stop": ["END"]},
            "anthropic": {"stop_sequences": ["END"]},
            "gemini": {"generationConfig.stopSequences": ["END"]},
        },
    ),
    Case(
        name="more stops than taken",
        request=asking(stop=list("abcdef")),
        says={"openai": {"stop": list("abcd")}, "gemini": {"generationConfig.stopSequences": list("abcde")}},
        dropped={"openai": ("stop",), "gemini": ("stop",)},
    ),
    Case(
        name="sampling",
        request=asking(temperature=0.3, seed=7),
        says={
            "openai": {"temperature": 0.3, "seed": 7},
            "anthropic": {"temperature": 0.3},
            "gemini": {"generationConfig": {"temperature": 0.3, "seed": 7}},
        },
        dropped={"anthropic": ("seed",)},
    ),
    Case(
        name="sampling beyond what some take",
        request=asking(temperature=1.7, top_p=0.9, top_k=40, frequency_penalty=0.1, presence_penalty=0.2),
        says={
            "openai": {"temperature": 1.7, "top_p": 0.9, "frequency_penalty": 0.1, "top_k": ABSENT},
            "anthropic": {"temperature": 1.0, "top_k": 40, "top_p": ABSENT},
            "gemini": {
                "generationConfig": {
                    "temperature": 1.7,
                    "topP": 0.9,
                    "topK": 40,
                    "frequencyPenalty": 0.1,
                    "presencePenalty": 0.2,
                }
            },
        },
        dropped={
            "openai": ("top_k",),
            "anthropic": ("temperature", "top_p", "frequency_penalty", "presence_penalty"),
        },
    ),
    Case(
        name="defaults said aloud are not reported",
        request=asking(n=1, frequency_penalty=0.0, logprobs=False),
        says={"anthropic": {"n": ABSENT}},
    ),
    Case(
        name="several answers, log-probabilities",
        request=asking(n=2, top_logprobs=3),
        says={
            "openai": {"n": 2, "logprobs": True, "top_logprobs": 3},
            "gemini": {"generationConfig": {"candidateCount": 2, "responseLogprobs": True, "logprobs": 3}},
        },
        dropped={"anthropic": ("n", "top_logprobs")},
    ),
    Case(
        name="user and tags",
        request=asking(user="u1", metadata={"team": "a"}),
        says={"openai": {"user": "u1", "metadata": {"team": "a"}}, "anthropic": {"metadata": {"user_id": "u1"}}},
        dropped={"anthropic": ("metadata",), "gemini": ("user", "metadata")},
    ),
    Case(
        name="cache marks stay at Anthropic and go elsewhere",
        request=asking(
            messages=[
                {"role": "system", "content": [text("Long.", cache_control={"type": "ephemeral"})]},
                user([text("Hi", cache_control={"type": "ephemeral", "ttl": "1h"})]),
                {"role": "assistant", "content": "Yes", "cache_control": {"type": "ephemeral"}},
                user(),
            ],
            tools=[{**WEATHER, "cache_control": {"type": "ephemeral"}}],
        ),
        says={
            "openai": {"messages.1.content": [text("Hi")], "messages.2": {"role": "assistant", "content": "Yes"}},
            "anthropic": {
                "system.0.cache_control": {"type": "ephemeral"},
                "messages.0.content.0.cache_control": {"type": "ephemeral", "ttl": "1h"},
                "messages.1.content.0.cache_control": {"type": "ephemeral"},
                "tools.0.cache_control": {"type": "ephemeral"},
            },
            "gemini": {"contents.0.parts": [{"text": "Hi"}]},
        },
    ),
    Case(
        name="the provider's own options",
        request=asking(
            temperature=0.5,
            provider_options={
                "openai": {"service_tier": "flex", "temperature": 0.7},
                "anthropic": {"service_tier": "standard_only"},
                "gemini": {
                    "generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"},
                    "safetySettings": [
                        {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"},
                    ],
                },
            },
        ),
        says={
            "openai": {"service_tier": "flex", "temperature": 0.7},
            "anthropic": {"service_tier": "standard_only", "temperature": 0.5},
            "gemini": {
                "generationConfig": {"temperature": 0.5, "mediaResolution": "MEDIA_RESOLUTION_LOW"},
                "safetySettings.0.threshold": "BLOCK_NONE",
            },
        },
    ),
    Case(
        name="no tools now, one at a time",
        request=asking(tools=TOOLS, tool_choice="none", parallel_tool_calls=False),
        only=("openai", "anthropic"),
        says={"anthropic": {"tool_choice": {"type": "none"}}, "openai": {"tool_choice": "none"}},
    ),
    Case(
        name="a provider's own tool passes as it is",
        request=asking(tools=[{"type": "web_search_20250305", "name": "web_search"}, CLOCK]),
        only=("anthropic",),
        says={"anthropic": {"tools.0.type": "web_search_20250305", "tools.1.name": "clock"}},
    ),
    Case(
        name="Google's own tool passes as it is",
        request=asking(tools=[{"googleSearch": {}}, CLOCK]),
        only=("gemini",),
        says={"gemini": {"tools.1": {"googleSearch": {}}}},
    ),
    Case(
        name="OpenAI's custom tool passes as it is",
        request=asking(tools=[{"type": "custom", "custom": {"name": "sql"}}]),
        only=("openai",),
        says={"openai": {"tools.0.custom.name": "sql"}},
    ),
    Case(
        name="a free choice among some tools",
        request=asking(
            tools=TOOLS,
            tool_choice={
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "clock"}}]},
            },
        ),
        says={
            "anthropic": {"tool_choice": {"type": "auto"}},
            "gemini": {"toolConfig.functionCallingConfig": {"mode": "AUTO"}},
        },
        dropped={"anthropic": ("tool_choice",), "gemini": ("tool_choice",)},
    ),
    Case(
        name="a JSON schema that is not there",
        request=asking(response_format={"type": "json_schema", "json_schema": {"name": "n"}}),
        only=("anthropic", "gemini"),
        dropped={"anthropic": ("response_format",), "gemini": ("response_format",)},
    ),
    Case(
        name="answers as plain text, said aloud",
        request=asking(response_format={"type": "text"}),
        says={"anthropic": {"output_config": ABSENT}, "gemini": {"generationConfig": ABSENT}},
    ),
    Case(
        name="a schema of alternatives",
        request=asking(
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": {"anyOf": [CLOSED, {"type": "object", "properties": {}}]}},
            }
        ),
        only=("anthropic",),
        says={"anthropic": {"output_config.format.schema.anyOf.1.additionalProperties": False}},
    ),
    Case(
        name="an open object cannot be promised",
        request=asking(
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": {**CLOSED, "additionalProperties": True}},
            }
        ),
        only=("anthropic",),
        says={"anthropic": {"output_config.format.schema.additionalProperties": False}},
        dropped={"anthropic": ("response_format",)},
    ),
    Case(
        name="an image given as a file, and a file without a name or form",
        request=asking(
            messages=[
                user(
                    [
                        {"type": "file", "file": {"filename": "a.png", "file_data": PIXEL}},
                        {"type": "file", "file": {"file_data": PDF}},
                    ]
                )
            ]
        ),
        says={
            "openai": {"messages.0.content.1.file.filename": "file.pdf"},
            "anthropic": {
                "messages.0.content.0.source.media_type": "image/png",
                "messages.0.content.1.source.media_type": "application/pdf",
            },
            "gemini": {"contents.0.parts.0.inlineData.mimeType": "image/png"},
        },
    ),
    Case(
        name="a cache mark on a tool result belongs to the whole of it",
        request=asking(
            messages=[
                *tool_loop("t1")[:2],
                {
                    "role": "tool",
                    "tool_call_id": "t1",
                    "content": [text("sunny")],
                    "cache_control": {"type": "ephemeral"},
                },
            ],
            tools=TOOLS,
        ),
        says={
            "openai": {"messages.2.cache_control": ABSENT},
            "anthropic": {
                "messages.2.content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t1",
                        "content": [text("sunny")],
                        "cache_control": {"type": "ephemeral"},
                    }
                ]
            },
        },
    ),
    Case(
        name="an earlier refusal",
        request=asking(messages=[user(), {"role": "assistant", "content": None, "refusal": "No."}, user("Please")]),
        says={
            "openai": {"messages.1.refusal": "No."},
            "anthropic": {"messages.1.content": [text("No.")]},
            "gemini": {"contents.1.parts": [{"text": "No."}]},
        },
    ),
]
