"""A stage for scenarios: scripted providers, a real router and a client on one manual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from junctor.client import Client
from junctor.observe import Observer
from junctor.receipts import Receipt
from junctor.reply import Done, Event, Reply
from junctor.request import Message
from junctor.router import Router
from junctor.testing.clock import ManualClock, ManualTime
from junctor.testing.scripted import Outcome, ScriptedProvider

T = TypeVar("T")

MESSAGES = [{"role": "user", "content": "Hi"}]
CAPABILITIES = ["tools", "images", "files", "structured_output", "reasoning", "streaming"]
WEIGHTS = (1000.0, 1.0, 0.001)
"""So far apart that the first deployment is always picked first, whatever the draw."""


class Stage:
    """Deployments named like the script's keys, in the group `g`, the first one preferred.

    `adapter` is for a provider that speaks several dialects. `limits` gives deployments limits of their own, `groups`
    more groups; `fallback` and `hedge` are those of `g`.
    """

    def __init__(
        self,
        script: Mapping[str, Iterable[Outcome]],
        *,
        dialect: str = "openai",
        adapter: str | None = None,
        otherwise: Outcome | None = None,
        members: Iterable[str] | None = None,
        fallback: Iterable[str] = (),
        hedge: bool = False,
        weights: Iterable[float] = WEIGHTS,
        groups: Iterable[Mapping[str, Any]] = (),
        limits: Mapping[str, list[Mapping[str, Any]]] | None = None,
        fleet: Mapping[str, Any] | None = None,
        on_receipt: Callable[[Receipt], object] | None = None,
        observers: Sequence[Observer] = (),
        seed: int = 1,
    ) -> None:
        self.clock = ManualClock()
        self.provider = ScriptedProvider(script, otherwise=otherwise)
        limits = limits or {}
        weight_of = dict(zip(script, weights, strict=False))
        g = {"name": "g", "members": list(members or script), "fallback": list(fallback), "hedge": hedge}
        body = {
            "config_hash": "test",
            "pools": [{"name": name, "limits": of} for name, of in limits.items()],
            "deployments": [
                {
                    "name": name,
                    "provider": dialect,
                    "model": f"{dialect}/m",
                    "weight": weight_of.get(name, 1.0),
                    "pools": [name] if name in limits else [],
                    "capabilities": CAPABILITIES,
                    "price": {"input": 1_000_000, "output": 10_000_000},
                }
                for name in script
            ],
            "groups": [g, *groups],
            **(fleet or {}),
        }
        endpoints = [self.provider.endpoint(name, dialect=dialect) for name in script]
        if adapter is not None:
            endpoints = [msgspec.structs.replace(endpoint, adapter=adapter) for endpoint in endpoints]
        self.router = Router(msgspec.json.encode(body), endpoints, seed=seed, clock=self.clock)
        self.client = Client(self.router, self.provider, on_receipt=on_receipt, observers=observers, seed=seed)

    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        """Run a scenario on the stage's time."""
        return ManualTime(self.clock).run(scenario)

    def chat(self, model: str = "g", **options: Any) -> Reply:
        """One chat, from beginning to end."""
        return self.run(self.client.chat(model, MESSAGES, **options))

    def stream(self, model: str = "g", **options: Any) -> Streamed:
        """One stream, read to its end or its error."""
        return self.run(read(self.client, model, **options))

    def tell(self) -> None:
        """Let every receipt reach the callback, which another thread calls."""
        self.run(self.client.aclose())

    def deployment(self, name: str) -> dict[str, Any]:
        """How the router's state of a deployment stands."""
        found: dict[str, Any] = self.router.snapshot()["deployments"][name]
        return found

    def assert_released(self) -> None:
        """Nothing is in flight: neither at the router nor at the provider."""
        snapshot = self.router.snapshot()
        assert {name: state["in_flight"] for name, state in snapshot["deployments"].items() if state["in_flight"]} == {}
        assert self.provider.open == 0


class Streamed(msgspec.Struct):
    """What a stream gave: its events, and the error it ended with, if any."""

    events: list[Event]
    error: Exception | None = None

    @property
    def reply(self) -> Reply:
        """The reply of the last event."""
        last = self.events[-1]
        assert isinstance(last, Done), f"the stream did not end with Done but with {last} and {self.error!r}"
        return last.reply

    @property
    def text(self) -> str:
        """All text that was handed over."""
        return "".join(getattr(event, "text", "") for event in self.events)


async def read(client: Client, model: str = "g", messages: Sequence[Message] = MESSAGES, **options: Any) -> Streamed:
    """Read a stream to its end or its error."""
    streamed = Streamed([])
    try:
        async for event in client.stream(model, messages, **options):
            streamed.events.append(event)
    except Exception as error:
        streamed.error = error
    return streamed


def outcomes(receipt: Receipt | None) -> list[tuple[str, str]]:
    """Where the attempts of a call went and how they ended."""
    assert receipt is not None
    return [(attempt.deployment, attempt.outcome) for attempt in receipt.attempts]


async def turns(count: int) -> None:
    """Let everybody else work for this many turns of the event loop, without time passing."""
    for _ in range(count):
        await asyncio.sleep(0)
