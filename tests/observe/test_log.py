"""The log of calls: one line each, what it says, and when it says nothing."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest

from junctor.client import Client
from junctor.exceptions import JunctorError
from junctor.observe.log import ATTEMPT_FIELDS, CALL_FIELDS, Log
from junctor.testing.scripted import fail, ok, stream
from tests.client.stage import Stage

AUDIO: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]


def logged(stage: Stage, caplog: pytest.LogCaptureFixture, level: int) -> list[tuple[int, dict[str, Any]]]:
    """Level and fields of every line, after every call was told."""
    stage.tell()
    lines = [(record.levelno, msgspec.json.decode(record.getMessage())) for record in caplog.records]
    assert [fields for _, fields in lines] == [record.__dict__["junctor"] for record in caplog.records]
    assert all(number >= level for number, _ in lines)
    return lines


def staged(script: dict[str, list[Any]]) -> Stage:
    stage = Stage(script)
    stage.client = Client(stage.router, stage.provider, observers=[Log()], seed=1)
    return stage


def test_a_call_is_one_line_at_info(caplog: pytest.LogCaptureFixture) -> None:
    """With what a reader asks first: who answered, how long it took, what it cost."""
    caplog.set_level(logging.INFO, "junctor.calls")
    stage = staged({"a": [fail(500)], "b": [ok(after_s=1.0)]})
    stage.chat(tenant="acme")
    ((level, line),) = logged(stage, caplog, logging.INFO)
    assert level == logging.INFO
    assert line | {
        "event": "call", "call": 1, "operation": "chat", "outcome": "ok", "asked": "g", "deployment": "b", "group": "g",
        "provider": "openai", "model": "openai/m", "attempts": 2, "tenant": "acme", "overhead_us": 0,
        "input_tokens": 2, "output_tokens": 1, "cost_usd": 1.2e-05, "finish_reason": "stop",
    } == line  # fmt: skip
    assert line["duration_s"] == pytest.approx(1.0 + line["waited_s"])
    assert line["time"].endswith("Z")
    assert set(line) <= set(CALL_FIELDS)


def test_attempts_are_lines_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    """Before the line of their call, with its number."""
    caplog.set_level(logging.DEBUG, "junctor.calls")
    stage = staged({"a": [fail(500)], "b": [stream("x", "y")]})
    stage.stream()
    lines = logged(stage, caplog, logging.DEBUG)
    assert [(fields["event"], fields["call"]) for _, fields in lines] == [("attempt", 1), ("attempt", 1), ("call", 1)]
    first, second, call = (fields for _, fields in lines)
    assert (first["deployment"], first["outcome"], first["status"]) == ("a", "server", 500)
    assert second["first_content_s"] == 0.0
    assert call["streamed"] is True
    assert set(first) | set(second) <= set(ATTEMPT_FIELDS)


def test_what_failed_is_a_warning_that_says_why(caplog: pytest.LogCaptureFixture) -> None:
    """Also when nobody may take it."""
    caplog.set_level(logging.WARNING, "junctor.calls")
    stage = staged({"a": [ok(), fail(400)]})
    stage.chat()
    for messages in ([{"role": "user", "content": "Hi"}], AUDIO):
        with pytest.raises(JunctorError):
            stage.run(stage.client.chat("g", messages))
    lines = logged(stage, caplog, logging.WARNING)
    assert [fields["outcome"] for _, fields in lines] == ["invalid_request", "refused"]
    assert lines[1][1]["refused"] == {"a": "capability: lacks audio"}


def test_a_level_that_nobody_hears_is_not_written(caplog: pytest.LogCaptureFixture) -> None:
    """Not even put together."""
    caplog.set_level(logging.ERROR, "junctor.calls")
    stage = staged({"a": [ok()]})
    stage.chat()
    assert logged(stage, caplog, logging.ERROR) == []
