"""LiteLLM's Router as a peer."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from typing import Any

from benches.python.peers.worker import serve

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it fetches its price list from the network when imported
litellm: Any = import_module("litellm")
MESSAGES = [{"role": "user", "content": "Say in one sentence why the sky is blue, and name your sources."}]


class LiteLLM:
    """One Router; see `Peer`."""

    def __init__(self) -> None:
        litellm.suppress_debug_info = True
        self._router: Any = None

    async def open(self, base_url: str, keys: Sequence[str]) -> None:
        self._router = litellm.Router(model_list=_deployments(base_url, keys))

    async def chat(self) -> str:
        answer = await self._router.acompletion(model="g", messages=MESSAGES, max_tokens=64)
        return str(answer.choices[0].message.content)

    async def stream(self) -> str:
        found = []
        answer = await self._router.acompletion(
            model="g", messages=MESSAGES, max_tokens=64, stream=True, stream_options={"include_usage": True}
        )
        async for chunk in answer:
            if chunk.choices and chunk.choices[0].delta.content:
                found.append(chunk.choices[0].delta.content)
        return "".join(found)

    def picker(self, strategy: str, deployments: int) -> Callable[[], Awaitable[object]]:
        keys = [f"sk-{number}" for number in range(deployments)]
        router = litellm.Router(model_list=_deployments("http://127.0.0.1:9/v1", keys), routing_strategy=strategy)

        async def pick() -> object:
            return await router.select(model="g", request_kwargs={}, messages=MESSAGES)

        return pick


def _deployments(base_url: str, keys: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"model_name": "g", "litellm_params": {"model": "openai/bench", "api_base": base_url, "api_key": key}}
        for key in keys
    ]


if __name__ == "__main__":
    serve(LiteLLM())
