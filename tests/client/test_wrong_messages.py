"""Messages that are none are refused with their place before anything is decided, whoever would have answered."""

from __future__ import annotations

from typing import Any

import pytest

from junctor.exceptions import InvalidRequest
from junctor.testing.scripted import ok
from tests.client.stage import Stage

HELLO = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "messages must be a non-empty sequence of messages, such as "),
        ("Hi", "messages must be a non-empty sequence of messages, such as "),
        (HELLO, "messages must be a non-empty sequence of messages, such as "),
        ((message for message in [HELLO]), "messages must be a non-empty sequence of messages, such as "),
        (["Hi"], "messages[0] is of type str; it must be a mapping, such as "),
        ([HELLO, None], "messages[1] is of type NoneType; it must be a mapping, such as "),
        ([{"role": "user", "content": [1]}], "messages[0].content: "),
        ([{"role": "user", "content": [{"type": []}]}], "messages[0].content[0]: "),
    ],
)
def test_what_is_no_message_is_an_invalid_request(messages: Any, said: str) -> None:
    stage = Stage({"a": [ok()]}, dialect="anthropic")
    with pytest.raises(InvalidRequest) as caught:
        stage.run(stage.client.chat("g", messages))
    assert str(caught.value).startswith(said)
    assert stage.provider.sent == []
    stage.assert_released()
