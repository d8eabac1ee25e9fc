"""Agents whose steps are routed: where each goes, in which session, what it cost, and when the money is spent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRequest, ModelRetryMiddleware
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel

from junctor import exceptions
from junctor.langchain import BudgetSpent, ChatJunctor, JunctorMiddleware
from junctor.langchain.answers import ABOUT
from junctor.langchain.middleware import RUN, THREAD
from junctor.langchain.steps import step_of
from junctor.testing import faults
from tests.langchain.desk import Desk, clients

STRONG, SMALL = "claude-opus-4-5", "gpt-4.1"
FLEET: Mapping[str, Any] = {
    "groups": {
        "strong": {"members": [STRONG, "claude-sonnet-4-5"], "affinity": "session"},
        "small": {"members": [SMALL]},
    },
    "rules": [
        {"name": "thought", "when": {"tags": {"step": ["plan", "recover"]}}, "use": "strong"},
        {"name": "done", "when": {"tags": {"step": "act"}}, "use": "small"},
        {"name": "tenant", "when": {"tenant": "acme", "tags": {"step": "answer"}}, "use": "small"},
    ],
}
ASKED: Any = {"messages": [("user", "Who has number 3?")]}


@tool
def lookup(number: int) -> str:
    """Who has this number?"""
    return f"{number}: Ada"


@tool
def broken(number: int) -> str:
    """Who has this number?"""
    raise ToolException(f"no line to {number}")


broken.handle_tool_error = True


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Two providers, and rules that see steps."""
    with clients(tmp_path, "openai", "anthropic", more=FLEET) as desk:
        yield desk
        desk.assert_released()


@pytest.fixture
def model(desk: Desk) -> Iterator[ChatJunctor]:
    """Asks for `auto`."""
    with ChatJunctor(client=desk.client) as model:
        yield model


def thread(name: str) -> Any:
    """The configuration of a run in this thread."""
    return {"configurable": {"thread_id": name}}


def told(messages: list[BaseMessage], key: str = "group") -> list[Any]:
    """What the answers' receipts say."""
    return [each.response_metadata[ABOUT].get(key) for each in messages if isinstance(each, AIMessage)]


@pytest.mark.parametrize(
    ("last", "tools", "step"),
    [
        ([HumanMessage("Hi")], [lookup], "plan"),
        ([AIMessage("Hi")], [lookup], "plan"),
        ([], [lookup], "plan"),
        ([ToolMessage("3", tool_call_id="1")], [lookup], "act"),
        ([ToolMessage("3", tool_call_id="1", status="error"), ToolMessage("3", tool_call_id="2")], [lookup], "recover"),
        ([ToolMessage("3", tool_call_id="1", status="error"), AIMessage("Hm"), HumanMessage("Hi")], [lookup], "plan"),
        ([HumanMessage("Hi")], [], "answer"),
        ([ToolMessage("3", tool_call_id="1", status="error")], [], "answer"),
    ],
)
def test_a_step_is_told_from_what_it_is_given(last: list[BaseMessage], tools: list[Any], step: str) -> None:
    """The newest results count, older ones do not."""
    assert step_of([SystemMessage("Be kind."), *last], tools) == step


def test_each_step_goes_where_the_rules_say(model: ChatJunctor) -> None:
    """The plan to the strong group, what follows a result to the small one, a failed tool back to the strong one."""
    agent = create_agent(model, [lookup], middleware=[JunctorMiddleware()])
    assert told(agent.invoke(ASKED)["messages"]) == ["strong", "small"]
    assert told(agent.invoke(ASKED)["messages"], "rule") == ["thought", "done"]
    clumsy = create_agent(model, [broken], middleware=[JunctorMiddleware()])
    assert told(clumsy.invoke(ASKED)["messages"]) == ["strong", "strong"]


async def test_models_by_step_need_no_rules(model: ChatJunctor, desk: Desk) -> None:
    """What a step names is asked for; other steps keep the agent's own model. Streams and loops alike."""
    agent = create_agent(model.asking("small"), [lookup], middleware=[JunctorMiddleware(models={"plan": STRONG})])
    async for _mode, found in agent.astream(ASKED, stream_mode=["messages", "values"]):
        last: Any = found
        assert _mode == "values" or isinstance(found[0], AIMessageChunk | ToolMessage)
    assert told(last["messages"], "deployment") == [STRONG, SMALL]
    assert told(last["messages"], "asked") == [STRONG, "small"]
    await desk.client.leave_loop()


