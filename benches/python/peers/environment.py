"""The peers' processes: started in their own environment, asked one measurement at a time."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Final

from benches.python.harness import ROOT

VENV: Final = Path(os.environ.get("JUNCTOR_PEERS_VENV", ROOT / ".venv-peers"))
PYTHON: Final = VENV / "bin" / "python"
WORKERS: Final = {"LiteLLM Router": "litellm_worker", "TensorZero embedded": "tensorzero_worker"}
STOP_S: Final = 20.0


class PeerFailed(Exception):
    """A peer could not do what was measured; the message is its own."""


class Remote:
    """One peer. Its log goes to `benches/results/local/`."""

    def __init__(self, to_peer: IO[str], from_peer: IO[str]) -> None:
        self._to_peer = to_peer
        self._from_peer = from_peer

    def ask(self, do: str, **asked: Any) -> Any:
        """One measurement; raises `PeerFailed`."""
        self._to_peer.write(json.dumps({"do": do, **asked}) + "\n")
        self._to_peer.flush()
        line = self._from_peer.readline()
        if not line:
            raise PeerFailed("its process has ended; its log is in benches/results/local/")
        said = json.loads(line)
        if "error" in said:
            raise PeerFailed(said["error"])
        return said["value"]


@contextmanager
def peer(worker: str) -> Iterator[Remote]:
    """Starts a peer's process."""
    log = ROOT / "benches" / "results" / "local" / f"{worker}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as errors:
        child = subprocess.Popen(
            [str(PYTHON), "-m", f"benches.python.peers.{worker}"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            yield Remote(child.stdin, child.stdout)
        finally:
            child.stdin.close()
            child.stdout.close()
            child.wait(STOP_S)


@contextmanager
def all_peers() -> Iterator[dict[str, Remote]]:
    """Every peer, by its name in the tables."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(peer(worker)) for name, worker in WORKERS.items()}


def versions() -> dict[str, str]:
    """Which releases are measured."""
    code = (
        "from importlib.metadata import version as v; print(v('litellm'), v('tensorzero'), v('openai'), v('aiohttp'))"
    )
    run = subprocess.run([str(PYTHON), "-c", code], capture_output=True, text=True, check=True)
    return dict(zip(("litellm", "tensorzero", "openai", "aiohttp"), run.stdout.split(), strict=True))
