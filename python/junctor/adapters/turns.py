"""The turn that Mistral misses when a user speaks right after a tool's result.

Every other provider takes that order: an agent whose tool was interrupted sends it, and so does a caller who adds a
question to the results. Mistral answers 400, "Unexpected role 'user' after role 'tool'", so a conversation that began
elsewhere could not go on there. An assistant's message of one word is put between; it must have content, because an
empty one is refused too. Joining the user's words to the result was rejected: the model would take them for the tool's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from junctor.request import Message

BETWEEN: Final[Message] = {"role": "assistant", "content": "Understood."}


def with_turn_between(messages: Sequence[Message], notes: list[str], dialect: str) -> Sequence[Message]:
    """The conversation in which no user speaks right after a tool; the same object if none does."""
    gaps = [
        place
        for place in range(1, len(messages))
        if messages[place].get("role") == "user" and messages[place - 1].get("role") == "tool"
    ]
    if not gaps:
        return messages
    said = list(messages)
    for place in reversed(gaps):
        said.insert(place, BETWEEN)
    notes.append(f"messages: an assistant's word stands between tool and user at {len(gaps)} place(s) ({dialect})")
    return said
