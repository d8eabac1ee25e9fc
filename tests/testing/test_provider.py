"""A simulated provider counts what it saw, repeats itself by seed, and serves from other threads and processes."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import msgspec
import pytest

from junctor.testing import Key, Latency, ReplayServer, SimulatedProvider, faults
from junctor.testing.latency import REALISTIC
from tests.testing.raw import CHAT, DIALECTS, ask, fetch, on_manual_time, one_key

SCHEMA = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "number"}}, "b": {"const": 7}}}
FITS = {"a": [1.5], "b": 7}


def test_counts_tell_the_tokens_and_statuses_of_what_was_delivered() -> None:
    async def scenario() -> None:
        async with one_key(text="one two three") as provider:
            got = await ask(provider)
            await ask(provider, stream=True)
            counts = provider.counts()
            assert (counts.requests, counts.ok, counts.streams, counts.output_tokens) == (2, 2, 1, 6)
            assert counts.input_tokens == 2 * got.json()["usage"]["prompt_tokens"]
            assert got.headers["x-simulated"] == "key=k;region=us;number=1"

    on_manual_time(scenario())


def test_the_same_seed_says_the_same_in_the_same_time() -> None:
    async def scenario(seed: int) -> list[tuple[float, Any]]:
        loop = asyncio.get_running_loop()
        seen: list[tuple[float, Any]] = []
        async with one_key(seed=seed, latency=REALISTIC, time_scale=0.1, output_sigma=0.8) as provider:
            for _ in range(5):
                began_s = loop.time()
                text = (await ask(provider)).json()["choices"][0]["message"]["content"]
                seen.append((round(loop.time() - began_s, 6), text))
        return seen

    first = on_manual_time(scenario(7))
    assert on_manual_time(scenario(7)) == first
    assert on_manual_time(scenario(8)) != first
    assert len({took_s for took_s, _ in first}) == 5


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_takes_the_time_of_its_tokens(dialect: str) -> None:
    async def scenario() -> float:
        latency = Latency(first_token_s=1.0, per_output_token_s=0.5)
        async with one_key(dialect, text="a b c d", latency=latency) as provider:
            await ask(provider, dialect, stream=True)
            return asyncio.get_running_loop().time()

    events = {"openai": 1 + 4 + 1, "anthropic": 3 + 4 + 1, "gemini": 4}[dialect]  # the end is one piece
    assert on_manual_time(scenario()) == pytest.approx(1.0 + 0.5 * (events - 1))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_schema_is_answered_with_json_that_fits(dialect: str) -> None:
    fields: dict[str, dict[str, Any]] = {
        "openai": {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
        "anthropic": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        "gemini": {"generationConfig": {"responseJsonSchema": SCHEMA}},
    }

    async def scenario() -> Any:
        async with one_key(dialect) as provider:
            return (await ask(provider, dialect, **fields[dialect])).json()

    reply = on_manual_time(scenario())
    texts = {
        "openai": lambda: reply["choices"][0]["message"]["content"],
        "anthropic": lambda: reply["content"][0]["text"],
        "gemini": lambda: reply["candidates"][0]["content"]["parts"][0]["text"],
    }
    assert json.loads(texts[dialect]()) == FITS


def test_after_a_tools_result_the_model_speaks_and_a_named_tool_is_the_one_called() -> None:
    tools = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in ("first", "second")]

    async def scenario() -> None:
        async with one_key() as provider:

            async def message(**fields: Any) -> Any:
                return (await ask(provider, tools=tools, **fields)).json()["choices"][0]["message"]

            named = {"type": "function", "function": {"name": "second"}}
            assert (await message())["tool_calls"][0]["function"]["name"] == "first"
            assert (await message(tool_choice=named))["tool_calls"][0]["function"]["name"] == "second"
            assert "tool_calls" not in await message(tool_choice="none")
            result = [*CHAT["messages"], {"role": "tool", "tool_call_id": "x", "content": "42"}]
            assert (await message(messages=result))["content"]

    on_manual_time(scenario())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_unknown_models_long_prompts_and_bad_requests_get_the_providers_error(dialect: str) -> None:
    async def scenario() -> list[int]:
        async with one_key(dialect, models=["other"]) as strict, one_key(dialect, context_tokens=1) as short:
            wrong: dict[str, Any] = {"contents": []} if dialect == "gemini" else {"messages": []}
            return [(await ask(strict, dialect)).status, (await ask(short, dialect)).status,
                    (await ask(short, dialect, **wrong)).status]  # fmt: skip

    assert on_manual_time(scenario()) == [404, 400, 400]


def test_a_gemini_stream_without_sse_is_a_json_array_in_pieces() -> None:
    async def scenario() -> bytes:
        async with one_key("gemini", text="a b c") as provider:
            body = msgspec.json.encode({"contents": [{"parts": [{"text": "x"}]}]})
            path = "/v1beta/models/m:streamGenerateContent"
            return (await fetch(provider.url(), path, headers={"x-goog-api-key": "k"}, body=body)).body

    events = json.loads(on_manual_time(scenario()))
    assert "".join(event["candidates"][0]["content"]["parts"][0]["text"] for event in events) == "a b c"


def post(url: str, key: str) -> int:
    request = Request(url + "/chat/completions", msgspec.json.encode(CHAT), {"authorization": f"Bearer {key}"})
    with urlopen(request) as response:
        return int(response.status)


def test_a_provider_in_a_process_of_its_own_is_steered_by_its_handle() -> None:
    with SimulatedProvider.in_process([Key("a"), Key("b", region="eu")], output_tokens=3) as remote:
        assert post(remote.base_url("openai"), "a") == 200
        assert post(remote.base_url("openai", "eu"), "b") == 200
        assert (remote.counts().ok, remote.counts(key="b").output_tokens) == (2, 3)
        lost = remote.inject(faults.lost(), region="eu")
        with pytest.raises(OSError, match="refused"):
            post(remote.base_url("openai", "eu"), "b")
        remote.remove(lost)
        assert post(remote.base_url("openai", "eu"), "b") == 200
        with pytest.raises(ValueError, match="no key matches key='x'"):
            remote.inject(faults.dead(), key="x")


def test_a_provider_in_a_thread_is_steered_from_outside() -> None:
    with one_key().in_thread() as provider:
        assert post(provider.base_url("openai"), "k") == 200
        provider.inject(faults.dead())
        with pytest.raises(OSError, match="401"):
            post(provider.base_url("openai"), "k")
        assert provider.counts().failed == 1


@pytest.mark.parametrize("options", [["--key", "openai:k"], ["--constant"], ["--replay", "CASE"]])
def test_the_command_prints_its_address_and_serves_until_it_is_told_to_stop(options: list[str], tmp_path: Path) -> None:
    case = tmp_path / "case.json"
    case.write_text('{"response": {"status": 200, "json": {"a": 1}}}')
    chosen = [option.replace("CASE", str(case)) for option in options]
    command = [sys.executable, "-W", "error", "-m", "junctor.testing", *chosen]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        url = msgspec.json.decode(child.stdout.readline())["url"]
        assert post(url + "/v1", "k") == 200
        child.send_signal(signal.SIGTERM)
        assert child.wait() == 0


def test_a_replay_server_without_exchanges_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ReplayServer([])
