"""Which of these texts is nearest to a question? Vectors over two keys, one of which is out of order.

Limits, attempts and receipts are those of a chat. A group for embeddings has members of one model: vectors of different
models cannot be compared. The simulated provider's vectors say nothing, so neither does the order that is printed.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Sequence

import junctor
from junctor.config import from_mapping
from junctor.testing import Key, SimulatedProvider, faults

TEXTS = ["An exchange joins callers.", "A relay clicks.", "Bees make honey."]


def likeness(one: Sequence[float], other: Sequence[float]) -> float:
    """The cosine of the angle between two vectors."""
    return sum(x * y for x, y in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))


async def main() -> None:
    """Embeds the texts and a question by two calls, and sorts the one by the other."""
    os.environ |= {"KEY_A": "sk-a", "KEY_B": "sk-b"}
    async with SimulatedProvider([Key("sk-a"), Key("sk-b")]) as provider:
        provider.inject(faults.server_error(), key="sk-b")
        fleet = {
            "version": 1,
            "state": "process",
            "providers": {"openai": {"base_url": provider.base_url("openai")}},
            "deployments": {
                "vectors": {"model": "openai/text-embedding-3-small", "keys": ["env:KEY_A", "env:KEY_B"], "rpm": 600}
            },
        }
        router = junctor.Router.from_config(from_mapping(fleet), seed=1)
        async with junctor.Client(router, seed=1) as llm:
            known = await llm.embed("vectors", TEXTS, dimensions=8)
            asked = (await llm.embed("vectors", "Who joins callers?", dimensions=8)).vectors[0]

    order = sorted(range(len(TEXTS)), key=lambda place: -likeness(known.vectors[place], asked))
    print(*(f"{likeness(known.vectors[place], asked):+.2f} {TEXTS[place]}" for place in order), sep="\n")
    assert known.receipt is not None
    print("answered by", " after ".join(attempt.deployment for attempt in reversed(known.receipt.attempts)))
    print(f"{known.usage.input_tokens} tokens for {known.cost_usd * 1e6:.1f} millionths of a dollar")


asyncio.run(main())
