"""The chat model beyond the standard tests: whole streams, typed errors, loops and threads, nothing secret shown."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import msgspec
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import ContextOverflowError, ModelError, ModelRateLimitError, ModelRefusalError
from langchain_core.language_models import BaseChatModel
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import LLMResult
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from pydantic import BaseModel, ValidationError

import junctor
from junctor import config, exceptions
from junctor.langchain import ChatJunctor
from junctor.langchain.answers import ABOUT, chunk_of, cost_usd_micros, message_of
from junctor.langchain.errors import MEANINGS
from junctor.langchain.sync import Sync
from junctor.reply import Done, Event, Finish, ReasoningDelta, Reply, TextDelta, ToolCall, ToolCallDelta, Usage
from junctor.testing import ScriptedProvider
from junctor.testing.scripted import Outcome, fail, hang, ok, raw, stream, tool_call
from tests.langchain.desk import CANARY, MODELS, Desk, assert_released, clients

FIELDS = {"anthropic": {"model": "m", "content": [{"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"}]}}


@tool
def lookup(number: int) -> str:
    """Who has this number?"""
    return f"{number}: Ada"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Two providers, and a client over them."""
    with clients(tmp_path, "openai", "anthropic") as desk:
        yield desk
        desk.assert_released()


def scripted(script: dict[str, list[Outcome]], folder: Path, **more: Any) -> tuple[ScriptedProvider, ChatJunctor]:
    """A chat model over deployments named like the script's keys, each in the dialect that its name begins with."""
    provider = ScriptedProvider(script)
    (folder / "key").write_text(CANARY, encoding="utf-8")
    dialects = {name: name.partition("-")[0] for name in script}
    fleet = {
        "version": 1,
        "state": "process",
        "providers": {
            name: {"adapter": dialect, "base_url": provider.base_url(name, dialect)}
            for name, dialect in dialects.items()
        },
        "deployments": {
            name: {
                "model": f"{name}/{MODELS[dialect][0]}",
                "key": "file:key",
                "capabilities": ["tools", "structured_output", "reasoning", "streaming"],
            }
            for name, dialect in dialects.items()
        },
        "groups": {"desk": {"members": list(script)}},
    } | more
    router = junctor.Router.from_config(config.from_mapping(fleet, folder=folder), seed=1)
    return provider, ChatJunctor(client=junctor.Client(router, provider, seed=1), model="desk")


def body_of(provider: ScriptedProvider, number: int = -1) -> Any:
    """The body of a request that was sent."""
    return msgspec.json.decode(provider.sent[number].request.body)


# ---- answers ----


def test_the_chunks_of_a_stream_merge_to_the_whole_answer() -> None:
    """Text, reasoning, calls, usage, what the provider must see again: nothing is lost, nothing doubled."""
    reply = Reply(
        text="Wait a moment.",
        message={"role": "assistant", "content": "Wait a moment.", "provider_fields": FIELDS},
        finish_reason="tool_calls",
        usage=Usage(input_tokens=9, output_tokens=5, cached_tokens=4, cache_write_tokens=3, reasoning_tokens=2),
        model="m",
        id="r1",
        tool_calls=(ToolCall("c1", "lookup", '{"number": 3}'), ToolCall("c2", "hang_up", "{}")),
        reasoning="Who was it?",
        refusal="Not that.",
    )
    events: list[Event] = [
        ReasoningDelta("Who was"), ReasoningDelta(" it?"), TextDelta("Wait a"), TextDelta(" moment."),
        ToolCallDelta(0, '{"num', id="c1", name="lookup"), ToolCallDelta(0, 'ber": 3}'),
        ToolCallDelta(1, "", id="c2", name="hang_up"), Finish("tool_calls"), Done(reply=reply),
    ]  # fmt: skip
    merged = reduce(add, [chunk for event in events if (chunk := chunk_of(event)) is not None])
    whole = message_of(reply)
    for name in ("content", "tool_calls", "invalid_tool_calls", "additional_kwargs", "response_metadata"):
        assert getattr(merged, name) == getattr(whole, name), name
    assert merged.usage_metadata == whole.usage_metadata
    assert merged.content_blocks == whole.content_blocks
    assert {block["type"] for block in whole.content_blocks} == {"reasoning", "text", "tool_call"}
    assert whole.usage_metadata == {
        "input_tokens": 9, "output_tokens": 5, "total_tokens": 14,
        "input_token_details": {"cache_read": 4, "cache_creation": 3}, "output_token_details": {"reasoning": 2},
    }  # fmt: skip


