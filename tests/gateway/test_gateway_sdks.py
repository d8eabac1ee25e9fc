"""The official SDKs take the gateway for the real thing: through granian, over a simulated provider."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import anthropic
import openai
import pytest

from junctor.testing import faults
from tests.gateway.conftest import Served

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
}
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
HELLO: list[Any] = [{"role": "user", "content": "Hello, how are you?"}]


def openai_client(served: Served, key: str | None = None) -> openai.OpenAI:
    return openai.OpenAI(api_key=key or served.key, base_url=f"{served.gateway.url}/v1", max_retries=0)


def anthropic_client(served: Served, key: str | None = None) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key=key or served.key, base_url=served.gateway.url, max_retries=0)


@pytest.mark.parametrize("model", ["gpt", "claude"])
def test_openai_chats_streams_and_calls_tools(served: Served, model: str) -> None:
    """Chat completions at a deployment of the same dialect and of another one."""
    with openai_client(served) as client:
        create = client.chat.completions.create
        reply = create(model=model, messages=HELLO)
        assert len((reply.choices[0].message.content or "").split()) == 5
        assert reply.usage is not None
        assert reply.usage.completion_tokens == 5

        text, usage = "", None
        for chunk in create(model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}):
            text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
            usage = chunk.usage or usage
        assert (len(text.split()), usage and usage.completion_tokens) == (5, 5)

        with client.chat.completions.stream(model=model, messages=HELLO, tools=[TOOL]) as stream:
            message = stream.get_final_completion().choices[0].message
        assert message.tool_calls
        [call] = message.tool_calls
        assert set(json.loads(call.function.arguments)) == {"city", "days"}
        answered = [*HELLO, message.to_dict(), {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
        assert create(model=model, messages=answered, tools=[TOOL]).choices[0].message.content


@pytest.mark.parametrize("model", ["claude", "gpt"])
def test_anthropic_asks_streams_and_calls_tools(served: Served, model: str) -> None:
    """Messages at a deployment of the same dialect and of another one."""
    tool: Any = {"name": "weather", "input_schema": SCHEMA}
    with anthropic_client(served) as client:
        create = client.messages.create
        reply = create(model=model, messages=HELLO, max_tokens=64)
        assert (reply.content[0].type, reply.stop_reason, reply.usage.output_tokens) == ("text", "end_turn", 5)
        with client.messages.stream(model=model, messages=HELLO, max_tokens=64) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        assert (len(text.split()), final.usage.output_tokens) == (5, 5)
        with client.messages.stream(model=model, messages=HELLO, max_tokens=64, tools=[tool]) as stream:
            asked = stream.get_final_message()
        use = asked.content[-1]
        assert use.type == "tool_use"
        assert asked.stop_reason == "tool_use"
        result: Any = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
        turns: Any = [*HELLO, {"role": "assistant", "content": asked.content}, {"role": "user", "content": [result]}]
        assert create(model=model, messages=turns, max_tokens=64, tools=[tool]).content[0].type == "text"
        assert client.messages.count_tokens(model=model, messages=HELLO).input_tokens > 3


def test_openai_responses_embeddings_and_models(served: Served) -> None:
    """The other APIs of the same SDK."""
    with openai_client(served) as client:
        reply = client.responses.create(model="gpt", input="Hello", instructions="Be short.")
        assert len(reply.output_text.split()) == 5
        events = list(client.responses.create(model="claude", input="Hello", stream=True))
        assert events[-1].type == "response.completed"
        found = client.embeddings.create(model="embed", input=["one", "two"], dimensions=4)
        assert [len(row.embedding) for row in found.data] == [4, 4]
        assert {"gpt", "claude", "either", "auto"} <= {model.id for model in client.models.list()}
        assert client.models.retrieve("gpt").id == "gpt"
    with anthropic_client(served) as other:
        assert {"gpt", "claude"} <= {model.id for model in other.models.list()}


def test_azures_client_finds_its_paths(served: Served) -> None:
    """`/openai/deployments/NAME/…`, the key in `api-key`, a version in the query."""
    with openai.AzureOpenAI(
        api_key=served.key, azure_endpoint=served.gateway.url, api_version="2024-10-21", max_retries=0
    ) as client:
        assert client.chat.completions.create(model="claude", messages=HELLO).choices[0].message.content
        assert client.embeddings.create(model="embed", input="one").data


def test_the_async_sdks_share_connections_over_many_requests_at_once(served: Served) -> None:
    """Forty at once of each, whole and streamed, every one with its own answer."""

    async def scene() -> None:
        async with (
            openai.AsyncOpenAI(api_key=served.key, base_url=f"{served.gateway.url}/v1", max_retries=0) as one,
            anthropic.AsyncAnthropic(api_key=served.key, base_url=served.gateway.url, max_retries=0) as other,
        ):

            async def chat() -> int:
                reply = await one.chat.completions.create(model="either", messages=HELLO)
                return len((reply.choices[0].message.content or "").split())

            async def stream() -> int:
                async with other.messages.stream(model="either", messages=HELLO, max_tokens=64) as events:
                    return len("".join([text async for text in events.text_stream]).split())

            assert set(await asyncio.gather(*(act() for _ in range(40) for act in (chat, stream)))) == {5}

    asyncio.run(scene())


def test_errors_are_the_exceptions_that_each_sdk_has_for_them(served: Served) -> None:
    """No key, a wrong one, a name that nothing has, a request that makes no sense, a provider that fails."""
    both: list[tuple[Any, Any]] = [(openai, openai_client), (anthropic, anthropic_client)]
    for sdk, made in both:

        def ask(client: Any, model: str = "gpt", **more: Any) -> None:
            if isinstance(client, openai.OpenAI):
                client.chat.completions.create(model=model, messages=HELLO, **more)
            else:
                client.messages.create(model=model, messages=HELLO, max_tokens=64, **more)

        with made(served, "sk-junctor-wrong-CANARY") as client, pytest.raises(sdk.AuthenticationError) as wrong:
            ask(client)
        assert "CANARY" not in str(wrong.value)
        with made(served) as client:
            with pytest.raises(sdk.NotFoundError):
                ask(client, "nobody")
            with pytest.raises(sdk.BadRequestError):
                ask(client, extra_body={"temperature": "warm"})
            served.provider.inject(faults.server_error())
            try:
                with pytest.raises(sdk.InternalServerError):
                    ask(client)
            finally:
                served.provider.clear()


def test_a_coding_session_keeps_everything_that_the_target_understands(served: Served) -> None:
    """Long system text with cache points, many tools, thinking that comes back, parallel calls and parallel streams."""
    tools: Any = [{"name": f"tool_{number}", "description": "x" * 400, "input_schema": SCHEMA} for number in range(40)]
    system: Any = [{"type": "text", "text": "You write code. " * 2000, "cache_control": {"type": "ephemeral"}}]
    tools[-1]["cache_control"] = {"type": "ephemeral"}
    thinking: Any = {"type": "thinking", "thinking": "Let me look.", "signature": "c2lnbmF0dXJl"}

    def options(turns: Any) -> dict[str, Any]:
        return {"model": "claude", "max_tokens": 2048, "system": system, "tools": tools, "messages": turns,
                "extra_headers": {"anthropic-beta": "interleaved-thinking-2025-05-14"}}  # fmt: skip

    async def scene() -> None:
        async with anthropic.AsyncAnthropic(api_key=served.key, base_url=served.gateway.url, max_retries=0) as client:
            turns: Any = [{"role": "user", "content": "Fix the bug."}]
            for _ in range(3):
                async with client.messages.stream(**options(turns)) as stream:
                    asked = await stream.get_final_message()
                uses = [block for block in asked.content if block.type == "tool_use"]
                results = [{"type": "tool_result", "tool_use_id": use.id, "content": "done"} for use in uses]
                blocks = [thinking, *(block.to_dict() for block in asked.content)]
                turns += [{"role": "assistant", "content": blocks}, {"role": "user", "content": results}]

                async def aside() -> str:
                    async with client.messages.stream(
                        model="either", max_tokens=64, messages=[{"role": "user", "content": "Name this."}]
                    ) as stream:
                        return await stream.get_final_text()

                assert all(await asyncio.gather(*(aside() for _ in range(4))))
            whole = await client.messages.create(**options(turns))
            assert whole.content

    asyncio.run(scene())


PROGRAM = """
import openai
reply = openai.OpenAI().chat.completions.create(model="gpt", messages=[{"role": "user", "content": "Hi"}])
print(len(reply.choices[0].message.content.split()))
"""


def test_a_program_is_moved_here_by_two_variables_alone(served: Served) -> None:
    """Not a line of its code is changed."""
    environment = {"OPENAI_BASE_URL": f"{served.gateway.url}/v1", "OPENAI_API_KEY": served.key}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.strip() == "5"


def test_what_secrets_and_prompts_say_is_in_no_log_line(served: Served) -> None:
    """B75: keys of callers and of providers, prompts, headers and queries, in failures as in answers."""
    canary = "CANARY-4711"
    with openai.OpenAI(
        api_key=served.key, base_url=f"{served.gateway.url}/v1", max_retries=0,
        default_headers={"x-secret": canary}, default_query={"q": canary},
    ) as client:  # fmt: skip
        client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": canary}], user=canary)
        for kind in (faults.dead(), faults.spend_cap()):
            served.provider.inject(kind)
            try:
                with pytest.raises(openai.APIStatusError) as failed:
                    client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": canary}])
            finally:
                served.provider.clear()
            assert "CANARY" not in str(failed.value)
        with pytest.raises(openai.APIStatusError):
            client.get(f"/{canary}", cast_to=object)
    lines = served.gateway.access
    assert len(lines) > 3
    assert "CANARY" not in served.gateway.said
    assert served.key not in served.gateway.said
