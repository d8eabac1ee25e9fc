"""Other gateways as servers of the same load: LiteLLM's proxy and Portkey's, each over ten keys of one provider.

Everything is at its defaults that still does the job. What each of them leaves out beside `junctor serve` as it is
measured: LiteLLM's proxy has one master key and, without a database, no key of its own with limits or a budget; it
keeps no limit of a provider here, and counts nothing for Prometheus. Portkey asks for no key, keeps no limit, counts
and logs nothing; which of the ten keys a request takes is told by its own header.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from benches.python.gateway_server import GROUP, Served, free_port, running
from benches.python.harness import RESULTS
from benches.python.peers.environment import VENV

KEYS: Final = [f"sk-bench-{number}" for number in range(10)]
NODE: Final = VENV / "node"
PORTKEY: Final = NODE / "node_modules" / "@portkey-ai" / "gateway"
START_S: Final = 180.0
"""LiteLLM's proxy imports for half a minute where others want the processor too."""


@contextmanager
def litellm(upstream: str) -> Iterator[Served]:
    """LiteLLM's proxy with one worker and a master key."""
    key = f"sk-{secrets.token_hex(16)}"
    deployment = {"model": "openai/bench", "api_base": f"{upstream}/v1"}
    config = {
        "model_list": [{"model_name": GROUP, "litellm_params": {**deployment, "api_key": each}} for each in KEYS],
        "general_settings": {"master_key": key},
    }
    port = free_port()
    # Else it fetches its price list from the network when it starts.
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_bytes(msgspec.json.encode(config))  # JSON is YAML
        command = [str(VENV / "bin" / "litellm"), "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
        with running(command, port, environment, within_s=START_S, log=_log("litellm_proxy")) as pid:
            yield Served(f"http://127.0.0.1:{port}", pid, key)


@contextmanager
def portkey(upstream: str) -> Iterator[Served]:
    """Portkey's gateway under node, one process; its requests carry `over_keys`."""
    port = free_port()
    command = ["node", str(PORTKEY / "build" / "start-server.js"), f"--port={port}", "--headless"]
    del upstream  # its requests name it
    with running(command, port, {}, within_s=START_S, log=_log("portkey")) as pid:
        yield Served(f"http://127.0.0.1:{port}", pid, "sk-none")


def over_keys(upstream: str) -> dict[str, str]:
    """The header that tells Portkey to balance over the ten keys."""
    targets = [{"provider": "openai", "api_key": each, "custom_host": f"{upstream}/v1"} for each in KEYS]
    config = {"strategy": {"mode": "loadbalance"}, "targets": targets}
    return {"x-portkey-config": msgspec.json.encode(config).decode()}


def portkey_version() -> str | None:
    """Which release is installed, if any is."""
    try:
        return str(msgspec.json.decode((PORTKEY / "package.json").read_bytes())["version"])
    except FileNotFoundError:
        return None


def _log(name: str) -> Path:
    path = RESULTS / "local" / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