def test_usage_that_nobody_counted_is_not_made_up() -> None:
    """LangChain adds usages up; zeros would say that the answer was free."""
    reply = Reply(text="", message={}, finish_reason="stop", usage=Usage(known=False))
    assert message_of(reply).usage_metadata is None


def test_broken_arguments_are_told_as_such() -> None:
    """LangChain's agents show them to the model again."""
    reply = Reply(
        text="", message={}, finish_reason="tool_calls", usage=Usage(),
        tool_calls=(ToolCall("c1", "lookup", '{"number":'), ToolCall("c2", "lookup", "[3]")),
    )  # fmt: skip
    message = message_of(reply)
    assert message.tool_calls == []
    assert [(call["id"], call["args"]) for call in message.invalid_tool_calls] == [("c1", '{"number":'), ("c2", "[3]")]


def test_an_answer_tells_where_it_came_from_and_what_it_cost(desk: Desk) -> None:
    """In plain data, which a checkpoint can hold; a stream tells the same."""
    with ChatJunctor(client=desk.client, model="desk", max_tokens=20) as model:
        whole = model.invoke("Hi")
        streamed = reduce(add, model.stream("Hi"))
    for message in (whole, streamed):
        about = message.response_metadata[ABOUT]
        assert about["deployment"] in (MODELS["openai"][0], MODELS["anthropic"][0])
        assert (about["asked"], about["group"], about["attempts"]) == ("desk", "desk", 1)
        assert about["cost_usd_micros"] > 0
        assert message.response_metadata["finish_reason"] == "length"
        assert msgspec.json.decode(msgspec.json.encode(message.response_metadata)) == message.response_metadata


# ---- conversations ----

THINKING: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": MODELS["anthropic"][0],
    "content": [
        {"type": "thinking", "thinking": "A number.", "signature": "c2lnbmVk"},
        {"type": "tool_use", "id": "toolu_1", "name": "lookup", "input": {"number": 3}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 9, "output_tokens": 5},
}


def test_a_tool_loop_begun_at_one_provider_goes_on_at_another(tmp_path: Path) -> None:
    """Its thinking goes back, signed, to the model that thought it, and stays away from others; a store in between."""
    provider, model = scripted(
        {
            "anthropic-a": [raw(200, msgspec.json.encode(THINKING)), ok("It is Ada.")],
            "openai-a": [tool_call("lookup", {"number": 4}), ok("It is Bob.")],
        },
        tmp_path,
    )
    with model:
        agent, stored = model.bind_tools([lookup]), JsonPlusSerializer()
        talk: list[BaseMessage] = [HumanMessage("Who has 3?")]
        for name in ("anthropic-a", "openai-a", "anthropic-a"):
            answer = stored.loads_typed(stored.dumps_typed(agent.invoke(talk, model=name)))
            talk += [answer, *(lookup.invoke(call) for call in answer.tool_calls)]
        assert talk[-1].text == "It is Ada."
    assert talk[1].content_blocks[0] == {"type": "reasoning", "reasoning": "A number."}
    at_openai, again = body_of(provider, 1)["messages"], body_of(provider, 2)["messages"]
    assert [message["role"] for message in at_openai] == ["user", "assistant", "tool"]
    assert "signature" not in provider.sent[1].request.body.decode()
    assert again[1]["content"] == THINKING["content"]
    assert [block["type"] for block in again[3]["content"]] == ["tool_use"]


def sse(*events: dict[str, Any]) -> bytes:
    """A stream of Claude's."""
    return b"".join(b"event: %s\ndata: %s\n\n" % (e["type"].encode(), msgspec.json.encode(e)) for e in events)


