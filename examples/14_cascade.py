"""A cascade: the small model answers, and the strong one only where the small one's answer does not look sure.

The cheap provider is sure at first, then no more: the second question is escalated. Then the dear one breaks down.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import junctor
from junctor import config
from junctor.testing import Key, SimulatedProvider, faults


def fleet(cheap: str, dear: str) -> dict[str, Any]:
    """Two deployments and the cascade over them."""
    able = ["streaming", "logprobs"]
    return {
        "version": 1,
        "state": "process",
        "providers": {
            "cheap": {"adapter": "openai", "base_url": cheap, "key": "env:CHEAP_KEY"},
            "dear": {"adapter": "openai", "base_url": dear, "key": "env:DEAR_KEY"},
        },
        "deployments": {
            "small": {"model": "cheap/small", "capabilities": able, "price": {"input": 0.1, "output": 0.4}},
            "strong": {"model": "dear/strong", "capabilities": able, "price": {"input": 3, "output": 15}},
        },
        "cascades": {"careful": {"steps": ["small", "strong"], "signal": "mean_logprob", "accept": -0.4}},
    }


async def ask(llm: junctor.Client) -> None:
    """One question, and how it went up."""
    reply = await llm.chat("careful", [{"role": "user", "content": "Who invented the crossbar switch?"}], max_tokens=12)
    climb = reply.receipt.cascade if reply.receipt else None
    assert climb is not None
    for step in climb.steps:
        read = "" if step.value is None else f" {step.signal} {step.value:g}, threshold {step.threshold:g}"
        print(f"{step.model:7}{step.verdict}{read}  ${step.cost_usd_micros / 1e6:.6f}  {step.why}")
    print(f"        ${reply.cost_usd:.6f} in all, degraded: {climb.degraded}\n")


async def main() -> None:
    """Sure, unsure, and unsure with nobody to ask."""
    os.environ |= {"CHEAP_KEY": "sk-cheap", "DEAR_KEY": "sk-dear"}
    cheap, dear = SimulatedProvider([Key("sk-cheap")]), SimulatedProvider([Key("sk-dear")])
    async with cheap, dear:
        written = config.from_mapping(fleet(cheap.base_url("openai"), dear.base_url("openai")))
        async with junctor.Client(junctor.Router.from_config(written, seed=1), seed=1) as llm:
            await ask(llm)
            cheap.inject(faults.unsure(-0.9))
            await ask(llm)
            dear.inject(faults.server_error())
            await ask(llm)


asyncio.run(main())
