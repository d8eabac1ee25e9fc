"""A LangChain chat model over a fleet: tools, a structured answer, a stream, and what each answer says of its way.

Of two keys one is dead, which no caller sees. Everything is synchronous here; `ainvoke` and `astream` do the same in a
loop of yours. Needs the extra `langchain`.
"""

from __future__ import annotations

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from pydantic import BaseModel

import junctor
from junctor.langchain import ChatJunctor
from junctor.testing import Key, SimulatedProvider, faults

MODEL = "anthropic/claude-opus-4-8"
KEYS = ["sk-a", "sk-b"]


class Line(BaseModel):
    """Who has which number."""

    number: int
    name: str


@tool
def lookup(number: int) -> str:
    """Who has this number?"""
    return f"{number} is Ada's"


def converse(model: ChatJunctor) -> None:
    """A question that needs a tool, an answer in a form, and one piece by piece."""
    asking = model.bind_tools([lookup])
    talk = [HumanMessage("Who has the number 1?")]
    call = asking.invoke(talk)
    answer = asking.invoke([*talk, call, *(lookup.invoke(each) for each in call.tool_calls)])
    print("called", call.tool_calls[0]["name"], "->", answer.text)
    about = answer.response_metadata["junctor"]
    print(f"  by {about['deployment']} for {about['cost_usd_micros']} millionths of a dollar, {answer.usage_metadata}")
    print("in a form:", model.with_structured_output(Line).invoke("Who has the number 1?", max_tokens=50))
    for chunk in model.stream("Tell me about telephone exchanges", options={"task": "chat"}):
        print(chunk.text, end="", flush=True)
    print()


with SimulatedProvider([Key(key, dialect="anthropic") for key in KEYS]).in_thread() as provider:
    provider.inject(faults.dead(), key="sk-a")
    llm = junctor.Client.over_keys(MODEL, keys=KEYS, base_url=provider.base_url("anthropic"))
    with ChatJunctor(client=llm, model=MODEL, max_tokens=100, timeout=30) as chat:
        converse(chat)
