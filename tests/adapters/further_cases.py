"""What the canonical requests of `cases` must become at Bedrock and Mistral, and requests of their own.

`SAYS` and `DROPPED` map adapter to case name; `REFUSED` names the cases that a dialect has no form for, with the words
of its refusal: those are no bodies, and are tested as refusals.
"""

from __future__ import annotations

from typing import Any

from tests.adapters.cases import (
    ABSENT,
    CLOSED,
    IMAGE_DATA,
    JSON_SCHEMA,
    PDF,
    PIXEL,
    TOOLS,
    WEATHER,
    Case,
    asking,
    call,
    text,
    tool_loop,
    user,
)

FURTHER = ("bedrock", "mistral")
POINT = {"cachePoint": {"type": "default"}}

REFUSED = {
    "bedrock": {
        "image by address": r"messages\[0\].content\[0\]: bedrock fetches no address",
        "uploaded file by id": r"messages\[0\].content\[0\]: bedrock fetches no address",
    },
    "mistral": {},
}
BESIDES = {  # cases that were written for some dialects only, and that these take too
    "audio": FURTHER,
    "a JSON schema that is not there": FURTHER,
}

SAYS: dict[str, dict[str, dict[str, Any]]] = {
    "bedrock": {
        "text": {
            "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
            "inferenceConfig": {"maxTokens": 64},
            "model": ABSENT,
            "modelId": ABSENT,
        },
        "no answer bound: only Anthropic needs one": {"inferenceConfig": ABSENT},
        "streamed": {"stream": ABSENT},
        "system first": {"system": [{"text": "Be brief."}], "messages.1": ABSENT},
        "system and a late developer message keep their order": {
            "system": [{"text": "One."}, {"text": "Two."}],
            "messages.2.content": [{"text": "Go on"}],
        },
        "only a system message": {"messages.0.content": [{"text": "Say hello."}], "system": ABSENT},
        "neighbours of one role become one message where alternation is wanted": {
            "messages.0.content": [{"text": "A"}, {"text": "B"}],
            "messages.2.content": [{"text": "D"}],
        },
        "empty texts are left out where they are refused": {"messages.0.content": [{"text": "Hi"}, {"text": "You?"}]},
        "image inline": {"messages.0.content.1": {"image": {"format": "png", "source": {"bytes": PIXEL}}}},
        "PDF file": {
            "messages.0.content.0": {"document": {"format": "pdf", "name": "a", "source": {"bytes": PDF}}},
        },
        "text file": {
            "messages.0.content": [
                {"text": "n"},
                {"document": {"format": "txt", "name": "n", "source": {"bytes": "aGVsbG8gd29ybGQ="}}},
            ]
        },
        "audio": {"messages.0.content.0.audio": {"format": "wav", "source": {"bytes": "UklGRg=="}}},
        "tools with nested schemas": {
            "toolConfig.tools.1.toolSpec": {
                "name": "clock",
                "inputSchema": {"json": {"type": "object", "properties": {}}},
            },
            "toolConfig.toolChoice": ABSENT,
        },
        "tool_choice auto": {"toolConfig.toolChoice": {"auto": {}}},
        "tool_choice none": {"toolConfig": ABSENT},
        "tool_choice required": {"toolConfig.toolChoice": {"any": {}}},
        "tool_choice named": {"toolConfig.toolChoice": {"tool": {"name": "clock"}}},
        "tool_choice among some tools": {"toolConfig.toolChoice": {"any": {}}},
        "a free choice among some tools": {"toolConfig.toolChoice": {"auto": {}}},
        "tool wishes without tools": {"toolConfig": ABSENT},
        "strict tool": {"toolConfig.tools.0.toolSpec.strict": True},
        "a call and its result": {
            "messages.1.content": [{"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "t1"}}}],
            "messages.2.content": [
                {"toolResult": {"toolUseId": "t1", "content": [{"text": "sunny in t1"}]}},
                {"text": "Thanks"},
            ],
        },
        "parallel calls and their results": {
            "messages.1.content.1.toolUse.toolUseId": "t2",
            "messages.2.content.1.toolResult.toolUseId": "t2",
        },
        "ids of other providers are made acceptable, in the call and in its result alike": {
            "messages.1.content.0.toolUse.toolUseId": "functions.weather:0",
            "messages.2.content.0.toolResult.toolUseId": "functions.weather:0",
        },
        "text beside a call, and arguments that are no JSON": {
            "messages.1.content.0": {"text": "Let me look."},
            "messages.1.content.1.toolUse.input": {"raw_arguments": '{"city": '},
        },
        "a tool result with an image": {"messages.2.content.0.toolResult.content.1.image.format": "png"},
        "structured output": {
            "outputConfig.textFormat.type": "json_schema",
            "outputConfig.textFormat.structure.jsonSchema.name": "person",
        },
        "JSON without a schema": {"outputConfig": ABSENT},
        "a JSON schema that is not there": {"outputConfig": ABSENT},
        "answers as plain text, said aloud": {"outputConfig": ABSENT},
        "stop": {"inferenceConfig.stopSequences": ["END"]},
        "one stop as text": {"inferenceConfig.stopSequences": ["END"]},
        "sampling": {"inferenceConfig": {"temperature": 0.3}},
        "sampling beyond what some take": {
            "inferenceConfig": {"temperature": 1.0},
            "additionalModelRequestFields": {"top_k": 40},
        },
        "user and tags": {"requestMetadata": {"team": "a"}, "user": ABSENT},
        "cache marks stay at Anthropic and go elsewhere": {
            "system": [{"text": "Long."}, POINT],
            "messages.0.content": [{"text": "Hi"}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
            "messages.1.content": [{"text": "Yes"}, POINT],
            "toolConfig.tools.1": POINT,
        },
        "a cache mark on a tool result belongs to the whole of it": {
            "messages.2.content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "sunny"}]}}, POINT],
        },
        "an earlier refusal": {"messages.1.content": [{"text": "No."}]},
        "an image given as a file, and a file without a name or form": {
            "messages.0.content.0": {"text": "document"},
            "messages.0.content.1.image.format": "png",
            "messages.0.content.2.document.format": "pdf",
        },
    },
    "mistral": {
        "text": {"messages": [user()], "max_tokens": 64, "model": "mistral-small-latest"},
        "streamed": {"stream": True, "stream_options": ABSENT},
        "system and a late developer message keep their order": {"messages.3": {"role": "system", "content": "Two."}},
        "image inline": {"messages.0.content.1": {"type": "image_url", "image_url": f"data:image/png;base64,{PIXEL}"}},
        "image by address": {
            "messages.0.content.0": {"type": "image_url", "image_url": "https://example.com/cat.jpg"},
        },
        "PDF file": {
            "messages.0.content.0": {
                "type": "document_url",
                "document_url": f"data:application/pdf;base64,{PDF}",
                "document_name": "a.pdf",
            }
        },
        "text file": {"messages.0.content.0": text("[n.txt]\nhello world")},
        "uploaded file by id": {"messages.0.content.0": {"type": "file", "file_id": "file-1"}},
        "audio": {"messages.0.content.0": {"type": "input_audio", "input_audio": "UklGRg=="}},
        "tools with nested schemas": {"tools.0": WEATHER, "tools.1.function.parameters.type": "object"},
        "tool_choice auto": {"tool_choice": "auto"},
        "tool_choice none": {"tool_choice": "none"},
        "tool_choice required": {"tool_choice": "any"},
        "tool_choice named": {"tool_choice": {"type": "function", "function": {"name": "clock"}}},
        "tool_choice among some tools": {"tool_choice": "any"},
        "a free choice among some tools": {"tool_choice": "auto"},
        "one tool at a time": {"parallel_tool_calls": False},
        "strict tool": {"tools.0.function.strict": True},
        "a call and its result": {
            "messages.1.tool_calls.0.id": "628b49d96",
            "messages.2.tool_call_id": "628b49d96",
            "messages.3": {"role": "assistant", "content": "Understood."},  # Mistral takes no user right after a tool
            "messages.4": user("Thanks"),
        },
        "structured output": {"response_format": JSON_SCHEMA},
        "JSON without a schema": {"response_format": {"type": "json_object"}},
        "sampling": {"temperature": 0.3, "random_seed": 7, "seed": ABSENT},
        "sampling beyond what some take": {"temperature": 1.5, "top_p": 0.9, "top_k": 40, "frequency_penalty": 0.1},
        "several answers, log-probabilities": {"n": 2, "logprobs": True, "top_logprobs": 3},
        "user and tags": {"metadata": {"team": "a"}, "user": ABSENT},
        "cache marks stay at Anthropic and go elsewhere": {
            "messages.1.content": [text("Hi")],
            "messages.2": {"role": "assistant", "content": "Yes"},
            "tools.0": WEATHER,
        },
        "an earlier refusal": {"messages.1": {"role": "assistant", "content": "No."}},
        "more stops than taken": {"stop": list("abcdef")},
    },
}

_LOST = ("frequency_penalty", "presence_penalty")
DROPPED: dict[str, dict[str, tuple[str, ...]]] = {
    "bedrock": {
        "tool_choice among some tools": ("tool_choice",),
        "a free choice among some tools": ("tool_choice",),
        "one tool at a time": ("parallel_tool_calls",),
        "tool wishes without tools": ("tool_choice", "parallel_tool_calls"),
        "structured output with what a grammar cannot enforce": ("response_format",),
        "JSON without a schema": ("response_format",),
        "a JSON schema that is not there": ("response_format",),
        "stop": ("stop",),
        "sampling": ("seed",),
        "sampling beyond what some take": ("temperature", "top_p", *_LOST),
        "several answers, log-probabilities": ("n", "top_logprobs"),
        "user and tags": ("user",),
    },
    "mistral": {
        "tool_choice among some tools": ("tool_choice",),
        "a free choice among some tools": ("tool_choice",),
        "tool wishes without tools": ("tool_choice", "parallel_tool_calls"),
        "a JSON schema that is not there": ("response_format",),
        "sampling beyond what some take": ("temperature",),
        "user and tags": ("user",),
    },
}


def _one(adapter: str, name: str, says: dict[str, Any], *dropped: str, model: str = "", **fields: Any) -> Case:
    models = {adapter: model} if model else {}
    return Case(
        name=name, request=asking(**fields), models=models, only=(adapter,), says={adapter: says},
        dropped={adapter: dropped},
    )  # fmt: skip


NOVA, NOVA_2 = "us.amazon.nova-lite-v1:0", "us.amazon.nova-2-lite-v1:0"
_OFFICE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def _file(name: str, mime: str) -> dict[str, Any]:
    return {"type": "file", "file": {"filename": name, "file_data": f"data:{mime};base64,{PDF}"}}


EXTRA = "additionalModelRequestFields"
BEDROCK_CASES = [
    _one(
        "bedrock",
        "Claude with a budget",
        {EXTRA: {"thinking": {"type": "enabled", "budget_tokens": 8192}}},
        effort="medium",
        max_tokens=32000,
    ),
    _one(
        "bedrock",
        "Claude with a budget and no bound gets one",
        {EXTRA: {"thinking": {"type": "enabled", "budget_tokens": 2048}}, "inferenceConfig": {"maxTokens": 4096}},
        effort="low",
    ),
    _one(
        "bedrock",
        "Claude that adapts its thinking",
        {EXTRA: {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}, "inferenceConfig": ABSENT},
        "temperature",
        "top_k",
        model="global.anthropic.claude-sonnet-4-6",
        effort="high",
        temperature=0.5,
        top_k=3,
    ),
    _one(
        "bedrock",
        "Claude, forced to a tool, does not think",
        {EXTRA: ABSENT, "toolConfig.toolChoice": {"any": {}}},
        "effort",
        effort="low",
        tools=TOOLS,
        tool_choice="required",
        max_tokens=8000,
    ),
    _one(
        "bedrock",
        "Claude in a loop that another model began does not think",
        {EXTRA: ABSENT},
        "effort",
        effort="low",
        tools=TOOLS,
        messages=tool_loop("t1"),
        max_tokens=8000,
    ),
    _one(
        "bedrock",
        "Nova thinks by a word",
        {EXTRA: {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}},
        model=NOVA_2,
        effort="low",
    ),
    _one(
        "bedrock",
        "Nova at its highest takes no sampling",
        {EXTRA: {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, "inferenceConfig": ABSENT},
        "temperature",
        "top_p",
        "top_k",
        model=NOVA_2,
        effort="high",
        temperature=0.1,
        top_p=0.5,
        top_k=4,
    ),
    _one(
        "bedrock",
        "Nova with a bound stays below its highest",
        {
            EXTRA: {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}},
            "inferenceConfig.maxTokens": 9,
        },
        "effort",
        model=NOVA_2,
        effort="high",
        max_tokens=9,
    ),
    _one(
        "bedrock",
        "Nova without thinking",
        {EXTRA: {"reasoningConfig": {"type": "disabled"}}},
        model=NOVA_2,
        effort="none",
    ),
    _one(
        "bedrock",
        "the first Nova does not think",
        {EXTRA: {"inferenceConfig": {"topK": 5}}},
        "effort",
        model=NOVA,
        effort="low",
        top_k=5,
    ),
    _one(
        "bedrock",
        "Nova takes cache points but not after tools, and none that says how long",
        {"messages.0.content": [{"text": "Hi"}, POINT], "toolConfig.tools.1": ABSENT},
        model=NOVA,
        messages=[user([text("Hi", cache_control={"type": "ephemeral", "ttl": "1h"})])],
        tools=[{**WEATHER, "cache_control": {"type": "ephemeral"}}],
    ),
    _one(
        "bedrock",
        "Nova is held to no schema",
        {"outputConfig": ABSENT, "toolConfig.tools.0.toolSpec.strict": ABSENT},
        "strict",
        "response_format",
        model=NOVA,
        response_format=JSON_SCHEMA,
        tools=[{"type": "function", "function": {"name": "f", "parameters": CLOSED, "strict": True}}],
    ),
    _one(
        "bedrock",
        "OpenAI's open models reason by a word",
        {EXTRA: {"reasoning_effort": "high"}},
        "effort",
        "top_k",
        model="openai.gpt-oss-120b-1:0",
        effort="max",
        top_k=3,
    ),
    _one(
        "bedrock",
        "Qwen reasons by a word of its own",
        {EXTRA: {"reasoning_config": "low"}},
        model="qwen.qwen3-32b-v1:0",
        effort="low",
    ),
    _one("bedrock", "Qwen without thinking says nothing", {EXTRA: ABSENT}, model="qwen.qwen3-32b-v1:0", effort="none"),
    _one(
        "bedrock",
        "Llama cannot be forced to a tool and takes no cache points",
        {"toolConfig.toolChoice": {"auto": {}}, "messages.0.content": [{"text": "Hi"}]},
        "tool_choice",
        "effort",
        model="us.meta.llama4-maverick-17b-instruct-v1:0",
        tools=TOOLS,
        tool_choice="required",
        effort="low",
        messages=[user([text("Hi", cache_control={"type": "ephemeral"})])],
    ),
    _one(
        "bedrock",
        "Mistral at Bedrock can be forced to some tool only",
        {"toolConfig.toolChoice": {"any": {}}},
        "tool_choice",
        model="mistral.mistral-large-2407-v1:0",
        tools=TOOLS,
        tool_choice={"type": "function", "function": {"name": "clock"}},
    ),
    _one(
        "bedrock",
        "an inference profile's ARN is nobody's model",
        {EXTRA: ABSENT},
        "effort",
        model="arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/mi1dadi0g15f",
        effort="low",
    ),
    _one("bedrock", "an effort that nobody knows", {EXTRA: ABSENT}, "effort", model=NOVA_2, effort="enormous"),
    _one(
        "bedrock",
        "a conversation that used tools, without any now",
        {
            "messages.1.content": [{"text": '[called weather: {"city":"t1"}]'}],
            "messages.2.content": [{"text": "[result: sunny in t1]"}],
            "toolConfig": ABSENT,
        },
        messages=tool_loop("t1"),
    ),
    _one(
        "bedrock",
        "documents have names of their own, each once, of few kinds of characters",
        {
            "messages.0.content.1.document.name": "Q3 report (final)",
            "messages.0.content.2.document.name": "Q3 report (final) 2",
            "messages.0.content.2.document.format": "docx",
            "messages.2.content.0.text": "document",
            "messages.2.content.1.document.name": "document",
        },
        messages=[
            user(
                [
                    text("Sum up"),
                    _file("Q3_report (final).pdf", "application/pdf"),
                    _file("Q3:report (final).docx", _OFFICE),
                ]
            ),
            {"role": "assistant", "content": "?"},
            user([{"type": "file", "file": {"file_data": PDF}}]),
        ],
    ),
    _one(
        "bedrock",
        "a file in S3",
        {"messages.0.content.0.image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/a.png"}}}},
        messages=[user([{"type": "image_url", "image_url": {"url": "s3://bucket/a.png"}}, text("What?")])],
    ),
    _one(
        "bedrock",
        "an id that is too long keeps its front and stays unique",
        {
            "messages.1.content.0.toolUse.toolUseId": "x" * 55 + "_360a8ee8",
            "messages.2.content.0.toolResult.toolUseId": "x" * 55 + "_360a8ee8",
        },
        messages=tool_loop("x" * 90),
        tools=TOOLS,
    ),
    _one(
        "bedrock",
        "metadata that AWS refuses",
        {"requestMetadata": {"team": "a"}},
        "metadata",
        metadata={"team": "a", "bad": "a|b"},
    ),
    _one(
        "bedrock",
        "Bedrock's own options and tools",
        {
            "toolConfig.tools.0": {"systemTool": {"name": "nova_grounding"}},
            "serviceTier": {"type": "flex"},
            "inferenceConfig": {"temperature": 0.5, "topP": 0.1},
        },
        model=NOVA_2,
        tools=[{"systemTool": {"name": "nova_grounding"}}],
        temperature=0.5,
        provider_options={"bedrock": {"serviceTier": {"type": "flex"}, "inferenceConfig": {"topP": 0.1}}},
    ),
    _one(
        "bedrock",
        "an answer that is to be continued",
        {"messages.1.content": [{"text": "The answer is:"}]},
        messages=[user(), {"role": "assistant", "content": "The answer is: "}],
    ),
    _one(
        "bedrock",
        "an empty tool result",
        {"messages.2.content.0.toolResult.content": []},
        messages=[*tool_loop("t1")[:2], {"role": "tool", "tool_call_id": "t1", "content": ""}],
        tools=TOOLS,
    ),
]
MISTRAL_CASES = [
    _one("mistral", "a hybrid model thinks if asked", {"reasoning_effort": "high"}, "effort", effort="max"),
    _one("mistral", "a hybrid model that shall not think", {"reasoning_effort": "none"}, effort="none"),
    _one("mistral", "little thinking is none", {"reasoning_effort": "none"}, "effort", effort="low"),
    _one(
        "mistral",
        "a model that cannot think",
        {"reasoning_effort": ABSENT},
        "effort",
        model="codestral-2508",
        effort="high",
    ),
    _one(
        "mistral",
        "a model that cannot think, and shall not",
        {"reasoning_effort": ABSENT},
        model="codestral-2508",
        effort="none",
    ),
    _one(
        "mistral",
        "a small model of before",
        {"reasoning_effort": ABSENT},
        "effort",
        model="mistral-small-2506",
        effort="high",
    ),
    _one(
        "mistral",
        "a model that always thinks",
        {"reasoning_effort": ABSENT},
        "effort",
        model="magistral-medium-latest",
        effort="none",
    ),
    _one(
        "mistral",
        "an answer that is to be continued",
        {"messages.1": {"role": "assistant", "content": "The", "prefix": True}},
        messages=[user(), {"role": "assistant", "content": "The"}],
    ),
    _one(
        "mistral",
        "Mistral's own ids stay",
        {"messages.1.tool_calls.0.id": "aB3dE6gH9", "messages.2.tool_call_id": "aB3dE6gH9"},
        messages=tool_loop("aB3dE6gH9"),
        tools=TOOLS,
    ),
    _one(
        "mistral",
        "an image given as a file",
        {"messages.0.content.0.image_url": f"data:image/png;base64,{PIXEL}"},
        messages=[user([{"type": "file", "file": {"filename": "a.png", "file_data": PIXEL}}, IMAGE_DATA])],
    ),
    _one(
        "mistral",
        "a tool's name at its result",
        {"messages.2.name": "weather"},
        messages=[
            user(),
            {"role": "assistant", "tool_calls": [call("t1", "weather", "{}")]},
            {"role": "tool", "tool_call_id": "t1", "name": "weather", "content": "sunny"},
        ],
        tools=TOOLS,
    ),
    _one(
        "mistral", "Mistral's own options", {"safe_prompt": True}, provider_options={"mistral": {"safe_prompt": True}}
    ),
    _one(
        "mistral",
        "a schema without a name",
        {"response_format.json_schema": {"name": "answer", "schema": CLOSED}},
        response_format={"type": "json_schema", "json_schema": {"schema": CLOSED}},
    ),
]
FURTHER_CASES = [*BEDROCK_CASES, *MISTRAL_CASES]
