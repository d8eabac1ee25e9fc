"""Cancelled anywhere in a cascade, nothing stays behind: no permit, no hold, no open connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from junctor.receipts import Receipt
from junctor.testing.scripted import fail, hang, ok, stream
from tests.cascade.scene import SURE, UNSURE, Scene
from tests.client.stage import MESSAGES, read, turns

SAMPLED = {"signal": "self_consistency", "samples": 3, "accept": 0.9, "reject": 0.1}
AHEAD = {"speculative": True}
SCENES: dict[str, Callable[[], Scene]] = {
    "chat that escalates": lambda: Scene(
        {"small": [ok("a b", logprobs=UNSURE, after_s=0.4)], "strong": [ok(after_s=0.4)]}
    ),
    "chat that fails over": lambda: Scene({"small": [fail(400, after_s=0.4)], "strong": [ok(after_s=0.4)]}),
    "chat that samples": lambda: Scene(
        {"small": [ok("x", after_s=0.3), ok("y", after_s=0.3), ok("z", after_s=0.3)], "strong": [ok(after_s=0.3)]},
        cascade=SAMPLED,
    ),
    "chat that asks for a score": lambda: Scene(
        {"small": [ok("x", after_s=0.3), ok("3", after_s=0.3)], "strong": [ok(after_s=0.3)]},
        cascade={"signal": "verbal", "accept": 0.5, "reject": 0.1},
    ),
    "stream that escalates": lambda: Scene(
        {"small": [stream("a", "b", logprobs=UNSURE, gap_s=0.2)], "strong": [stream(*"abc", gap_s=0.2)]}
    ),
    "stream that is delivered": lambda: Scene({"small": [stream("a", "b", logprobs=SURE, gap_s=0.2)], "strong": []}),
    "chat ahead, draft wins": lambda: Scene(
        {"small": [ok("a b", logprobs=SURE, after_s=0.5)], "strong": [hang()]}, cascade=AHEAD
    ),
    "chat ahead, strong wins": lambda: Scene(
        {"small": [hang()], "strong": [ok("x", after_s=0.5)]}, cascade=AHEAD
    ),
    "chat ahead, draft escalates": lambda: Scene(
        {"small": [ok("a b", logprobs=UNSURE, after_s=0.5)], "strong": [ok("x", after_s=1.0)]}, cascade=AHEAD
    ),
    "stream ahead, draft wins": lambda: Scene(
        {"small": [stream("a", "b", logprobs=SURE, gap_s=0.2)], "strong": [stream("x", after_s=2.0)]}, cascade=AHEAD
    ),
    "stream ahead, strong wins": lambda: Scene(
        {"small": [stream("a", "b", stall_after=1)], "strong": [stream(*"xyz", after_s=0.2, gap_s=0.2)]}, cascade=AHEAD
    ),
    "chat that is labelled": lambda: Scene(
        {"small": [ok("code", after_s=0.5)], "strong": [ok("x", after_s=0.5)]},
        classifiers={"intent": {"ask": "small", "labels": ["code", "talk"], "fallback": "talk"}},
        rules=[{"classify": "intent"}, {"use": "strong"}],
    ),
}  # fmt: skip


def called(scene: Scene, name: str) -> Coroutine[Any, Any, Any]:
    model = "auto" if "labelled" in name else "careful"
    if name.startswith("stream"):
        return read(scene.client, model, max_tokens=10)
    return scene.client.chat(model, MESSAGES, max_tokens=10)


@pytest.mark.parametrize("name", SCENES)
def test_cancelled_at_any_step_everything_is_released(name: str) -> None:
    """Step k of the task, for every k until it is done or waits for time."""
    for step in range(80):
        scene = SCENES[name]()

        async def scenario(scene: Scene = scene, step: int = step) -> bool:
            task = asyncio.ensure_future(called(scene, name))
            await turns(step)
            done = task.done()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            scene.assert_released()
            return done

        if scene.run(scenario()):
            break


@pytest.mark.parametrize("name", SCENES)
def test_cancelled_at_any_time_everything_is_released(name: str) -> None:
    """The same along the time axis, a few turns after each tick, so that every await is met."""
    for tick in range(30):
        for further in (0, 1, 3, 6):
            scene = SCENES[name]()

            async def scenario(scene: Scene = scene, at_s: float = tick * 0.05, further: int = further) -> None:
                task = asyncio.ensure_future(called(scene, name))
                await asyncio.sleep(at_s)
                await turns(further)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                scene.assert_released()

            scene.run(scenario())


def test_the_receipt_of_a_cancelled_cascade_has_every_attempt() -> None:
    receipts: list[Receipt] = []
    scene = Scene({"small": [ok("a b", logprobs=UNSURE)], "strong": [hang()]}, on_receipt=receipts.append)

    async def scenario() -> None:
        task = asyncio.ensure_future(scene.client.chat("careful", MESSAGES))
        await asyncio.sleep(1.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await scene.client.aclose()

    scene.run(scenario())
    (receipt,) = receipts
    assert [(attempt.deployment, attempt.outcome) for attempt in receipt.attempts] == [
        ("small-1", "ok"),
        ("strong-1", "cancelled"),
    ]
