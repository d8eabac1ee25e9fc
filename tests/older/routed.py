"""A LiteLLM Router before simulated providers, with junctor in it, and the promise that every test of it ends with."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import litellm
from litellm import Router

from junctor.litellm import JunctorStrategy, use_junctor
from junctor.testing import Key, SimulatedProvider

HELLO = [{"role": "user", "content": "Say something about rivers."}]
MODELS = {"openai": "openai/gpt-5.4", "anthropic": "anthropic/claude-sonnet-5"}
PATIENCE_S = 20.0

T = TypeVar("T")

litellm.suppress_debug_info = True
# LiteLLM is half a million objects that stay: the collector need not look at them each time a test asks it to look.
gc.collect()
gc.freeze()


def provider(*labels: str, dialect: str = "openai", **options: Any) -> SimulatedProvider:
    """Loopback providers with these keys; to be used `in_thread`."""
    return SimulatedProvider([Key(f"sk-{label}", name=label, dialect=dialect) for label in labels], **options)


def entry(group: str, at: SimulatedProvider, label: str, dialect: str = "openai", **params: Any) -> dict[str, Any]:
    """One entry of `model_list`: its id and its key are its label."""
    address = {"api_key": f"sk-{label}", "api_base": at.base_url(dialect)}
    return {
        "model_name": group,
        "litellm_params": {"model": MODELS[dialect], **address, **params},
        "model_info": {"id": label},
    }


def until(true: Callable[[], object]) -> None:
    """Wait for something that other threads do."""
    latest = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < latest, f"not within {PATIENCE_S:g} s"
        time.sleep(0.002)


class Routed:
    """The Router and the strategy in it."""

    def __init__(self, router: Router, strategy: JunctorStrategy) -> None:
        self.router = router
        self.strategy = strategy

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        """Run a call, and let LiteLLM tell of all its attempts before its event loop ends."""

        async def told() -> T:
            try:
                return await call
            finally:
                await asyncio.to_thread(self.ended)

        return asyncio.run(told())

    @property
    def counters(self) -> dict[str, int]:
        """What the strategy counted."""
        return dict(+self.strategy.counters)

    def state(self, id: str) -> dict[str, Any]:
        """What junctor knows of LiteLLM's deployment with this id."""
        self.ended()
        found: dict[str, Any] = self.strategy.router.snapshot()["deployments"][self.strategy.name_of(id)]
        return found

    def ended(self) -> None:
        """Wait until LiteLLM has told of every attempt; its callbacks come later, from other threads.

        What nobody will tell of ends with the last reference to it, which may be in a cycle.
        """

        def none_open() -> bool:
            gc.collect()
            return not self.strategy.open

        until(none_open)

    def balanced(self) -> None:
        """Each attempt ended exactly once, and nothing is held any more."""
        self.ended()
        counters, told = self.strategy.counters, self.strategy.router.snapshot()
        assert counters["attempts"] == counters["settled"] + counters["abandoned"]
        assert told["counters"]["abandoned"] == counters["abandoned"]
        assert {name: row["in_flight"] for name, row in told["deployments"].items() if row["in_flight"]} == {}


@contextmanager
def routed(
    entries: list[dict[str, Any]], *, fleet: Any = None, max_wait_s: float = 0.0, **options: Any
) -> Iterator[Routed]:
    """A Router that junctor decides in. Options are the Router's."""
    router = Router(model_list=entries, disable_cooldowns=True, **{"num_retries": 0, **options})
    strategy = use_junctor(router, fleet, max_wait_s=max_wait_s)
    found = Routed(router, strategy)
    try:
        yield found
        found.balanced()
    finally:
        strategy.close()
        router.retire()
        gc.collect()
