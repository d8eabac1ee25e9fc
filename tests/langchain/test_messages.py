"""LangChain's messages, in the three notations that people mix, as canonical ones."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from junctor.exceptions import InvalidRequest
from junctor.langchain.messages import canonical

MARK = {"type": "ephemeral"}
CALL = {"name": "find", "args": {"line": 3}, "id": "c1", "type": "tool_call"}
CALLED = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"line":3}'}}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"}


def one(message: BaseMessage) -> dict[str, Any]:
    """The message alone."""
    (found,) = canonical([message])
    return found


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (SystemMessage("Be kind."), {"role": "system", "content": "Be kind."}),
        (
            SystemMessage("Be kind.", additional_kwargs={"__openai_role__": "developer"}),
            {"role": "developer", "content": "Be kind."},
        ),
        (HumanMessage("Hi", name="ada"), {"role": "user", "content": "Hi", "name": "ada"}),
        (HumanMessage("Hi", name="my agent"), {"role": "user", "content": "Hi"}),
        (ChatMessage(content="Hi", role="user"), {"role": "user", "content": "Hi"}),
        (HumanMessage(["Hi", {"type": "text", "text": "there"}]), {"role": "user", "content": "Hi\nthere"}),
        (AIMessage("Hi"), {"role": "assistant", "content": "Hi"}),
        (AIMessage(""), {"role": "assistant", "content": ""}),
        (AIMessage("", tool_calls=[CALL]), {"role": "assistant", "content": None, "tool_calls": [CALLED]}),
        (ToolMessage("3", tool_call_id="c1"), {"role": "tool", "tool_call_id": "c1", "content": "3"}),
        (
            ToolMessage("", tool_call_id="c1", status="error"),
            {"role": "tool", "tool_call_id": "c1", "content": "error"},
        ),
    ],
)
def test_roles_and_texts(message: BaseMessage, expected: dict[str, Any]) -> None:
    """Each kind of message, and names only where OpenAI would take them."""
    assert one(message) == expected


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"type": "text", "text": "a", "cache_control": MARK}, {"type": "text", "text": "a", "cache_control": MARK}),
        (
            {"type": "text", "text": "a", "extras": {"cache_control": MARK}},
            {"type": "text", "text": "a", "cache_control": MARK},
        ),
        ({"type": "image", "url": "https://a/b.png"}, {"type": "image_url", "image_url": {"url": "https://a/b.png"}}),
        (
            {"type": "image", "base64": "aGk=", "mime_type": "image/gif"},
            {"type": "image_url", "image_url": {"url": "data:image/gif;base64,aGk="}},
        ),
        ({"type": "image", "file_id": "f1"}, {"type": "file", "file": {"file_id": "f1"}}),
        (
            {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}},
        ),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        ),
        (
            {"type": "document", "source": {"type": "url", "url": "https://a/b.pdf"}, "cache_control": MARK},
            {"type": "file", "file": {"file_url": "https://a/b.pdf"}, "cache_control": MARK},
        ),
        (
            {"type": "file", "base64": "aGk=", "mime_type": "application/pdf", "extras": {"filename": "a.pdf"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}},
        ),
        ({"type": "file", "url": "https://a/b.pdf"}, {"type": "file", "file": {"file_url": "https://a/b.pdf"}}),
        ({"type": "file", "file_id": "f1"}, {"type": "file", "file": {"file_id": "f1"}}),
        ({"type": "file", "file": {"file_id": "f1"}}, {"type": "file", "file": {"file_id": "f1"}}),
        (
            {"type": "video", "base64": "aGk=", "mime_type": "video/mp4"},
            {"type": "file", "file": {"file_data": "data:video/mp4;base64,aGk="}},
        ),
        (
            {"type": "audio", "base64": "aGk=", "mime_type": "audio/mp3"},
            {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
        ),
        (
            {"type": "text-plain", "base64": "aGk=", "filename": "a.txt"},
            {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,aGk="}},
        ),
        ({"type": "text-plain", "text": "a"}, {"type": "text", "text": "a"}),
        ({"type": "non_standard", "value": {"type": "odd", "x": 1}}, {"type": "odd", "x": 1}),
    ],
)
def test_blocks_of_every_notation(block: dict[str, Any], part: dict[str, Any]) -> None:
    """LangChain's own, OpenAI's and Anthropic's; what none of them is stays as it is."""
    picture = {"type": "image", "url": "https://a/c.png"}
    assert one(HumanMessage([block, picture]))["content"][0] == part


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ({"type": "image"}, r"messages\[0\].content\[0\]: an empty block of type 'image'"),
        ({"type": "audio", "url": "https://a/b.wav"}, "audio by address"),
        ({"type": "text"}, "a text block without text"),
    ],
)
def test_an_empty_block_is_named(block: dict[str, Any], complaint: str) -> None:
    """Where it stands, and what it should hold."""
    with pytest.raises(InvalidRequest, match=complaint):
        canonical([HumanMessage([block])])


def test_a_message_that_is_none_is_refused() -> None:
    """An instruction to LangGraph is no part of a conversation."""
    with pytest.raises(InvalidRequest, match=r"messages\[0\]: a RemoveMessage"):
        canonical([RemoveMessage(id="1")])


@pytest.mark.parametrize(
    "blocks",
    [
        [{"type": "text", "text": "Wait."}, {"type": "tool_use", "id": "c1", "name": "find", "input": {"line": 3}}],
        [{"type": "reasoning", "reasoning": "Hm."}, {"type": "text", "text": "Wait."}, CALL],
    ],
)
@pytest.mark.parametrize("told_twice", [False, True])
def test_a_call_is_one_call_wherever_it_is_told(blocks: list[Any], told_twice: bool) -> None:
    """In the content, in `tool_calls`, or in both."""
    message = AIMessage(blocks, tool_calls=[CALL] if told_twice else [])
    assert one(message) == {"role": "assistant", "content": "Wait.", "tool_calls": [CALLED]}


def test_a_broken_call_goes_back_as_the_model_wrote_it() -> None:
    """So that the model sees what was wrong with it."""
    message = AIMessage("", invalid_tool_calls=[{"name": "find", "args": '{"line":', "id": "c1", "error": "cut"}])
    assert one(message)["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"line":'}}
    ]


def test_what_langchains_own_integration_thought_goes_back_to_that_model() -> None:
    """A conversation that was begun with another chat model goes on here."""
    text = {"type": "text", "text": "Wait.", "index": 1}
    message = AIMessage([THOUGHT, text], response_metadata={"model_name": "claude-opus-4-5"})
    found = one(message)
    assert found["content"] == "Wait."
    assert found["provider_fields"] == {
        "anthropic": {"model": "claude-opus-4-5", "content": [THOUGHT, {"type": "text", "text": "Wait."}]}
    }


def test_a_refusal_stays_one() -> None:
    """It is no text, and OpenAI wants it back under its name."""
    assert one(AIMessage("", additional_kwargs={"refusal": "No."}))["refusal"] == "No."
