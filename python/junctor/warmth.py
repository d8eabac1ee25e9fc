"""What is expected to be read from a provider's prompt cache: what the last answer with this beginning read there.

Where cached input does not count against a limit (Anthropic, Bedrock), a reservation of the whole prompt holds many
times what the call will be charged, and a fleet of agents stands in its own way. So what an answer reports as read is
remembered by the key that brings requests to one place, and the next request with that key holds so much less, if the
walk picks that place. Only what was reported counts: a prefix that was written and not read yet is a hope. If it is
gone after all, the settlement charges the difference as debt, as for every estimate that was too low.

It is kept by the client, in its process: a hint for a few minutes is not worth a record in a shared state.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

KEPT_S: Final = 300.0
"""Five minutes after its last use is the shortest time for which a provider keeps a prefix."""

MAX_KEPT: Final = 4_096
"""Sessions and prefixes that are remembered; of more the longest unused are forgotten, which only holds too much."""


class Warmth:
    """Where beginnings of prompts were read from a cache, and how many tokens of them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[str, int, float]] = OrderedDict()

    def note(self, key: str, deployment: str, cached_tokens: int, now_s: float) -> None:
        """An answer to a request with this key came from there and reported so many tokens as read."""
        self._kept.pop(key, None)
        if cached_tokens > 0:
            self._kept[key] = (deployment, cached_tokens, now_s)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)

    def expected(self, key: str, now_s: float) -> tuple[str, int] | None:
        """The deployment and the tokens, if that was lately."""
        found = self._kept.get(key)
        if found is None or now_s - found[2] > KEPT_S:
            return None
        return found[0], found[1]
