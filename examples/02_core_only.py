"""The decisions alone, inside a service that has HTTP code of its own.

`Router.reserve` decides and holds the capacity; the service does its call; `settle` says what was really used. Leaving
the block without settling counts as abandoned, so an exception or a cancellation needs no code here.
"""

from __future__ import annotations

import asyncio

import junctor
from junctor import config

FLEET = {
    "version": 1,
    "providers": {"local": {"adapter": "openai", "base_url": "http://127.0.0.1:8000/v1"}},
    "pools": {"org": {"rpm": 60, "tpm": 60_000, "burst_s": 10}},  # one quota that both deployments draw on
    "deployments": {
        "big": {"model": "local/big", "provider": "local", "pools": ["org"], "price": {"input": 5, "output": 25}},
        "small": {"model": "local/small", "provider": "local", "pools": ["org"], "price": {"input": 1, "output": 5}},
    },
    "groups": {"any": {"members": ["big", "small"], "objective": "cheapest"}},
}


async def my_own_call(deployment: str, prompt: str) -> tuple[str, int, int]:
    """Stands in for the service's HTTP code: the answer, the input tokens, the output tokens."""
    await asyncio.sleep(0)
    return f"{deployment} answers {prompt!r}", len(prompt) // 4 + 1, 20


async def ask(router: junctor.Router, prompt: str) -> str:
    """One request: hold, call, settle."""
    with router.reserve("any", input_tokens=len(prompt) // 4 + 1, output_tokens=200) as reservation:
        text, used_input, used_output = await my_own_call(reservation.deployment, prompt)
        micros = reservation.settle("ok", input_tokens=used_input, output_tokens=used_output)
        return f"{text} for {micros} micro-dollars"


async def main() -> None:
    """Asks until the pool's burst of ten requests is used up, and shows the answer that says when to come back."""
    router = junctor.Router.from_config(config.from_mapping(FLEET))
    try:
        for number in range(20):
            print(await ask(router, f"question {number}"))
    except junctor.NoCapacity as nobody:
        print(f"nobody is free for {nobody.retry_after_s:.2f} s")


asyncio.run(main())
