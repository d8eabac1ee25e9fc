"""Streams with a contract: a failure before the first content is another attempt, one after it is a typed interruption.

The first stream is cut before any content, at one of two keys: nothing of it is seen. The second one is cut at both
after five pieces: what was delivered is kept, and the error says what is known of its usage.
"""

from __future__ import annotations

import asyncio

import junctor
from junctor.reply import Done, TextDelta
from junctor.testing import Key, SimulatedProvider, faults

MODEL = "anthropic/claude-opus-4-8"
KEYS = ["sk-a", "sk-b"]
MESSAGES = [{"role": "user", "content": "Tell me about telephone exchanges"}]


async def show(llm: junctor.Client) -> None:
    """Prints a stream piece by piece, then how it ended."""
    try:
        async for event in llm.stream(MODEL, MESSAGES, max_tokens=100):
            if isinstance(event, TextDelta):
                print(event.text, end="", flush=True)
            elif isinstance(event, Done):
                attempts = event.reply.receipt.attempts if event.reply.receipt else ()
                print(f"\n-- whole, after {len(attempts)} attempt(s)")
    except junctor.StreamInterrupted as cut:
        print(f"\n-- interrupted ({cut.kind}) after {len(cut.partial)} characters")


async def main() -> None:
    """One stream that fails over unseen, one that cannot."""
    async with SimulatedProvider([Key(key, dialect="anthropic") for key in KEYS]) as provider:
        url = provider.base_url("anthropic")
        async with junctor.Client.over_keys(MODEL, keys=KEYS, base_url=url) as llm:
            provider.inject(faults.cut(after_events=0), key="sk-a")
            await show(llm)
            provider.clear()
            provider.inject(faults.cut(after_events=5))
            await show(llm)


asyncio.run(main())
