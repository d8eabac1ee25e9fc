"""What the canonical requests of `cases` must become in the responses dialect, and requests of its own.

A file of its own, because that dialect differs from chat completions in nearly every case.
"""

from __future__ import annotations

from typing import Any

from tests.adapters.cases import (
    ABSENT,
    CLOCK,
    CLOSED,
    IMAGE_DATA,
    IMAGE_URL,
    JSON_SCHEMA,
    PDF,
    PDF_FILE,
    SCHEMA,
    TOOLS,
    WEATHER,
    Case,
    asking,
    text,
    tool_loop,
    user,
)

NAME = "openai-responses"
ONLY = (NAME,)
FLAT_WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather",
    "parameters": SCHEMA,
    "strict": False,
}

SAYS: dict[str, dict[str, Any]] = {
    "text": {"input": [user()], "max_output_tokens": 64, "model": "gpt-4.1", "store": False, "include": ABSENT},
    "no answer bound: only Anthropic needs one": {"max_output_tokens": ABSENT},
    "streamed": {"stream": True, "stream_options": ABSENT},
    "only a system message": {"instructions": ABSENT, "input.0.role": "system"},
    "image inline": {"input.0.content.1.type": "input_image"},
    "tools with nested schemas": {
        "tools.0": FLAT_WEATHER,
        "tools.1.parameters": {"type": "object", "properties": {}},
    },
    "tool_choice auto": {"tool_choice": "auto"},
    "tool_choice required": {"tool_choice": "required"},
    "tool_choice named": {"tool_choice": {"type": "function", "name": "clock"}},
    "one tool at a time": {"parallel_tool_calls": False},
    "strict tool": {"tools.0.strict": True},
    "structured output": {
        "text.format": {"type": "json_schema", "name": "person", "schema": CLOSED, "strict": True},
        "response_format": ABSENT,
    },
    "JSON without a schema": {"text.format": {"type": "json_object"}},
    "answers as plain text, said aloud": {"text.format": {"type": "text"}},
    "sampling": {"temperature": 0.3, "seed": ABSENT},
    "sampling beyond what some take": {"temperature": 1.7, "top_p": 0.9, "top_k": ABSENT, "frequency_penalty": ABSENT},
    "several answers, log-probabilities": {"top_logprobs": 3, "include": ["message.output_text.logprobs"], "n": ABSENT},
    "user and tags": {"user": "u1", "metadata": {"team": "a"}},
    "a free choice among some tools": {
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "clock"}]}
    },
    "an earlier refusal": {"input.1": {"role": "assistant", "content": "No."}},
    "an image given as a file, and a file without a name or form": {"input.0.content.1.filename": "file.pdf"},
    "a cache mark on a tool result belongs to the whole of it": {
        "input.2": {
            "type": "function_call_output",
            "call_id": "t1",
            "output": [{"type": "input_text", "text": "sunny"}],
        }
    },
}
DROPPED = {
    "tool wishes without tools": ("tool_choice", "parallel_tool_calls"),
    "stop": ("stop",),
    "one stop as text": ("stop",),
    "more stops than taken": ("stop",),
    "sampling": ("seed",),
    "sampling beyond what some take": ("frequency_penalty", "presence_penalty", "top_k"),
    "several answers, log-probabilities": ("n",),
}

