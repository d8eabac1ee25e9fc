"""The official SDKs of the providers take a simulated one for the real thing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, cast

import pytest

from junctor.testing import Key, Limits, SimulatedProvider, faults

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "unit": {"type": "string", "enum": ["celsius", "kelvin"]},
    },
    "required": ["city", "days", "unit"],
}
CALLED = {"city": "example city", "days": 1, "unit": "celsius"}
HELLO: list[Any] = [{"role": "user", "content": "Hello, how are you?"}]


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def served(dialect: str, **options: Any) -> SimulatedProvider:
    return SimulatedProvider([Key("sk-test", dialect=dialect, limits=Limits(rpm=3))], output_tokens=5, **options)


def test_openai_chats_streams_calls_tools_and_reads_errors() -> None:
    openai = pytest.importorskip("openai", reason="the openai SDK is not installed")
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}

    async def scenario() -> None:
        async with (
            served("openai") as provider,
            openai.AsyncOpenAI(api_key="sk-test", base_url=provider.base_url("openai"), max_retries=0) as client,
        ):
            create = client.chat.completions.create
            reply = await create(model="gpt", messages=HELLO)
            assert len(reply.choices[0].message.content.split()) == 5
            assert (reply.choices[0].finish_reason, reply.usage.completion_tokens) == ("stop", 5)

            text = ""
            usage: Any = None
            async for chunk in await create(
                model="gpt", messages=HELLO, stream=True, stream_options={"include_usage": True}, max_tokens=3
            ):
                text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
                usage = chunk.usage or usage
            assert (len(text.split()), usage.completion_tokens) == (3, 3)

            async with client.chat.completions.stream(model="gpt", messages=HELLO, tools=[tool]) as stream:
                final = await stream.get_final_completion()
            call = final.choices[0].message.tool_calls[0]
            assert (call.function.name, json.loads(call.function.arguments)) == ("weather", CALLED)

            with pytest.raises(openai.RateLimitError) as refused:
                await create(model="gpt", messages=HELLO)
            assert refused.value.code == "rate_limit_exceeded"
            provider.inject(faults.dead())
            with pytest.raises(openai.AuthenticationError):
                await create(model="gpt", messages=HELLO)
            provider.clear()
            provider.inject(faults.spend_cap())
            with pytest.raises(openai.RateLimitError, match="check your plan"):
                await create(model="gpt", messages=HELLO)

    run(scenario())


def test_openai_answers_and_streams_responses() -> None:
    openai = pytest.importorskip("openai", reason="the openai SDK is not installed")
    tool: Any = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}

    async def scenario() -> None:
        async with (
            SimulatedProvider([Key("sk-test")], output_tokens=5) as provider,
            openai.AsyncOpenAI(api_key="sk-test", base_url=provider.base_url("openai"), max_retries=0) as client,
        ):
            create = client.responses.create
            reply = await create(model="gpt", input="Hello", instructions="Be short.")
            assert len(reply.output_text.split()) == 5
            assert (reply.status, reply.usage.output_tokens) == ("completed", 5)

            events = [event async for event in await create(model="gpt", input=HELLO, stream=True, max_output_tokens=3)]
            assert [event.sequence_number for event in events] == list(range(len(events)))
            text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
            final: Any = events[-1]
            assert (final.type, final.response.output_text) == ("response.incomplete", text)
            assert final.response.incomplete_details.reason == "max_output_tokens"

            async with client.responses.stream(model="gpt", input=HELLO, tools=[tool]) as stream:
                call: Any = (await stream.get_final_response()).output[0]
            assert (call.name, json.loads(call.arguments)) == ("weather", CALLED)
            asked: Any = [
                *HELLO,
                call.to_dict(),
                {"type": "function_call_output", "call_id": call.call_id, "output": "1"},
            ]
            assert (await create(model="gpt", input=asked, tools=[tool])).output_text

            provider.inject(faults.stream_error())
            events = [event async for event in await create(model="gpt", input="Hello", stream=True)]
            assert (events[-1].type, events[-1].code) == ("error", "service_unavailable_error")

    run(scenario())


def test_openai_embeds_texts_and_token_ids() -> None:
    openai = pytest.importorskip("openai", reason="the openai SDK is not installed")

    async def scenario() -> None:
        async with (
            SimulatedProvider([Key("sk-test")]) as provider,
            openai.AsyncOpenAI(api_key="sk-test", base_url=provider.base_url("openai"), max_retries=0) as client,
        ):
            create = client.embeddings.create
            found = await create(model="e", input=["one", "two", "one"], dimensions=4)
            first, second, third = (row.embedding for row in found.data)
            assert (len(first), first == third, first == second) == (4, True, False)
            assert found.usage.prompt_tokens == 3
            plain = await create(model="e", input="one", dimensions=4, encoding_format="float")
            assert plain.data[0].embedding == first
            assert (await create(model="e", input=[1, 2, 3])).usage.prompt_tokens == 3
            with pytest.raises(openai.BadRequestError, match="input"):
                await create(model="e", input=[])
        async with (
            SimulatedProvider([Key("sk-azure")]) as provider,
            openai.AsyncAzureOpenAI(
                api_key="sk-azure", azure_endpoint=provider.url(), api_version="2024-10-21", max_retries=0
            ) as azure,
        ):
            assert (await azure.embeddings.create(model="e", input="one")).data
            assert (await azure.chat.completions.create(model="gpt", messages=HELLO)).choices

    run(scenario())


def test_anthropic_chats_streams_calls_tools_and_reads_errors() -> None:
    anthropic = pytest.importorskip("anthropic", reason="the anthropic SDK is not installed")
    tool: Any = {"name": "weather", "input_schema": SCHEMA}

    async def scenario() -> None:
        async with (
            served("anthropic") as provider,
            anthropic.AsyncAnthropic(
                api_key="sk-test", base_url=provider.base_url("anthropic"), max_retries=0
            ) as client,
        ):
            reply = await client.messages.create(model="claude", messages=HELLO, max_tokens=50)
            assert len(reply.content[0].text.split()) == 5
            assert (reply.stop_reason, reply.usage.output_tokens) == ("end_turn", 5)

            async with client.messages.stream(model="claude", messages=HELLO, max_tokens=3) as stream:
                text = "".join([piece async for piece in stream.text_stream])
                final = await stream.get_final_message()
            assert (len(text.split()), final.stop_reason, final.usage.output_tokens) == (3, "max_tokens", 3)

            async with client.messages.stream(model="claude", messages=HELLO, max_tokens=50, tools=[tool]) as stream:
                final = await stream.get_final_message()
            call = final.content[-1]
            assert (final.stop_reason, call.name, call.input) == ("tool_use", "weather", CALLED)

            with pytest.raises(anthropic.RateLimitError, match="3 requests per minute"):
                await client.messages.create(model="claude", messages=HELLO, max_tokens=50)
            provider.inject(faults.overloaded())
            with pytest.raises(anthropic.InternalServerError) as overloaded:
                await client.messages.create(model="claude", messages=HELLO, max_tokens=50)
            assert overloaded.value.status_code == 529

    run(scenario())


# google-genai subclasses aiohttp's session, which aiohttp discourages.
@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
def test_gemini_chats_streams_calls_tools_and_reads_errors() -> None:
    genai = pytest.importorskip("google.genai", reason="the google-genai SDK is not installed")
    types = genai.types
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="weather", parameters_json_schema=SCHEMA)])

    async def scenario() -> None:
        async with served("gemini") as provider:
            address = types.HttpOptions(base_url=provider.base_url("gemini"), api_version="v1beta")
            client = genai.Client(api_key="sk-test", http_options=address)
            models = client.aio.models
            reply = await models.generate_content(model="gemini", contents="Hello")
            assert (len(reply.text.split()), reply.usage_metadata.candidates_token_count) == (5, 5)

            chunks = [
                chunk
                async for chunk in await models.generate_content_stream(
                    model="gemini", contents="Hello", config={"max_output_tokens": 3}
                )
            ]
            assert len("".join(chunk.text for chunk in chunks).split()) == 3
            assert chunks[-1].candidates[0].finish_reason == types.FinishReason.MAX_TOKENS

            manual = types.GenerateContentConfig(
                tools=[tool], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
            )
            reply = await models.generate_content(model="gemini", contents="Hello", config=manual)
            assert (reply.function_calls[0].name, reply.function_calls[0].args) == ("weather", CALLED)

            with pytest.raises(genai.errors.ClientError) as refused:
                await models.generate_content(model="gemini", contents="Hello")
            assert (refused.value.code, refused.value.status) == (429, "RESOURCE_EXHAUSTED")
            await client.aio.aclose()
            client.close()

    run(scenario())


def test_boto3_converses_streams_calls_tools_and_reads_errors() -> None:
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
    config = pytest.importorskip("botocore.config", reason="botocore is not installed")
    exceptions = pytest.importorskip("botocore.exceptions", reason="botocore is not installed")
    tools = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}]}
    hello = [{"role": "user", "content": [{"text": "Hello, how are you?"}]}]

    with served("bedrock").in_thread() as provider:
        client = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=provider.base_url("bedrock"),
            aws_access_key_id="sk-test",
            aws_secret_access_key="not looked at",
            config=config.Config(retries={"total_max_attempts": 1}),
        )
        reply = client.converse(modelId="us.amazon.nova-lite-v1:0", messages=hello)
        assert len(reply["output"]["message"]["content"][0]["text"].split()) == 5
        assert (reply["stopReason"], reply["usage"]["outputTokens"]) == ("end_turn", 5)

        streamed = client.converse_stream(modelId="m", messages=hello, inferenceConfig={"maxTokens": 3})
        events = list(streamed["stream"])
        text = "".join(event.get("contentBlockDelta", {}).get("delta", {}).get("text", "") for event in events)
        assert (len(text.split()), events[-2]["messageStop"]["stopReason"]) == (3, "max_tokens")
        assert events[-1]["metadata"]["usage"]["outputTokens"] == 3

        provider.inject(faults.stream_error(after_events=1, cause="rate_limit"))
        broken = client.converse_stream(modelId="m", messages=hello, toolConfig=tools)
        with pytest.raises(exceptions.EventStreamError, match="throttlingException"):
            list(broken["stream"])
        provider.clear()

        with pytest.raises(client.exceptions.ThrottlingException, match="Too many requests"):
            client.converse(modelId="m", messages=hello, toolConfig=tools)
        provider.inject(faults.dead())
        with pytest.raises(exceptions.ClientError, match="UnrecognizedClientException"):
            client.converse(modelId="m", messages=hello)
        client.close()

    with served("bedrock").in_thread() as provider:
        client = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=provider.base_url("bedrock"),
            aws_access_key_id="sk-test",
            aws_secret_access_key="not looked at",
        )
        reply = client.converse(modelId="m", messages=hello, toolConfig=tools)
        call = reply["output"]["message"]["content"][0]["toolUse"]
        assert (reply["stopReason"], call["name"], call["input"]) == ("tool_use", "weather", CALLED)
        streamed = client.converse_stream(modelId="m", messages=hello, toolConfig=tools)
        events = list(streamed["stream"])
        starts = [event["contentBlockStart"] for event in events if "contentBlockStart" in event]
        assert starts[0]["start"]["toolUse"]["name"] == "weather"
        deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
        assert json.loads("".join(delta["toolUse"]["input"] for delta in deltas)) == CALLED
        client.close()


def test_mistral_chats_streams_calls_tools_and_reads_errors() -> None:
    mistralai = pytest.importorskip("mistralai.client", reason="the mistralai SDK is not installed")
    errors = pytest.importorskip("mistralai.client.errors", reason="the mistralai SDK is not installed")
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}

    async def scenario() -> None:
        async with (
            served("mistral") as provider,
            mistralai.Mistral(api_key="sk-test", server_url=provider.base_url("mistral")) as client,
        ):
            reply = await client.chat.complete_async(model="mistral-small-latest", messages=HELLO)
            assert len(reply.choices[0].message.content.split()) == 5
            assert (reply.choices[0].finish_reason, reply.usage.completion_tokens) == ("stop", 5)

            text, last = "", cast(Any, None)
            stream = await client.chat.stream_async(model="mistral-small-latest", messages=HELLO, max_tokens=3)
            async for event in stream:
                text += event.data.choices[0].delta.content or ""
                last = event.data
            assert (len(text.split()), last.choices[0].finish_reason) == (3, "length")
            assert last.usage.completion_tokens == 3

            reply = await client.chat.complete_async(model="m", messages=HELLO, tools=[tool], tool_choice="any")
            call = reply.choices[0].message.tool_calls[0]
            assert (call.function.name, json.loads(call.function.arguments)) == ("weather", CALLED)
            assert len(call.id) == 9

            result: Any = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
            called: Any = {"role": "assistant", "content": "", "tool_calls": [call]}
            with pytest.raises(errors.SDKError, match="Unexpected role 'user' after role 'tool'"):
                await client.chat.complete_async(model="m", messages=[*HELLO, called, result, *HELLO], tools=[tool])

            with pytest.raises(errors.SDKError) as refused:
                await client.chat.complete_async(model="m", messages=HELLO)
            assert refused.value.status_code == 429
            provider.inject(faults.dead())
            with pytest.raises(errors.SDKError, match="Invalid API Key"):
                await client.chat.complete_async(model="m", messages=HELLO)

    run(scenario())
