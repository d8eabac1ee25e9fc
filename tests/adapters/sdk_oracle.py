"""Judges request bodies by the official SDKs' own types. Run as a program: JSON lines in, JSON lines out.

It runs in its own process because the SDKs must be imported with `typing.Iterable` read as `typing.List`: pydantic
checks iterables lazily, that is not at all, and half of all wrong bodies would pass. Every TypedDict of a package is
made to refuse unknown keys for the same reason.
"""

from __future__ import annotations

import base64
import importlib
import json
import pkgutil
import re
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


def anthropic_beta_judge() -> Judge:
    """The types of the beta interface, which know the server's tools and what comes back of them."""
    load("anthropic.types.beta")
    name = "MessageCreateParams"
    untyped = frozenset({"temperature", "top_p", "top_k"})
    module = "anthropic.types.beta.message_create_params"
    return typed_dict_judge(module, f"{name}NonStreaming", f"{name}Streaming", untyped)


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


def mistral_judge() -> Judge:
    """The SDK's models are open: what they do not know is dropped. So what comes out is compared with what went in."""
    request = importlib.import_module("mistralai.client.models").ChatCompletionRequest

    def judge(body: dict[str, Any]) -> None:
        covered(body, request.model_validate(body).model_dump(by_alias=True, mode="json"), "body")

    return judge


def covered(given: Any, dumped: Any, where: str) -> None:
    """Raises `ValueError` for anything in `given` that `dumped` has lost."""
    if isinstance(given, dict) and isinstance(dumped, dict):
        if missing := given.keys() - dumped.keys():
            raise ValueError(f"{where}: unknown keys {sorted(missing)}")
        for key, value in given.items():
            covered(value, dumped[key], f"{where}.{key}")
    elif isinstance(given, list) and isinstance(dumped, list) and len(given) == len(dumped):
        for place, (one, other) in enumerate(zip(given, dumped, strict=True)):
            covered(one, other, f"{where}.{place}")
    elif given != dumped:
        raise ValueError(f"{where}: {given!r} became {dumped!r}")


def bedrock_judge() -> Judge:
    """Walks the service model's shapes: botocore's own validator skips enums, patterns, upper bounds and unions."""
    model = importlib.import_module("botocore.loaders").Loader().load_service_model("bedrock-runtime", "service-2")
    shapes = model["shapes"]

    def judge(body: dict[str, Any]) -> None:
        walk({"modelId": "m", **body}, "ConverseRequest", "body")

    def walk(value: Any, name: str, where: str) -> None:
        shape = shapes[name]
        kind = shape["type"]
        if shape.get("document"):
            json.dumps(value, allow_nan=False)
        elif kind == "structure":
            fields(value, shape, where)
        elif kind == "list":
            bounds(len(expect(value, list, where)), shape, where)
            for place, item in enumerate(value):
                walk(item, shape["member"]["shape"], f"{where}.{place}")
        elif kind == "map":
            bounds(len(expect(value, dict, where)), shape, where)
            for key, item in value.items():
                walk(key, shape["key"]["shape"], f"{where}.{key}")
                walk(item, shape["value"]["shape"], f"{where}.{key}")
        else:
            scalar(value, shape, kind, where)

    def fields(value: Any, shape: dict[str, Any], where: str) -> None:
        members = shape["members"]
        if unknown := expect(value, dict, where).keys() - members.keys():
            raise ValueError(f"{where}: unknown keys {sorted(unknown)}")
        if missing := set(shape.get("required", ())) - value.keys():
            raise ValueError(f"{where}: missing keys {sorted(missing)}")
        if shape.get("union") and len(value) != 1:
            raise ValueError(f"{where}: a union of {len(value)} members")
        for key, item in value.items():
            walk(item, members[key]["shape"], f"{where}.{key}")

    return judge


def scalar(value: Any, shape: dict[str, Any], kind: str, where: str) -> None:
    """A text, a number, a flag or (as base64) bytes."""
    kinds = {"string": str, "blob": str, "boolean": bool, "integer": int, "long": int, "float": (int, float)}
    expect(value, kinds[kind], where)
    if "enum" in shape and value not in shape["enum"]:
        raise ValueError(f"{where}: {value!r} is none of {shape['enum']}")
    if "pattern" in shape and not re.fullmatch(shape["pattern"], value):
        raise ValueError(f"{where}: {value!r} does not match {shape['pattern']}")
    if kind == "blob":
        base64.b64decode(value, validate=True)
    if kind != "boolean":
        bounds(len(value) if isinstance(value, str) else value, shape, where)


def expect(value: Any, kind: Any, where: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{where}: {value!r} is no {kind}")
    return value


def bounds(size: float, shape: dict[str, Any], where: str) -> None:
    if not shape.get("min", size) <= size <= shape.get("max", size):
        raise ValueError(f"{where}: {size} is not within {shape.get('min')} and {shape.get('max')}")


JUDGES = {
    "openai": openai_judge,
    "openai-responses": responses_judge,
    "anthropic": anthropic_judge,
    "anthropic-beta": anthropic_beta_judge,
    "gemini": gemini_judge,
    "bedrock": bedrock_judge,
    "mistral": mistral_judge,
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
