"""A LangGraph agent whose steps are routed: the plan by a strong model, what follows a tool's result by a small one.

A thread stays at one deployment, its cost is kept in the agent's state, a budget ends it. Needs the extra `langchain`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

import junctor
from junctor import config
from junctor.langchain import ChatJunctor, JunctorMiddleware
from junctor.testing import Key, SimulatedProvider

ASKED: Any = {"messages": [("user", "Who has the number 1?")]}


@tool
def lookup(number: int) -> str:
    """Who has this number?"""
    return f"{number} is Ada's"


def fleet(gpt: str, claude: str) -> dict[str, object]:
    """What a fleet file would say."""
    return {
        "version": 1,
        "state": "process",
        "providers": {"openai": {"base_url": gpt}, "anthropic": {"base_url": claude}},
        "deployments": {
            "gpt": {"model": "openai/gpt-4.1-mini", "key": "file:key"},
            "claude": {"model": "anthropic/claude-opus-4-8", "key": "file:key"},
        },
        "groups": {"strong": {"members": ["claude"], "affinity": "session"}, "small": {"members": ["gpt"]}},
        "rules": [{"when": {"tags": {"step": ["plan", "recover"]}}, "use": "strong"}, {"use": "small"}],
    }


async def main() -> None:
    """Questions in one thread, until its money is spent."""
    async with SimulatedProvider([Key("sk-a", name="gpt"), Key("sk-a", "anthropic", name="claude")]) as provider:
        places = config.from_mapping(fleet(provider.base_url("openai"), provider.base_url("anthropic")))
        async with junctor.Client(junctor.Router.from_config(places)) as llm, ChatJunctor(client=llm) as model:
            routing = [JunctorMiddleware(thread_budget_usd=0.0005)]
            agent = create_agent(model, [lookup], middleware=routing, checkpointer=InMemorySaver())
            for _ in range(3):
                state = await agent.ainvoke(ASKED, {"configurable": {"thread_id": "a"}})
                ways = [each.response_metadata.get("junctor") for each in state["messages"]]
                print("by", [way["group"] for way in ways if way], state["junctor_thread_cost_usd_micros"])
            print(state["messages"][-1].text)


Path("key").write_text("sk-a", encoding="utf-8")
asyncio.run(main())
