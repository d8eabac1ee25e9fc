"""What an agent's next model call is for, told from what it is given. Nothing is asked of a model to find out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Literal

from langchain_core.messages import BaseMessage, ToolMessage

Step = Literal["plan", "act", "recover", "answer"]
"""`plan`: somebody spoke, and the agent decides what to do. `act`: results of tools came, and it goes on or answers.
`recover`: one of those results is an error. `answer`: no tools are at hand, so words are all that can follow.

Whether a step will end the run is known afterwards only; that is why `act` has no part of its own for it."""


def step_of(messages: Sequence[BaseMessage], tools: Sequence[Any]) -> Step:
    """The step that follows these messages with these tools at hand."""
    if not tools:
        return "answer"
    results = [*takewhile(lambda message: isinstance(message, ToolMessage), reversed(messages))]
    if not results:
        return "plan"
    return "recover" if any(getattr(result, "status", "") == "error" for result in results) else "act"
