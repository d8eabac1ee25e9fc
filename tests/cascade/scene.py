"""Scenes with cascades: scripted providers behind a fleet as it is written in a file, a client, one manual clock."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from junctor import config
from junctor.client import Client
from junctor.observe import Observer
from junctor.receipts import Climb, Receipt
from junctor.reply import Reply
from junctor.router import Router
from junctor.testing.clock import ManualClock, ManualTime
from junctor.testing.scripted import Outcome, ScriptedProvider
from tests.client.stage import MESSAGES, Streamed

T = TypeVar("T")

SURE = (-0.1, -0.1)
UNSURE = (-0.9, -0.9)
LOST = (-3.0, -3.0)
CAPABILITIES = ["tools", "streaming", "logprobs", "structured_output"]
CAREFUL = {"steps": ["small", "strong"], "signal": "mean_logprob", "accept": -0.4, "reject": -1.5}
ONE_AT_A_TIME = {"rpm": 60_000, "tpm": 10_000_000, "concurrency": 1}


def fleet(
    names: Iterable[str],
    *,
    limits: Mapping[str, Any] | None = None,
    able: Iterable[str] | None = None,
    weights: Mapping[str, float] | None = None,
    **sections: Any,
) -> dict[str, Any]:
    """A fleet file with a deployment and a group for each name; the dearer the later."""
    names = list(names)
    able = set(names if able is None else able)
    return {
        "version": 1,
        "state": "process",
        "providers": {f"at-{name}": {"adapter": "openai", "base_url": f"http://{name}.scripted/v1"} for name in names},
        "deployments": {
            f"{name}-1": {
                "model": f"at-{name}/m-{name}",
                "capabilities": [word for word in CAPABILITIES if word != "logprobs" or name in able],
                "price": {"input": 10**place, "output": 10 ** (place + 1)},
                "weight": (weights or {}).get(name, 1.0),
                **(limits or {}),
            }
            for place, name in enumerate(names)
        },
        "groups": {name: {"members": [f"{name}-1"]} for name in names},
        **sections,
    }


class Scene:
    """Providers `small`, `strong` and whoever else the script names, and the cascade `careful` over them."""

    def __init__(
        self,
        script: Mapping[str, Iterable[Outcome]],
        *,
        cascade: Mapping[str, Any] | None = None,
        limits: Mapping[str, Any] | None = ONE_AT_A_TIME,
        able: Iterable[str] | None = None,
        checks: Mapping[str, Callable[[Reply], Any]] | None = None,
        on_receipt: Callable[[Receipt], object] | None = None,
        observers: Sequence[Observer] = (),
        **sections: Any,
    ) -> None:
        self.clock = ManualClock()
        self.provider = ScriptedProvider(script)
        sections.setdefault("cascades", {"careful": {**CAREFUL, **(cascade or {})}})
        written = fleet(script, limits=limits, able=able, **sections)
        self.config = config.from_mapping(written)
        self.router = Router.from_config(self.config, seed=1, clock=self.clock)
        self.client = Client(
            self.router, self.provider, seed=1, checks=checks, on_receipt=on_receipt, observers=observers
        )

    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        """Run a scenario on the scene's time."""
        return ManualTime(self.clock).run(scenario)

    def chat(self, model: str = "careful", **options: Any) -> Reply:
        """One chat, from beginning to end; afterwards nothing is held."""
        try:
            return self.run(self.client.chat(model, MESSAGES, **options))
        finally:
            self.assert_released()

    def stream(self, model: str = "careful", **options: Any) -> Streamed:
        """One stream, read to its end or its error; afterwards nothing is held."""
        from tests.client.stage import read

        try:
            return self.run(read(self.client, model, **options))
        finally:
            self.assert_released()

    @property
    def asked(self) -> list[str]:
        """Who was sent a request, in order."""
        return [sent.name for sent in self.provider.sent]

    def assert_released(self) -> None:
        """Every permit is back, at the router and at the providers, and nothing was abandoned."""
        snapshot = self.router.snapshot()
        assert {name: of["in_flight"] for name, of in snapshot["deployments"].items() if of["in_flight"]} == {}
        levels = {name: of["concurrency"]["level"] for name, of in snapshot["pools"].items() if "concurrency" in of}
        assert levels == dict.fromkeys(levels, 1)
        assert snapshot["counters"].get("abandoned", 0) == 0
        assert self.provider.open == 0


def climb(reply: Reply) -> Climb:
    """How the call of this reply went up its cascade."""
    receipt = reply.receipt
    assert receipt is not None
    assert receipt.cascade is not None
    return receipt.cascade


def steps(reply: Reply) -> list[tuple[str, str]]:
    """The steps with what became of them."""
    return [(step.model, step.verdict) for step in climb(reply).steps]
