"""TensorZero's embedded gateway as a peer: a function with one variant per key, chosen by weight."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benches.python.peers.worker import serve

tensorzero: Any = import_module("tensorzero")
MESSAGES = [{"role": "user", "content": "Say in one sentence why the sky is blue, and name your sources."}]
HEAD = """
[gateway.observability]
enabled = false
[functions.g]
type = "chat"
"""
MODEL = """
[models.m{number}]
routing = ["p"]
[models.m{number}.providers.p]
type = "openai"
model_name = "bench"
api_base = "{base_url}/"
api_key_location = "env::BENCH_KEY_{number}"
[functions.g.variants.v{number}]
type = "chat_completion"
model = "m{number}"
weight = 1
max_tokens = 64
"""


class TensorZero:
    """One embedded gateway; see `Peer`."""

    def __init__(self) -> None:
        self._gateway: Any = None

    async def open(self, base_url: str, keys: Sequence[str]) -> None:
        os.environ.update({f"BENCH_KEY_{number}": key for number, key in enumerate(keys)})
        with tempfile.TemporaryDirectory() as place:
            config = _written(Path(place, "tensorzero.toml"), base_url, len(keys))
            building = tensorzero.AsyncTensorZeroGateway.build_embedded(config_file=str(config))
            self._gateway = await building

    async def chat(self) -> str:
        answer = await self._gateway.inference(function_name="g", input={"messages": MESSAGES})
        return "".join(piece.text for piece in answer.content)

    async def stream(self) -> str:
        answer = await self._gateway.inference(function_name="g", input={"messages": MESSAGES}, stream=True)
        return "".join([piece.text async for chunk in answer for piece in chunk.content])

    def picker(self, strategy: str, deployments: int) -> Callable[[], Awaitable[object]]:
        raise NotImplementedError(f"TensorZero chooses inside a call ({strategy}, {deployments} variants)")


def _written(path: Path, base_url: str, keys: int) -> Path:
    models = [MODEL.format(number=number, base_url=base_url) for number in range(keys)]
    path.write_text(HEAD + "".join(models), encoding="utf-8")
    return path


if __name__ == "__main__":
    serve(TensorZero())