@pytest.mark.filterwarnings("ignore:The method `BaseChatModel.stream_events")
@pytest.mark.parametrize("way", ["stream", "blocks", "events"])
def test_signed_thinking_survives_every_way_to_stream(tmp_path: Path, way: str) -> None:
    """LangChain makes messages of chunks in three ways; the next request holds the thought as it was signed."""
    thought, *_ = THINKING["content"]
    about = {**THINKING, "content": [], "stop_reason": None}
    told = sse(
        {"type": "message_start", "message": about},
        {"type": "content_block_start", "index": 0, "content_block": {**thought, "thinking": "", "signature": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "A number."}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2lnbmVk"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "It is Ada."}},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    )
    answers = [raw(200, told, headers=[("content-type", "text/event-stream")]), ok()]
    provider, model = scripted({"anthropic-a": answers}, tmp_path)
    with model:
        if way == "events":
            message = model.stream_events("Who has 3?", version="v3").output
        else:
            model.output_version = "v1" if way == "blocks" else "v0"
            message = reduce(add, model.stream("Who has 3?"))
        assert message.text == "It is Ada."
        assert message.content_blocks[0]["type"] == "reasoning"
        model.invoke([HumanMessage("Who has 3?"), message, HumanMessage("Sure?")])
    assert body_of(provider)["messages"][1]["content"] == [thought, {"type": "text", "text": "It is Ada."}]


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [("any", "required"), (True, "required"), ("required", "required"), ("none", "none"), (None, None),
     ("lookup", {"type": "function", "function": {"name": "lookup"}}),
     ({"type": "tool", "name": "lookup"}, {"type": "function", "function": {"name": "lookup"}}),
     ({"type": "any"}, "required")],
)  # fmt: skip
def test_a_tool_is_chosen_in_everybodys_words(tmp_path: Path, wanted: Any, sent: Any) -> None:
    """LangChain's, OpenAI's and Anthropic's."""
    provider, model = scripted({"openai-a": [ok()]}, tmp_path)
    with model:
        model.bind_tools([lookup], tool_choice=wanted).invoke("Hi")
    assert body_of(provider).get("tool_choice") == sent


def test_tools_keep_what_only_their_provider_understands(tmp_path: Path) -> None:
    """A cache mark on a described tool, and a tool that the provider runs itself."""
    described = {"name": "find", "description": "Finds.", "input_schema": {"type": "object", "properties": {}}}
    own = {"type": "web_search_20250305", "name": "web_search"}
    mark = {"type": "ephemeral"}
    provider, model = scripted({"anthropic-a": [ok()]}, tmp_path)
    with model:
        model.bind_tools([own, {**described, "cache_control": mark}]).invoke("Hi")
    assert body_of(provider)["tools"] == [own, {**described, "cache_control": mark}]


def test_a_call_may_bring_its_tools(tmp_path: Path) -> None:
    """As LangChain has them, beside a structured answer too."""
    provider, model = scripted({"openai-a": [ok(), ok('{"number": 3}')]}, tmp_path)
    with model:
        model.invoke("Hi", tools=[lookup], tool_choice="any")
        assert model.with_structured_output(Line, tools=[lookup]).invoke("Which?") == Line(number=3)
    assert [body_of(provider, number)["tools"][0]["function"]["name"] for number in (0, 1)] == ["lookup", "lookup"]
    assert body_of(provider, 0)["tool_choice"] == "required"


def test_a_tool_that_is_not_bound_cannot_be_chosen(desk: Desk) -> None:
    """The message names those that are."""
    with (
        ChatJunctor(client=desk.client) as model,
        pytest.raises(exceptions.InvalidRequest, match="one of lookup"),
    ):
        model.bind_tools([lookup], tool_choice="look_up")


# ---- options ----


def test_options_of_model_binding_and_call_come_together(tmp_path: Path) -> None:
    """Later ones win, tags are joined; what a rule says of them is done."""
    rules = [
        {"name": "ours", "when": {"task": "extraction", "tags": {"a": "1", "b": "2"}}, "use": "openai-a"},
        {"name": "rest", "refuse": "nobody asked for this"},
    ]
    provider, model = scripted({"openai-a": [ok()], "openai-b": []}, tmp_path, rules=rules)
    with model:
        model = ChatJunctor(
            client=model.client, options={"task": "chat", "tags": {"a": "1"}, "user": "ada"}, stop=["."],
            temperature=0.5, sync=model.sync,
        )  # fmt: skip
        bound = model.bind(options={"tags": {"b": "2"}, "task": "extraction"}, temperature=0.1)
        told = bound.invoke("Hi", max_tokens=9).response_metadata[ABOUT]
    assert told["rule"] == "ours"
    sent = body_of(provider)
    assert (sent["temperature"], sent["stop"], sent["user"]) == (0.1, ["."], "ada")
    with pytest.raises(exceptions.Refused, match="nobody asked"):
        model.invoke("Hi")


@pytest.mark.parametrize(
    ("said", "sent"),
    [({}, ["."]), ({"stop": ["!"]}, ["!"]), ({"options": {"stop": "?"}}, ["?"]), ({"stop": []}, None)],
)
def test_a_call_says_where_to_stop(tmp_path: Path, said: dict[str, Any], sent: Any) -> None:
    """Itself, in its options, or as the model does; an empty list is nowhere."""
    provider, model = scripted({"openai-a": [ok()]}, tmp_path)
    with model:
        ChatJunctor(client=model.client, sync=model.sync, stop=["."]).invoke("Hi", None, **said)
    assert body_of(provider).get("stop") == sent


def test_traces_are_no_tags(tmp_path: Path) -> None:
    """A run's tags and metadata route nothing: whoever writes a trace does not decide who sees a request."""
    rules = [{"name": "ours", "when": {"tenant": "acme"}, "use": "openai-a"}, {"use": "openai-b"}]
    _, model = scripted({"openai-a": [], "openai-b": [ok()]}, tmp_path, rules=rules)
    run: RunnableConfig = {"metadata": {"tenant": "acme"}, "tags": ["tenant"]}
    with model:
        assert model.invoke("Hi", run, model="auto").response_metadata[ABOUT]["deployment"] == "openai-b"


@pytest.mark.parametrize(("retries", "made"), [(0, 1), (1, 2), (6, 3)])
def test_max_retries_is_one_attempt_less(tmp_path: Path, retries: int, made: int) -> None:
    """And no more than the fleet allows."""
    provider, model = scripted({f"openai-{name}": [fail(500)] for name in "abcd"}, tmp_path)
    with model, pytest.raises(exceptions.ServerError) as caught:
        model.invoke("Hi", max_retries=retries)
    assert len(provider.sent) == made
    assert caught.value.receipt is not None
    assert len(caught.value.receipt.attempts) == made


def test_a_timeout_is_the_deadline_of_the_whole_call(tmp_path: Path) -> None:
    """Waits and all attempts included."""
    _, model = scripted({"openai-a": [hang()]}, tmp_path)
    with model, pytest.raises(exceptions.DeadlineExceeded) as caught:
        model.invoke("Hi", timeout=0.15)
    assert isinstance(caught.value, TimeoutError)


@pytest.mark.parametrize("name", ["taks", "api_key"])
def test_what_does_not_exist_is_not_silently_ignored(desk: Desk, name: str) -> None:
    """Neither on the model nor in a call."""
    wrong: dict[str, Any] = {name: "x"}
    with pytest.raises(ValidationError, match=name):
        ChatJunctor(client=desk.client, **wrong)
    with (
        ChatJunctor(client=desk.client) as model,
        pytest.raises(exceptions.InvalidRequest, match=f"'{name}' is no option"),
    ):
        model.invoke("Hi", None, **wrong)


def test_a_model_needs_a_fleet() -> None:
    """The error is ours, and says what to give."""
    with pytest.raises(exceptions.ConfigError, match=r"fleet='fleet\.yaml'"):
        ChatJunctor()
    with pytest.raises(exceptions.ConfigError, match=r"missing\.yaml"):
        ChatJunctor(fleet=Path("missing.yaml"))


# ---- structured answers ----


class Line(BaseModel):
    """A line of the exchange."""

    number: int


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_an_answer_that_does_not_fit_is_told_beside_the_raw_one(tmp_path: Path, method: Any) -> None:
    """With `include_raw`, as LangChain's other models do."""
    wrong = ok("no number") if method == "json_schema" else tool_call("Line", {"number": "none"})
    _, model = scripted({"openai-a": [wrong]}, tmp_path)
    with model:
        found = model.with_structured_output(Line, method=method, include_raw=True).invoke("Which?")
    assert isinstance(found, dict)
    assert isinstance(found["raw"], AIMessage)
    assert found["parsed"] is None
    assert isinstance(found["parsing_error"], ValueError)


def test_a_refusal_is_no_parsing_error(tmp_path: Path) -> None:
    """It is what LangChain calls a refusal, with the message."""
    message = {"role": "assistant", "content": None, "refusal": "Not that."}
    body = {"id": "r", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    _, model = scripted({"openai-a": [raw(200, msgspec.json.encode(body))]}, tmp_path)
    with model, pytest.raises(ModelRefusalError, match=r"Not that\.") as caught:
        model.with_structured_output(Line).invoke("Which?")
    assert isinstance(caught.value.raw_message, AIMessage)


def test_a_schema_is_needed_and_methods_are_few(desk: Desk) -> None:
    """Each complaint says what there is."""
    with ChatJunctor(client=desk.client) as model:
        with pytest.raises(ValueError, match="only json_mode"):
            model.with_structured_output(None, method="function_calling")
        with pytest.raises(ValueError, match="without a schema"):
            model.with_structured_output(None)
        with pytest.raises(ValueError, match="json_schema, function_calling, json_mode"):
            model.with_structured_output(Line, method="magic")  # type: ignore[arg-type]  # the mistake itself


# ---- errors ----


def test_every_error_of_ours_is_one_of_langchains_too() -> None:
    """Retries, fallbacks and summaries of LangChain know what to do with it."""
    kinds = {kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    bases = {exceptions.JunctorError, exceptions.ProviderError, exceptions.ConfigError, exceptions.NarrowerStateWarning}
    assert kinds - bases == set(MEANINGS)


@pytest.mark.parametrize(
    ("outcome", "kind", "theirs", "again"),
    [
        (fail(400, kind="context_length"), exceptions.ContextLengthExceeded, ContextOverflowError, False),
        (fail(401), exceptions.AuthError, ModelError, False),
        (fail(429, kind="quota"), exceptions.QuotaExhausted, ModelError, False),
        (fail(503), exceptions.Overloaded, ModelError, True),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_providers_failure_reaches_the_user_typed(
    tmp_path: Path, outcome: Outcome, kind: type[Exception], theirs: type[Exception], again: bool, streamed: bool
) -> None:
    """As what it is here, with its receipt, and as what LangChain calls it."""
    _, model = scripted({"openai-a": [outcome]}, tmp_path)
    with model, pytest.raises(kind) as caught:
        [*model.stream("Hi", max_retries=0)] if streamed else model.invoke("Hi", max_retries=0)
    assert isinstance(caught.value, theirs)
    assert isinstance(caught.value, ModelError)
    assert caught.value.is_retryable is again
    assert type(caught.value).__name__ == kind.__name__
    assert getattr(caught.value, "receipt", None) is not None
    assert CANARY not in str(caught.value)


def test_nobody_free_and_nobody_able_are_told_apart(desk: Desk, tmp_path: Path) -> None:
    """One says when to come back, the other that it is of no use."""
    sound = {"type": "audio", "base64": "aGk=", "mime_type": "audio/wav"}
    with ChatJunctor(client=desk.client, model=MODELS["anthropic"][0]) as model:
        with pytest.raises(exceptions.Refused) as refused:
            model.invoke([HumanMessage([sound])])
        assert isinstance(refused.value, ModelError)
        assert not refused.value.is_retryable
        assert refused.value.refusals
    _, model = scripted({"openai-a": [ok()]}, tmp_path, **limited(rpm=1))
    with model:
        model.invoke("Hi")
        with pytest.raises(exceptions.NoCapacity) as busy:
            model.invoke("Hi", options={"max_wait_s": 0})
    assert isinstance(busy.value, ModelRateLimitError)
    assert busy.value.retry_after_s > 0


def limited(**limits: float) -> dict[str, Any]:
    """A fleet of one deployment with limits."""
    model = f"openai-a/{MODELS['openai'][0]}"
    of = {"model": model, "key": "file:key", "capabilities": ["streaming"], **limits}
    return {"deployments": {"openai-a": of}}


@pytest.mark.parametrize("loop", [False, True])
def test_a_stream_that_breaks_says_so_after_what_it_delivered(tmp_path: Path, loop: bool) -> None:
    """Never a clean end of a cut stream, in threads as in loops."""
    _, model = scripted({"openai-a": [stream("one", " two", " three", cut_after=2)]}, tmp_path)
    said: list[str] = []

    async def listen() -> None:
        async for chunk in model.astream("Hi"):
            said.append(chunk.text)

    def read() -> None:
        for chunk in model.stream("Hi"):
            said.append(chunk.text)

    with model, pytest.raises(exceptions.StreamInterrupted) as caught:
        asyncio.run(listen()) if loop else read()
    assert caught.value.partial == "one two"
    assert said == ["one", " two"]


# ---- loops, threads, ends ----


async def test_a_cancelled_call_is_settled(tmp_path: Path) -> None:
    """The caller's cancellation reaches the request, and what it held is free."""
    provider, model = scripted({"openai-a": [hang()]}, tmp_path)
    async with model:
        call = asyncio.create_task(model.ainvoke("Hi"))
        for _ in range(50):  # turns of the loop; the request is out after a few
            await asyncio.sleep(0)
        assert provider.open == 1
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert provider.open == 0
    assert_released(model.client)


@pytest.mark.parametrize("leave", ["close", "forget"])
def test_a_stream_that_is_left_early_lets_go_at_once(tmp_path: Path, leave: str) -> None:
    """The connection is closed and the reservation settled when the loop is left, not some time later."""
    provider, model = scripted({"openai-a": [stream("one", "two", stall_after=1)]}, tmp_path)
    with model:
        chunks = model.stream("Hi")
        assert next(chunks).text == "one"
        if leave == "close":
            chunks.close()  # type: ignore[attr-defined]  # a generator, though LangChain promises an iterator
        del chunks
        assert provider.open == 0
        assert_released(model.client)


def test_closing_a_model_ends_what_runs_on_it(tmp_path: Path) -> None:
    """Whoever waits is told, and what was held is free."""
    provider, model = scripted({"openai-a": [stream("one", "two", stall_after=1)]}, tmp_path)
    chunks = model.stream("Hi")
    assert next(chunks).text == "one"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, chunks)
        model.close()
        with pytest.raises(exceptions.JunctorError, match="closed during this call"):
            waiting.result()
    assert provider.open == 0
    assert_released(model.client)


def test_many_threads_share_one_model(desk: Desk) -> None:
    """Each gets its own answer, over one loop."""
    with ChatJunctor(client=desk.client, model="desk") as model, ThreadPoolExecutor(8) as pool:
        answers = [*pool.map(model.invoke, ["Hi"] * 40)]
        bridges = [thread for thread in threading.enumerate() if thread.name == "junctor-bridge"]
    assert len({answer.id for answer in answers}) == 40
    assert len(bridges) == 1
    assert not bridges[0].is_alive()


def test_two_loops_and_a_thread_share_one_model(desk: Desk) -> None:
    """Connections live in a loop; a model does not."""
    with ChatJunctor(client=desk.client, model="desk") as model:

        async def ask() -> int:
            found = [*await asyncio.gather(*(model.ainvoke("Hi") for _ in range(5)))]
            found += [chunk async for chunk in model.astream("Hi")][-1:]
            await desk.client.leave_loop()
            return len(found)

        with ThreadPoolExecutor(3) as pool:
            both = [pool.submit(asyncio.run, ask()), pool.submit(asyncio.run, ask())]
            assert pool.submit(model.invoke, "Hi").result().text
            assert [each.result() for each in both] == [6, 6]


def test_a_closed_model_answers_again(desk: Desk) -> None:
    """Closing lets go; it is no end. Twice is harmless."""
    model = ChatJunctor(client=desk.client, model="desk")
    for _ in range(2):
        with model:
            assert model.invoke("Hi").text
        model.close()


def test_a_forgotten_model_leaves_no_thread_behind(desk: Desk) -> None:
    """Nobody has to close what they have dropped."""
    model = ChatJunctor(client=desk.client, model="desk")
    model.invoke("Hi")
    (bridge,) = (thread for thread in threading.enumerate() if thread.name == "junctor-bridge")
    del model
    bridge.join(10)
    assert not bridge.is_alive()


def test_a_call_runs_in_its_callers_context() -> None:
    """The span that is open where a synchronous call is made is the parent of the call's own."""
    span: contextvars.ContextVar[str] = contextvars.ContextVar("span", default="none")

    async def nothing() -> None:
        pass

    async def seen() -> str:
        return span.get()

    sync = Sync(nothing)
    span.set("ours")
    assert sync.run(seen()) == "ours"
    sync.end()


# ---- what is shown ----


class Tracer(BaseCallbackHandler):
    """Writes down all that it is given."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_chat_model_start(self, *given: Any, **more: Any) -> None:
        self.told.append(f"{given} {more}")

    def on_llm_end(self, response: LLMResult, **more: Any) -> None:
        self.told.append(f"{response} {more}")


def test_no_key_is_shown_anywhere(desk: Desk) -> None:
    """Neither by the model nor by its parts, nor in what tracers are given."""
    tracer = Tracer()
    with ChatJunctor(client=desk.client, model="desk") as model:
        model.invoke("Hi", {"callbacks": [tracer]})
        shown = [repr(model), str(model), dumps(model), str(model.asdict()), str(model.model_dump()), *tracer.told]
        shown += [repr(model.bind_tools([lookup])), dumps(model.bind(stop=["x"]))]
    assert len(tracer.told) == 2
    assert [text for text in shown if CANARY in text] == []
    assert [text for text in shown if "Client" in text] == []


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_a_model_is_read_back_by_its_fleet_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stored names the file; its keys are read anew from where it says."""
    monkeypatch.setenv("KEY_A", CANARY)
    file = tmp_path / "fleet.yaml"
    file.write_text(
        "{version: 1, state: process, deployments: {a: {model: openai/gpt-5.6, key: 'env:KEY_A'}}}", encoding="utf-8"
    )
    with ChatJunctor(fleet=file, model="a", max_tokens=9, options={"task": "chat"}) as model:
        stored = dumps(model)
    assert CANARY not in stored
    with loads(stored, allowed_objects=[ChatJunctor], valid_namespaces=["junctor"]) as again:
        assert again.asdict() == model.asdict()
    with pytest.raises(exceptions.ConfigError, match="without a fleet"):
        loads(dumps(ChatJunctor(client=model.client)), allowed_objects=[ChatJunctor], valid_namespaces=["junctor"])


def test_langchains_cache_knows_fleets_apart_and_its_answers_are_free(tmp_path: Path) -> None:
    """The same prompt at another fleet is another question."""
    cache = InMemoryCache()
    _, one = scripted({"openai-a": [ok("from one")]}, tmp_path)
    _, two = scripted({"openai-b": [ok("from two")]}, tmp_path)
    with one, two:
        models: list[BaseChatModel] = [one, one, two]
        answers = []
        for model in models:
            model.cache = cache
            answers.append(model.invoke("Hi"))
    assert [answer.text for answer in answers] == ["from one", "from one", "from two"]
    assert [cost_usd_micros(answer) > 0 for answer in answers] == [True, False, True]


def test_the_profile_is_what_everybody_asked_can_do(desk: Desk) -> None:
    """Of the group, of one deployment, of the whole fleet; agents choose by it."""
    with ChatJunctor(client=desk.client, model="desk") as model:
        assert model.profile is not None
        assert model.profile["structured_output"] is True
        assert model.profile["audio_inputs"] is False
        alone = model.asking(MODELS["openai"][0])
        assert alone.profile is not None
        assert alone.profile["audio_inputs"] is True
        assert alone.profile["max_input_tokens"] > model.profile["max_input_tokens"]
        assert alone.invoke("Hi").response_metadata[ABOUT]["deployment"] == MODELS["openai"][0]
        assert model.asking("nobody").profile is None


def test_tokens_are_estimated_without_a_tokenizer(desk: Desk) -> None:
    """LangChain's trimming asks the model; its own default would load a tokenizer from the network."""
    with ChatJunctor(client=desk.client) as model:
        assert 5 < model.get_num_tokens("Tell me about telephone exchanges") < 20
        talk = [HumanMessage("Hi"), AIMessage("Hello"), ToolMessage("3", tool_call_id="c1")]
        assert model.get_num_tokens_from_messages(talk, tools=[lookup]) > model.get_num_tokens_from_messages(talk)
