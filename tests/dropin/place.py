"""A fleet behind the drop-in: simulated providers on loopback for SDKs, scripted ones for everything exact."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import httpx2
from anthropic import Anthropic, AsyncAnthropic
from openai import AsyncOpenAI, OpenAI

import junctor
from junctor import config
from junctor.client import Client
from junctor.router import Router
from junctor.testing import Key, Latency, SimulatedProvider
from junctor.testing.scripted import Outcome, ScriptedProvider

CANARY = "sk-caller-CANARY"
"""The key that the callers' SDKs are given. It goes nowhere."""
DIALECTS = {"gpt": "openai", "claude": "anthropic", "gemini": "gemini"}
CAPABILITIES = ["tools", "parallel_tools", "images", "files", "structured_output", "reasoning", "streaming"]
HELLO: list[Any] = [{"role": "user", "content": "Hello, how are you?"}]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
}
WORDS = 5
WAIT_S = 30.0
LIBRARIES = (httpx2, httpx)


class Place:
    """A transport over `client`, and the SDKs on it."""

    def __init__(self, client: Client, provider: Any = None) -> None:
        self.client = client
        self.provider = provider
        self.transport = junctor.httpx_transport(client)

    def openai(self, library: Any = httpx2, **options: Any) -> OpenAI:
        """The sync SDK, with a retry of its own only where it is asked for."""
        http = library.Client(transport=self.transport)
        return OpenAI(**{"api_key": CANARY, "max_retries": 0, **options}, http_client=http)

    def openai_async(self, library: Any = httpx2, **options: Any) -> AsyncOpenAI:
        http = library.AsyncClient(transport=self.transport)
        return AsyncOpenAI(**{"api_key": CANARY, "max_retries": 0, **options}, http_client=http)

    def anthropic(self, **options: Any) -> Anthropic:
        http = httpx2.Client(transport=self.transport)
        return Anthropic(**{"api_key": CANARY, "max_retries": 0, **options}, http_client=http)

    def anthropic_async(self, **options: Any) -> AsyncAnthropic:
        http = httpx2.AsyncClient(transport=self.transport)
        return AsyncAnthropic(**{"api_key": CANARY, "max_retries": 0, **options}, http_client=http)

    @property
    def in_flight(self) -> dict[str, int]:
        """What is held now, by deployment; empty when nothing is."""
        deployments = self.client.router.snapshot()["deployments"]
        return {name: each["in_flight"] for name, each in deployments.items() if each["in_flight"]}


def scripted(script: Mapping[str, Iterable[Outcome]], *, otherwise: Outcome | None = None, **fleet: Any) -> Place:
    """Deployments named like the script's keys, in the group `g`, each with a provider of its own."""
    provider = ScriptedProvider(script, otherwise=otherwise)
    body = {
        "version": 1,
        "state": "process",
        "providers": {name: {"adapter": "openai", "base_url": provider.base_url(name)} for name in script},
        "deployments": {name: {"model": f"{name}/m", "capabilities": CAPABILITIES} for name in script},
        "groups": {"g": {"members": list(script)}},
        **fleet,
    }
    return Place(Client(Router.from_config(config.from_mapping(body), seed=1), provider), provider)


def three_dialects(provider: SimulatedProvider) -> dict[str, Any]:
    """A fleet file: one deployment of each dialect, alone and together, and one for embeddings."""
    return {
        "version": 1,
        "state": "process",
        "providers": {
            name: {"adapter": dialect, "base_url": provider.base_url(dialect), "key": f"env:UP_{name.upper()}"}
            for name, dialect in DIALECTS.items()
        },
        "deployments": {
            **{f"{name}-1": {"model": f"{name}/{name}", "capabilities": CAPABILITIES} for name in DIALECTS},
            "embed-1": {"model": "gpt/embed", "capabilities": ["embeddings"]},
        },
        "groups": {
            **{name: {"members": [f"{name}-1"]} for name in DIALECTS},
            "either": {"members": [f"{name}-1" for name in DIALECTS]},
            "embed": {"members": ["embed-1"]},
        },
    }


@contextmanager
def keys(secrets: Iterable[str], *, latency: Latency | None = None, **limits: Any) -> Iterator[Place]:
    """One model over several keys of one simulated provider; `limits` hold for each key."""
    secrets = list(secrets)
    simulated = SimulatedProvider([Key(secret) for secret in secrets], output_tokens=WORDS, latency=latency)
    with simulated.in_thread() as provider:
        url = provider.base_url("openai")
        client = Client.over_keys("openai/gpt-5.6", keys=secrets, base_url=url, seed=1, **limits)
        place = Place(client, provider)
        yield place
        place.transport.close()


def until(happened: Callable[[], Any], what: str) -> None:
    """Wait for another thread or process, for a bounded time."""
    end = time.monotonic() + WAIT_S
    while not happened():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.005)  # another thread works meanwhile