def test_steps_may_be_named_by_the_caller(model: ChatJunctor) -> None:
    """A function of the request instead of ours."""

    def by_length(request: ModelRequest[Any]) -> str:
        return "long" if len(request.messages) > 2 else "short"

    middleware = JunctorMiddleware(models={"long": "small", "short": "strong"}, step=by_length)
    assert told(create_agent(model, [lookup], middleware=[middleware]).invoke(ASKED)["messages"]) == ["strong", "small"]


def test_a_thread_stays_at_one_deployment(model: ChatJunctor) -> None:
    """Its session is the thread, so prompts stay where they are cached; other threads may go elsewhere."""
    agent = create_agent(
        model, [lookup], middleware=[JunctorMiddleware(models={"plan": "strong", "act": "strong"})],
        checkpointer=InMemorySaver(),
    )  # fmt: skip
    homes = []
    for number in range(8):
        for _ in range(2):
            found = agent.invoke(ASKED, thread(str(number)))
        homes.append(set(told(found["messages"], "deployment")))
    assert all(len(home) == 1 for home in homes)
    assert len(set.union(*homes)) == 2


def test_a_run_without_a_thread_stays_at_one_deployment_too(model: ChatJunctor) -> None:
    """Its first message's id is kept through the run."""
    agent = create_agent(model, [lookup], middleware=[JunctorMiddleware(models={"plan": "strong", "act": "strong"})])
    homes = [set(told(agent.invoke(ASKED)["messages"], "deployment")) for _ in range(12)]
    assert all(len(home) == 1 for home in homes)
    assert len(set.union(*homes)) == 2


class Context(TypedDict):
    """Who runs the agent."""

    tenant: str


def test_options_may_come_from_the_context_of_the_run(model: ChatJunctor) -> None:
    """A tenant, for instance, which rules and compliance read."""

    def ours(request: ModelRequest[Any]) -> Mapping[str, Any]:
        return {"tenant": request.runtime.context["tenant"], "tags": {"a": "1"}}

    agent = create_agent(model, [], middleware=[JunctorMiddleware(options=ours)], context_schema=Context)
    assert told(agent.invoke(ASKED, context={"tenant": "acme"})["messages"], "rule") == ["tenant"]
    with pytest.raises(exceptions.Refused):
        agent.invoke(ASKED, context={"tenant": "zeta"})


def test_what_a_run_and_its_thread_cost_is_in_the_state(model: ChatJunctor) -> None:
    """Both are sums of the receipts; the run's begins anew."""
    agent = create_agent(model, [lookup], middleware=[JunctorMiddleware()], checkpointer=InMemorySaver())
    first = agent.invoke(ASKED, thread("a"))
    second = agent.invoke(ASKED, thread("a"))
    other = agent.invoke(ASKED, thread("b"))
    costs = told(second["messages"], "cost_usd_micros")
    assert len(costs) == 4
    assert min(costs) > 0
    assert (first[RUN], first[THREAD]) == (sum(costs[:2]), sum(costs[:2]))
    assert (second[RUN], second[THREAD]) == (sum(costs[2:]), sum(costs))
    assert other[THREAD] == sum(told(other["messages"], "cost_usd_micros"))


def test_an_answer_of_langchains_cache_costs_nothing(model: ChatJunctor) -> None:
    """Its receipt is the first call's, and the money was spent once."""
    model.cache = InMemoryCache()
    agent = create_agent(model, [], middleware=[JunctorMiddleware(models={"answer": SMALL}, options={"session": "s"})])
    assert agent.invoke(ASKED)[RUN] > 0
    assert agent.invoke(ASKED)[RUN] == 0


@pytest.mark.parametrize("scope", ["run", "thread"])
def test_a_spent_budget_ends_the_agent_before_its_next_step(model: ChatJunctor, scope: str) -> None:
    """The step that spends it is finished; the agent says why it stops, and a new run may spend its own."""
    limits: dict[str, Any] = {f"{scope}_budget_usd": 0.000_001}
    agent = create_agent(model, [lookup], middleware=[JunctorMiddleware(**limits)], checkpointer=InMemorySaver())
    for runs in (1, 2):
        messages = agent.invoke(ASKED, thread("a"))["messages"]
        assert f"the {scope} has spent" in messages[-1].text
        steps = [each for each in messages if ABOUT in each.response_metadata]
        assert len(steps) == (runs if scope == "run" else 1)


