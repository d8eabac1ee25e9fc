"""Models as data: what a deployment can and costs, another model by one word, a long prompt to the micro-dollar.

Nothing is sent and no key is read. What the catalog says is the same that `junctor models` lists, that `/v1/models`
tells and that an MCP client is told by `junctor mcp`.
"""

from __future__ import annotations

from junctor.config import Config, from_mapping
from junctor.config.catalog import facts_of
from junctor.config.prices import cost_usd_micros

TODAY = "2026-11-25"


def fleet(model: str) -> Config:
    """A fleet of one deployment: the model is a word of its file, and all else follows from it."""
    return from_mapping({"version": 1, "deployments": {"chat": {"model": model, "key": "env:SOME_KEY", "rpm": 500}}})


def main() -> None:
    """Shows three models in the same place, then what a prompt costs below and above a tier's bound."""
    for model in ("openai/gpt-5", "anthropic/claude-opus-4-8", "gemini/gemini-2.5-pro"):
        facts = facts_of(fleet(model), "chat")
        print(f"{model}: reads {facts.context_tokens:,} tokens; can {', '.join(facts.capabilities)}")
        if status := facts.status(TODAY):
            print(f"    {status}")

    price = facts_of(fleet("gemini/gemini-2.5-pro"), "chat").price
    assert price is not None
    for tokens in (200_000, 200_001):
        micros = cost_usd_micros(price.whole, input_tokens=tokens, output_tokens=1_000)
        print(f"{tokens:,} tokens in and 1,000 out: ${micros / 1_000_000}")


if __name__ == "__main__":
    main()
