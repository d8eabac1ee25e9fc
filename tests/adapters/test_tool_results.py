"""What a tool gives back besides text reaches every provider: inside its result, or right after the results."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from junctor import adapters
from junctor.adapters.carry import told_as_text
from junctor.request import Endpoint
from tests.adapters.cases import IMAGE_DATA, PDF_FILE, PIXEL, TEXT_FILE, TOOLS, asking, call, endpoint, text, user

CALLS: list[dict[str, Any]] = [
    user("Look."),
    {"role": "assistant", "content": None, "tool_calls": [call("t1", "see", "{}"), call("t2", "read", "{}")]},
]


def result(id: str, *content: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": list(content)}


def at_host(base_url: str) -> Endpoint:
    return msgspec.structs.replace(endpoint("openai"), base_url=base_url)


def test_pictures_and_files_follow_once_every_call_is_answered() -> None:
    """Two results, the first a picture alone, and a question after them: no call's pair is broken, nothing is lost."""
    messages = [*CALLS, result("t1", IMAGE_DATA), result("t2", text("two"), PDF_FILE, TEXT_FILE), user("And?")]
    built = adapters.get("openai").build(asking(messages=messages, tools=TOOLS), endpoint("openai"))
    said = json.loads(built.body)["messages"]
    assert said[2:] == [
        result("t1", text("[in the next message]")),
        result("t2", text("two"), text("[n.txt]\nhello world")),
        user([text("[result of see]"), IMAGE_DATA, text("[result of read]"), PDF_FILE]),
        user("And?"),
    ]
    assert built.notes == ("messages: pictures and files of 2 tool result(s) follow as a user message (openai)",)


def test_each_turns_pictures_stay_in_their_turn() -> None:
    """What was said in an earlier turn is said in the same words in every later one, so a cached prefix stays warm."""
    first = [*CALLS, result("t1", IMAGE_DATA), result("t2", text("two"))]
    then = [*first, {"role": "assistant", "content": "Seen."}, *CALLS, result("t1", PDF_FILE), result("t2", text("2"))]
    short, long = (
        json.loads(adapters.get("openai").build(asking(messages=messages, tools=TOOLS), endpoint("openai")).body)
        for messages in (first, then)
    )
    assert [message["role"] for message in short["messages"]] == ["user", "assistant", "tool", "tool", "user"]
    assert long["messages"][:5] == short["messages"]
    assert [message["role"] for message in long["messages"]][5:] == [
        *("assistant", "user", "assistant", "tool", "tool", "user")
    ]


def test_results_of_text_alone_are_left_as_they_are() -> None:
    messages = [*CALLS, result("t1", text("one")), {"role": "tool", "tool_call_id": "t2", "content": "two"}]
    built = adapters.get("openai").build(asking(messages=messages, tools=TOOLS), endpoint("openai"))
    assert json.loads(built.body)["messages"] == messages
    assert built.notes == ()


def test_a_host_that_refuses_a_user_after_a_tool_gets_the_picture_inside() -> None:
    """Mistral's order of roles knows no user's message right after a result."""
    messages = [*CALLS, result("t1", text("one"), IMAGE_DATA), result("t2", text("two"))]
    built = adapters.get("openai").build(asking(messages=messages, tools=TOOLS), at_host("https://api.mistral.ai/v1"))
    assert json.loads(built.body)["messages"] == messages
    assert built.notes == ()


MISTRAL = {"mistral": endpoint("mistral"), "openai": at_host("https://api.mistral.ai/v1")}


@pytest.mark.parametrize("adapter", MISTRAL)
def test_mistral_hears_an_assistant_between_tool_and_user(adapter: str) -> None:
    """It refuses the order that every other provider takes, and an assistant that says nothing."""
    messages = [*CALLS, result("t1", text("one")), result("t2", text("two")), user("Stop."), user("Look again.")]
    built = adapters.get(adapter).build(asking(messages=messages, tools=TOOLS), MISTRAL[adapter])
    said = json.loads(built.body)["messages"]
    assert [turn["role"] for turn in said] == ["user", "assistant", "tool", "tool", "assistant", "user", "user"]
    assert said[4] == {"role": "assistant", "content": "Understood."}
    assert built.notes == (f"messages: an assistant's word stands between tool and user at 1 place(s) ({adapter})",)
    assert len(messages) == 6


@pytest.mark.parametrize("adapter", MISTRAL)
def test_and_nobody_where_the_order_is_its_own(adapter: str) -> None:
    answered = [*CALLS, result("t1", text("one")), {"role": "assistant", "content": "Seen."}, user("Good.")]
    built = adapters.get(adapter).build(asking(messages=answered, tools=TOOLS), MISTRAL[adapter])
    assert [turn["role"] for turn in json.loads(built.body)["messages"]] == [turn["role"] for turn in answered]
    assert built.notes == ()


@pytest.mark.parametrize("adapter", adapters.names())
def test_no_dialect_loses_a_picture_of_a_result(adapter: str) -> None:
    messages = [*CALLS, result("t1", text("one"), IMAGE_DATA), result("t2", IMAGE_DATA)]
    built = adapters.get(adapter).build(asking(messages=messages, tools=TOOLS), endpoint(adapter))
    assert built.body.count(PIXEL.encode()) == 2


@pytest.mark.parametrize("adapter", adapters.names())
def test_nor_does_one_whose_tools_are_gone(adapter: str) -> None:
    """Bedrock takes no calls without tools: what they gave is told as text, with the picture beside it."""
    messages = [*CALLS, result("t1", text("one"), IMAGE_DATA), result("t2", text("two"))]
    for said in (messages, told_as_text(messages)):
        built = adapters.get(adapter).build(asking(messages=said), endpoint(adapter))
        assert built.body.count(PIXEL.encode()) == 1