def test_a_spent_budget_may_be_an_error(model: ChatJunctor) -> None:
    """With the sums, in a loop too."""
    middleware = JunctorMiddleware(run_budget_usd=0.000_001, exit_behavior="error")
    agent = create_agent(model, [lookup], middleware=[middleware])
    with pytest.raises(BudgetSpent) as caught:
        agent.invoke(ASKED)
    assert caught.value.budget_usd == 0.000_001 < caught.value.spent_usd

    async def run() -> None:
        try:
            await agent.ainvoke(ASKED)
        finally:
            await model.aclose()

    with pytest.raises(BudgetSpent):
        asyncio.run(run())


def test_an_agent_is_a_node_of_a_graph(model: ChatJunctor) -> None:
    """Its steps are routed there as anywhere."""
    agent = create_agent(model, [lookup], middleware=[JunctorMiddleware()])
    graph = StateGraph(MessagesState)
    graph.add_node("desk", agent)
    graph.add_edge(START, "desk")
    assert told(graph.compile(checkpointer=InMemorySaver()).invoke(ASKED, thread("g"))["messages"]) == [
        "strong",
        "small",
    ]


class Line(BaseModel):
    """Who has which number."""

    number: int


def test_structured_answers_of_agents_are_routed_too(model: ChatJunctor) -> None:
    """By the provider's own means, as the profile of the step's model says that it can."""
    agent = create_agent(model, [], middleware=[JunctorMiddleware(models={"answer": "strong"})], response_format=Line)
    found = agent.invoke(ASKED)
    assert found["structured_response"] == Line(number=1)
    assert told(found["messages"]) == ["strong"]
    assert not any(isinstance(each, ToolMessage) for each in found["messages"])


def test_an_answer_by_a_tool_is_counted_too(tmp_path: Path) -> None:
    """Where not everybody can be held to a schema, agents ask by a tool: two messages, one cost."""
    old = {"model": "openai/gpt-4", "key": "file:key", "capabilities": ["tools"], "price": {"input": 1, "output": 1}}
    plain = {"deployments": {"old": old}, "groups": {}}
    with clients(tmp_path, "openai", more=plain) as desk, ChatJunctor(client=desk.client, model="old") as model:
        agent = create_agent(model, [], middleware=[JunctorMiddleware()], response_format=Line)
        found = agent.invoke(ASKED)
    assert found["structured_response"] == Line(number=1)
    assert isinstance(found["messages"][-1], ToolMessage)
    assert found[RUN] == sum(told(found["messages"], "cost_usd_micros")) > 0


def test_langchains_retries_leave_alone_what_no_retry_can_help(model: ChatJunctor, desk: Desk) -> None:
    """A dead key is asked once more for each try that LangChain makes: none beside the first."""
    desk.provider.inject(faults.dead(), key="anthropic")
    retry = ModelRetryMiddleware(max_retries=3, initial_delay=0.0, on_failure="error")
    middleware: list[Any] = [retry, JunctorMiddleware(options={"attempts": 1})]
    agent = create_agent(model, [lookup], middleware=middleware)
    with pytest.raises(exceptions.AuthError):
        agent.invoke(ASKED)
    assert desk.provider.counts(key="anthropic").requests == 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"run_budget_usd": 0}, "run_budget_usd is 0"),
        ({"thread_budget_usd": -1}, "thread_budget_usd is -1"),
        ({"exit_behavior": "stop"}, "exit_behavior is 'stop'; it must be end or error"),
        ({"options": {"tennant": "a"}}, "did you mean 'tenant'"),
    ],
)
def test_nonsense_is_told_when_the_middleware_is_made(options: dict[str, Any], complaint: str) -> None:
    """The message names the option, the value and what is allowed."""
    with pytest.raises((exceptions.ConfigError, exceptions.InvalidRequest), match=complaint):
        JunctorMiddleware(**options)


def test_another_chat_model_is_not_silently_left_unrouted() -> None:
    """The middleware routes a fleet; without one it says so."""
    other = GenericFakeChatModel(messages=iter([AIMessage("Hi")]))
    with pytest.raises(exceptions.ConfigError, match="is a GenericFakeChatModel"):
        create_agent(other, [], middleware=[JunctorMiddleware()]).invoke(ASKED)
