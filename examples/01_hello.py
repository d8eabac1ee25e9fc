"""The library: one client over three keys, a chat that survives a revoked one.

The provider is simulated on loopback, so this runs without a key and without a network. With real keys leave
`base_url` out. A fleet of several models, providers and regions is a file: see fleet.yaml and `Client.open`.
"""

from __future__ import annotations

import asyncio

import junctor
from junctor.testing import Key, SimulatedProvider, faults

MODEL = "openai/gpt-5.6"
KEYS = ["sk-a", "sk-b", "sk-c"]


async def main() -> None:
    """Ten chats at once; one key of three was revoked before they start."""
    async with SimulatedProvider([Key(key) for key in KEYS]) as provider:
        provider.inject(faults.dead(), key="sk-b")
        url = provider.base_url("openai")
        async with junctor.Client.over_keys(MODEL, keys=KEYS, rpm=500, tpm=300_000, base_url=url) as llm:
            await asyncio.gather(*(ask(llm, number) for number in range(10)))


async def ask(llm: junctor.Client, number: int) -> None:
    """One chat, and the way it took: every attempt with its outcome is in the reply's receipt."""
    reply = await llm.chat(MODEL, [{"role": "user", "content": f"Question {number}"}], max_tokens=64)
    assert reply.receipt is not None
    way = ", then ".join(f"{attempt.deployment} {attempt.outcome}" for attempt in reply.receipt.attempts)
    print(f"{number}: {reply.usage.output_tokens} tokens for {reply.cost_usd:.6f} dollars from {way}")


asyncio.run(main())
