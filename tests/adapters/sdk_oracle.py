"""Judges request bodies by the official SDKs' own types. Run as a program: JSON lines in, JSON lines out.

It runs in its own process because the SDKs must be imported with `typing.Iterable` read as `typing.List`: pydantic
checks iterables lazily, that is not at all, and half of all wrong bodies would pass. Every TypedDict of a package is
made to refuse unknown keys for the same reason.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import typing
from collections.abc import Callable
from typing import Any

Judge = Callable[[dict[str, Any]], None]


def load(package: str) -> None:
    """Imports all type modules of `package`, strictly."""
    root = importlib.import_module(package)
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        module = importlib.import_module(found.name)
        for value in vars(module).values():
            if isinstance(value, type) and hasattr(value, "__total__") and not hasattr(value, "__pydantic_config__"):
                value.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]  # how pydantic reads it


def typed_dict_judge(module: str, whole_name: str, stream_name: str, untyped: frozenset[str] = frozenset()) -> Judge:
    """Judges a body by the SDK's parameters of a plain or a streamed call; keys in `untyped` are not looked at."""
    params, adapter = importlib.import_module(module), importlib.import_module("pydantic").TypeAdapter
    whole, stream = adapter(getattr(params, whole_name)), adapter(getattr(params, stream_name))

    def judge(body: dict[str, Any]) -> None:
        typed = {key: value for key, value in body.items() if key not in untyped}
        (stream if body.get("stream") else whole).validate_python(typed)

    return judge


def openai_judge() -> Judge:
    load("openai.types.shared_params")
    load("openai.types.chat")
    name = "CompletionCreateParams"
    return typed_dict_judge("openai.types.chat.completion_create_params", f"{name}NonStreaming", f"{name}Streaming")


def responses_judge() -> Judge:
    load("openai.types.shared_params")
    load("openai.types.responses")
    name = "ResponseCreateParams"
    return typed_dict_judge("openai.types.responses.response_create_params", f"{name}NonStreaming", f"{name}Streaming")


def anthropic_judge() -> Judge:
    load("anthropic.types")
    name = "MessageCreateParams"
    # The types no longer have these three, though older models still take them.
    untyped = frozenset({"temperature", "top_p", "top_k"})
    return typed_dict_judge("anthropic.types.message_create_params", f"{name}NonStreaming", f"{name}Streaming", untyped)


def gemini_judge() -> Judge:
    types = importlib.import_module("google.genai.types")
    parts: dict[str, tuple[Any, bool]] = {
        "contents": (types.Content, True),
        "tools": (types.Tool, True),
        "safetySettings": (types.SafetySetting, True),
        "systemInstruction": (types.Content, False),
        "toolConfig": (types.ToolConfig, False),
        "generationConfig": (types.GenerationConfig, False),
    }

    def judge(body: dict[str, Any]) -> None:
        for key, value in body.items():
            kind, many = parts[key]
            for one in value if many else (value,):
                kind.model_validate_json(json.dumps(one))

    return judge


JUDGES = {
    "openai": openai_judge,
    "openai-responses": responses_judge,
    "anthropic": anthropic_judge,
    "gemini": gemini_judge,
}


def main() -> None:
    typing.Iterable = typing.List  # type: ignore[misc]  # noqa: UP006 - see the module's first lines
    name = sys.argv[1]
    try:
        judge = JUDGES[name]()
    except ModuleNotFoundError as error:
        print(json.dumps({"absent": str(error)}))
        return
    for line in sys.stdin:
        try:
            judge(json.loads(line))
            print(json.dumps({"error": None}))
        except Exception as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"[:1500]}))


if __name__ == "__main__":
    main()
