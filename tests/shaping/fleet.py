"""A fleet from a mapping over scripted providers, on one manual clock."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar

from junctor import config
from junctor.client import Client
from junctor.receipts import Receipt
from junctor.reply import Done, Event, Reply
from junctor.router import Router
from junctor.testing.clock import ManualClock, ManualTime
from junctor.testing.scripted import Outcome, ScriptedProvider, ok

T = TypeVar("T")

MODELS = {
    "claude": ("anthropic", "anthropic/claude-sonnet-4-5"),
    "gpt": ("openai", "openai/gpt-5.6"),
    "gem": ("gemini", "gemini/gemini-2.5-flash"),
    "old": ("anthropic", "anthropic/claude-sonnet-4"),
    "mini": ("openai", "openai/gpt-4.1-mini"),
}
"""Deployments by name: dialect and model."""


class Fleet:
    """Deployments of `MODELS`, each with a script; `sections` are those of a fleet file. The first is preferred."""

    def __init__(
        self,
        script: Mapping[str, Iterable[Outcome]],
        *,
        deployments: Mapping[str, Mapping[str, Any]] | None = None,
        otherwise: Outcome | None = None,
        on_receipt: Callable[[Receipt], object] | None = None,
        folder: str = ".",
        **sections: Any,
    ) -> None:
        self.clock = ManualClock()
        self.provider = ScriptedProvider(script, otherwise=otherwise or ok("fine"))
        names = {name: MODELS[name] for name in script}
        weights = dict(zip(names, (1000.0, 1.0, 0.001, 0.0001), strict=False))
        capabilities = ["tools", "parallel_tools", "structured_output", "streaming", "images"]
        body: dict[str, Any] = {
            "version": 1,
            "state": "process",
            "providers": {
                name: {"adapter": dialect, "base_url": self.provider.base_url(name, dialect), **sections.get(name, {})}
                for name, (dialect, _) in names.items()
            },
            "deployments": {
                name: {
                    "model": model,
                    "provider": name,
                    "weight": weights[name],
                    "capabilities": capabilities,
                    **(deployments or {}).get(name, {}),
                }
                for name, (_, model) in names.items()
            },
            "groups": {"g": {"members": list(names)}},
            **{key: value for key, value in sections.items() if key not in names},
        }
        self.config = config.from_mapping(body, folder=folder)
        self.router = Router.from_config(self.config, seed=1, clock=self.clock)
        self.client = Client(self.router, self.provider, on_receipt=on_receipt, seed=1)

    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        """Run a scenario on manual time."""
        return ManualTime(self.clock).run(scenario)

    def chat(self, messages: Any = "Hi", model: str = "g", **options: Any) -> Reply:
        """One chat, from beginning to end."""
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        return self.run(self.client.chat(model, messages, **options))

    def stream(self, messages: Any = "Hi", model: str = "g", **options: Any) -> tuple[list[Event], Reply]:
        """(events, reply) of one stream."""
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]

        async def read() -> list[Event]:
            return [event async for event in self.client.stream(model, messages, **options)]

        events = self.run(read())
        last = events[-1]
        assert isinstance(last, Done)
        return events, last.reply

    def bodies(self) -> list[Any]:
        """Every body that was sent, in order."""
        return [sent.json() for sent in self.provider.sent]


def receipt(reply: Reply) -> Receipt:
    """The reply's receipt, which it has."""
    found = reply.receipt
    assert found is not None
    return found
