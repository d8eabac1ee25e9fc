"""One prompt, one schema, one long conversation, at two providers: what each gets, and what the receipt says of it.

The first provider is dead, so every call falls back to the second: which gets its own variant of the prompt, the schema
in its own words, and as much of the conversation as fits. The second call reads the prompt's beginning from the cache.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import junctor
from junctor import config
from junctor.testing import Key, SimulatedProvider, faults

SCHEMA = {"type": "object", "properties": {"line": {"type": "integer", "minimum": 1}}, "required": ["line"]}
ANSWER = {"type": "json_schema", "json_schema": {"name": "line", "schema": SCHEMA}}
TALK = [
    {"role": role, "content": f"{number}: {'ring ' * 60}"} for number in range(40) for role in ("user", "assistant")
]


def fleet(gpt: str, claude: str) -> dict[str, object]:
    """What a fleet file would say."""
    return {
        "version": 1,
        "state": "process",
        "providers": {"openai": {"base_url": gpt}, "anthropic": {"base_url": claude, "cache": "auto"}},
        "deployments": {
            "gpt": {"model": "openai/gpt-4.1", "key": "file:key"},
            "claude": {"model": "anthropic/claude-sonnet-4-5", "key": "file:key"},
        },
        "groups": {"desk": {"members": ["gpt"], "fallback": ["claude"], "prune": {"to_tokens": 4000, "marker": True}}},
        "prompts": {"desk": {"default": "You are {who}.", "anthropic/*": "Your name is {who}. " + "Be kind. " * 700}},
    }


async def main() -> None:
    """Two calls, shown as they were shaped."""
    async with SimulatedProvider([Key("sk-a", name="gpt"), Key("sk-a", "anthropic", name="claude")]) as provider:
        provider.inject(faults.server_error(), key="gpt")
        places = fleet(provider.base_url("openai"), provider.base_url("anthropic"))
        async with junctor.Client(junctor.Router.from_config(config.from_mapping(places))) as llm:
            for question in ("Which line?", "Which line now?"):
                messages = [*TALK, {"role": "user", "content": question}]
                reply = await llm.chat(
                    "desk", messages, prompt="desk", prompt_values={"who": "Ada"}, response_format=ANSWER
                )
                receipt = reply.receipt
                assert receipt is not None
                print(reply.text.replace("\n", ""), "from", receipt.variant)
                print("  left out:", receipt.pruned)
                print("  rewritten:", receipt.notes)
                print(f"  cache: {reply.usage.cache_write_tokens} written, {reply.usage.cached_tokens} read")


Path("key").write_text("sk-a", encoding="utf-8")
asyncio.run(main())