RESPONSES_CASES = [
    Case(
        name="system messages at the beginning become instructions, later ones stay",
        request=asking(
            messages=[
                {"role": "system", "content": "Be brief."},
                {"role": "developer", "content": "In French."},
                user(),
                {"role": "developer", "content": "Now in German."},
                user("Again"),
            ]
        ),
        only=ONLY,
        says={
            NAME: {
                "instructions": "Be brief.\n\nIn French.",
                "input": [user(), {"role": "developer", "content": "Now in German."}, user("Again")],
            }
        },
    ),
    Case(
        name="a conversation with tools in items",
        request=asking(messages=[*tool_loop("a", "b"), user("Thanks")], tools=TOOLS),
        only=ONLY,
        says={
            NAME: {
                "input.1": {"type": "function_call", "call_id": "a", "name": "weather", "arguments": '{"city":"a"}'},
                "input.2.call_id": "b",
                "input.3": {"type": "function_call_output", "call_id": "a", "output": "sunny in a"},
                "input.4.output": "sunny in b",
                "input.5": user("Thanks"),
            }
        },
    ),
    Case(
        name="images and files in all their forms",
        request=asking(
            messages=[
                user(
                    [
                        text("Look"),
                        IMAGE_DATA,
                        IMAGE_URL,
                        PDF_FILE,
                        {"type": "file", "file": {"file_id": "file-1"}},
                        {"type": "file", "file": {"file_url": "https://example.com/a.pdf"}},
                        {"type": "file", "file": {"filename": "n.txt", "file_data": "data:text/plain;base64,aGk="}},
                    ]
                )
            ]
        ),
        only=ONLY,
        says={
            NAME: {
                "input.0.content.0": {"type": "input_text", "text": "Look"},
                "input.0.content.1.image_url": IMAGE_DATA["image_url"]["url"],  # type: ignore[index]  # a plain literal
                "input.0.content.2": {
                    "type": "input_image",
                    "image_url": "https://example.com/cat.jpg",
                    "detail": "low",
                },
                "input.0.content.3": {
                    "type": "input_file",
                    "filename": "a.pdf",
                    "file_data": f"data:application/pdf;base64,{PDF}",
                },
                "input.0.content.4": {"type": "input_file", "file_id": "file-1"},
                "input.0.content.5": {"type": "input_file", "file_url": "https://example.com/a.pdf"},
                "input.0.content.6": {"type": "input_text", "text": "[n.txt]\nhi"},
            }
        },
    ),
    Case(
        name="a custom tool, its call and what it gave",
        request=asking(
            messages=[
                user(),
                {
                    "role": "assistant",
                    "content": "Well.",
                    "tool_calls": [{"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}],
                },
            ],
            tools=[
                {
                    "type": "custom",
                    "custom": {
                        "name": "sql",
                        "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /x/"}},
                    },
                }
            ],
        ),
        only=ONLY,
        says={
            NAME: {
                "tools.0": {
                    "type": "custom",
                    "name": "sql",
                    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /x/"},
                },
                "input.1": {"role": "assistant", "content": "Well."},
                "input.2": {"type": "custom_tool_call", "call_id": "c1", "name": "sql", "input": "select 1"},
            }
        },
    ),
    Case(
        name="the interface's own tool passes as it is",
        request=asking(tools=[{"type": "web_search"}, CLOCK]),
        only=ONLY,
        says={NAME: {"tools.0": {"type": "web_search"}, "tools.1.name": "clock"}},
    ),
    Case(
        name="a required choice among several tools",
        request=asking(
            tools=TOOLS,
            tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [WEATHER, CLOCK]}},
        ),
        only=ONLY,
        says={NAME: {"tool_choice.mode": "required", "tool_choice.tools.1.name": "clock"}},
    ),
    Case(
        name="reasoning is asked for in a form that can come back",
        request=asking(effort="high", temperature=0.2, top_p=1, top_logprobs=2, tools=TOOLS),
        models={NAME: "gpt-5.4"},
        only=ONLY,
        says={
            NAME: {
                "reasoning": {"effort": "high"},
                "include": ["reasoning.encrypted_content"],
                "temperature": ABSENT,
                "store": False,
            }
        },
        dropped={NAME: ("temperature", "top_logprobs")},
    ),
    Case(
        name="an effort that the model has not",
        request=asking(effort="max"),
        models={NAME: "o3"},
        only=ONLY,
        says={NAME: {"reasoning.effort": "high"}},
        dropped={NAME: ("effort",)},
    ),
    Case(
        name="xAI hands out reasoning encrypted too",
        request=asking(effort="low"),
        base_urls={NAME: "https://api.x.ai/v1"},
        models={NAME: "grok-4.5"},
        only=ONLY,
        says={NAME: {"reasoning.effort": "low", "include": ["reasoning.encrypted_content"]}},
    ),
    Case(
        name="a bound below the least that is taken",
        request=asking(max_tokens=5),
        only=ONLY,
        says={NAME: {"max_output_tokens": 16}},
        dropped={NAME: ("max_tokens",)},
    ),
    Case(
        name="its own options, merged",
        request=asking(
            response_format=JSON_SCHEMA, provider_options={NAME: {"store": True, "text": {"verbosity": "low"}}}
        ),
        only=ONLY,
        says={NAME: {"store": True, "text.verbosity": "low", "text.format.name": "person"}},
    ),
]
