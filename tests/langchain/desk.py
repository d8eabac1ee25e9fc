"""Fleets over simulated providers, and chat models over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import junctor
from junctor import config
from junctor.testing import Key, SimulatedProvider

CANARY = "sk-canary-5d41402abc4b2a76"

MODELS = {
    "openai": ("gpt-5.6", "gpt-4.1"),
    "anthropic": ("claude-opus-4-5", "claude-sonnet-4-5"),
    "gemini": ("gemini-3.1-pro-preview", "gemini-2.5-pro"),
}
"""Of each dialect the model of the group `desk`, and another one that is asked for by name."""

CAPABILITIES = ["tools", "parallel_tools", "images", "files", "structured_output", "reasoning", "streaming"]


def fleet(provider: SimulatedProvider, dialects: tuple[str, ...], folder: Path, **more: Any) -> Mapping[str, Any]:
    """A fleet file's content: two deployments of each dialect, named like their models, and the group `desk`."""
    (folder / "key").write_text(CANARY, encoding="utf-8")
    deployments = {
        model: {
            "model": f"{dialect}/{model}",
            "key": "file:key",
            "capabilities": [*CAPABILITIES, *(["audio"] if dialect != "anthropic" else [])],
            "price": {"input": 1.0, "output": 10.0},
        }
        for dialect in dialects
        for model in MODELS[dialect]
    }
    return {
        "version": 1,
        "state": "process",
        "providers": {dialect: {"base_url": provider.base_url(dialect)} for dialect in dialects},
        "deployments": deployments,
        "groups": {"desk": {"members": [MODELS[dialect][0] for dialect in dialects]}},
    } | more


@contextmanager
def clients(folder: Path, *dialects: str, more: Mapping[str, Any] | None = None, **options: Any) -> Iterator[Desk]:
    """A simulated provider in a thread, and a client over it."""
    with SimulatedProvider([Key(CANARY, dialect, name=dialect) for dialect in dialects], **options).in_thread() as here:
        told = fleet(here, dialects, folder, **(more or {}))
        router = junctor.Router.from_config(config.from_mapping(told, folder=folder), seed=1)
        yield Desk(here, junctor.Client(router, seed=1))


class Desk:
    """A provider and the client that goes to it."""

    def __init__(self, provider: SimulatedProvider, client: junctor.Client) -> None:
        self.provider = provider
        self.client = client

    def assert_released(self) -> None:
        """As the function, for this client."""
        assert_released(self.client)


def assert_released(client: junctor.Client | None) -> None:
    """Nothing is in flight, and nothing was left without being settled."""
    assert client is not None
    snapshot = client.router.snapshot()
    assert {name: of["in_flight"] for name, of in snapshot["deployments"].items() if of["in_flight"]} == {}
    assert snapshot["counters"].get("abandoned", 0) == 0
