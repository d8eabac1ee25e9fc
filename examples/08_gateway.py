"""The gateway: a program that speaks OpenAI's API, and one that speaks Anthropic's, at the same fleet.

The provider is simulated on loopback and the gateway runs under granian in a process of its own, as `junctor serve`
starts it. The programs are plain HTTP here; the official SDKs do the same with `OPENAI_BASE_URL` and an API key.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from junctor.gateway.keys import make
from junctor.testing import Key, SimulatedProvider


def ask(url: str, body: dict[str, Any], headers: dict[str, str]) -> tuple[Any, Any]:
    """One request: the answer, and the headers that say what became of it."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer), answer.headers


key, hashed = make()
body = {"model": "sim/m", "max_tokens": 64, "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
with SimulatedProvider([Key("sk-up")]).in_thread() as provider, tempfile.TemporaryDirectory() as folder:
    file = Path(folder, "fleet.yaml")
    fleet = f"""
version: 1
providers: {{sim: {{adapter: openai, base_url: "{provider.base_url("openai")}", key: env:SIM_KEY}}}}
deployments: {{a: {{model: sim/m}}, b: {{model: sim/m}}}}
gateway: {{keys: {{team: {{hash: "{hashed}", tenant: acme, rpm: 600, usd_per_day: 5}}}}, drain_notice_s: 0}}
"""
    file.write_text(fleet, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "junctor", "serve", str(file), "--port", str(port), "--access-log", "off"]
    with subprocess.Popen(command, env={**os.environ, "SIM_KEY": "sk-up"}) as server:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        base = f"http://127.0.0.1:{port}/v1"
        chat, told = ask(f"{base}/chat/completions", body, {"authorization": f"Bearer {key}"})
        print("OpenAI's API:", chat["choices"][0]["message"]["content"], "from", told["x-junctor-deployment"])
        said, told = ask(f"{base}/messages", body, {"x-api-key": key})
        print("Anthropic's:", said["content"][0]["text"], "from", told["x-junctor-deployment"])
        server.terminate()
