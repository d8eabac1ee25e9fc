"""The third act: the same fleet behind a gateway of two worker processes, asked by programs that do not know it.

A server is started as a user starts it (`junctor serve`), over the providers of a fresh day. Callers speak three
dialects to models of three providers, whole and streamed; then one key asks for more than it may have, with both
workers deciding at once. What they got back, and what the providers counted, is held against what was promised.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

from junctor.demo.fleet import EU_PERSONAL, FLASH, GPT, HAIKU, KEYS, OPUS, PRO, mapping
from junctor.demo.truth import Check
from junctor.gateway.keys import make
from junctor.request import HttpRequest
from junctor.testing.remote import RemoteProvider
from junctor.transport.base import Response, TransportError
from junctor.transport.direct import DirectTransport

WORKERS: Final = 2
DAILY: Final = 25
"""Requests that the tight key has a day, and half as many again are asked for at once."""

ASKED: Final = 38
READY_WITHIN_S: Final = 20.0
TIMEOUT_S: Final = 15.0
LOOK_AGAIN_S: Final = 0.05

QUESTION: Final = "What did a junctor join?"
MODELS: Final = (GPT, OPUS, PRO, HAIKU, FLASH)


class Seen(msgspec.Struct, frozen=True):
    """One answer: the caller's dialect, what was asked for, and who answered at which price."""

    dialect: str
    asked: str
    streamed: bool
    status: int
    deployment: str
    cost: str
    whole: bool


class Act(msgspec.Struct, frozen=True):
    """What happened: every answer in every dialect, and what held."""

    seen: list[Seen]
    checks: list[Check]

    @property
    def held(self) -> bool:
        """Whether every promise held."""
        return all(check.held for check in self.checks)


def installed() -> bool:
    """Whether there is a server to start: it comes with the extra `gateway`."""
    return importlib.util.find_spec("granian") is not None


def play(provider: RemoteProvider) -> Act:
    """Start the gateway over these providers, ask it, and end it."""
    with TemporaryDirectory(prefix="junctor-demo-") as folder:
        keys = {"open": make(), "tight": make()}
        fleet = _fleet(provider, {name: hashed for name, (_, hashed) in keys.items()})
        with _served(Path(folder), fleet) as url:
            asked = _ask(url, provider, {name: key for name, (key, _) in keys.items()})
            return asyncio.run(asked)


def _fleet(provider: RemoteProvider, hashes: dict[str, str]) -> dict[str, Any]:
    limits = {"open": {}, "tight": {"rpd": DAILY}}
    keys = {name: {"hash": hashed, **limits[name]} for name, hashed in hashes.items()}
    gateway = {"keys": keys, "drain_notice_s": 0}
    return {**mapping(provider.base_url), "state": "host", "name": "demo", "gateway": gateway}


@contextmanager
def _served(folder: Path, fleet: dict[str, Any]) -> Iterator[str]:
    """The gateway on a free port, in processes of its own that share a state of their own."""
    file = folder / "fleet.yaml"
    file.write_bytes(msgspec.json.encode(fleet))  # which is YAML as well
    secrets = {f"DEMO_{plan.name.upper().replace('-', '_')}": plan.secret for plan in KEYS}
    port = _free_port()
    command = [sys.executable, "-m", "junctor", "serve", str(file), "--port", str(port), "--access-log", "off"]
    with subprocess.Popen(
        [*command, "--workers", str(WORKERS)],
        env={**_without_proxies(os.environ), **secrets, "JUNCTOR_RUNTIME_DIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as server:
        try:
            yield f"http://127.0.0.1:{port}"
        except BaseException:
            server.kill()
            raise
        server.terminate()
        _, said = server.communicate(timeout=READY_WITHIN_S)
        if server.returncode:
            raise OSError(f"the gateway ended with status {server.returncode}: {said.decode(errors='replace')[-500:]}")


def _without_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Loopback only: proxies that the environment names are not for us."""
    return {name: value for name, value in environment.items() if not name.lower().endswith("_proxy")}


def _free_port() -> int:
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return int(any_port.getsockname()[1])


async def _ask(url: str, provider: RemoteProvider, keys: dict[str, str]) -> Act:
    transport = DirectTransport()
    try:
        await _ready(transport, url)
        wishes = [(dialect, model.name, turn % 2 == 1) for turn, dialect in enumerate(_SAY) for model in MODELS]
        seen = list(await asyncio.gather(*(_one(transport, url, keys["open"], *wish) for wish in wishes)))
        before = provider.counts(region="us").requests
        law = await asyncio.gather(*(_one(transport, url, keys["open"], d, "auto", True, eu=True) for d in _SAY))
        outside = provider.counts(region="us").requests - before
        tight = [_one(transport, url, keys["tight"], "openai", HAIKU.name, False) for _ in range(ASKED)]
        statuses = [each.status for each in await asyncio.gather(*tight)]
        stranger = await _one(transport, url, "sk-junctor-nobody", "anthropic", "auto", False)
    finally:
        await transport.close()
    return Act(seen, _checks(seen, law, outside, statuses, stranger))


async def _ready(transport: DirectTransport, url: str) -> None:
    clock = asyncio.get_running_loop().time
    until = clock() + READY_WITHIN_S
    while clock() < until:
        try:
            if (await transport.send(HttpRequest("GET", f"{url}/readyz", {}, b""), timeout_s=1.0)).status == 200:
                return
        except TransportError:
            pass  # it does not listen yet
        await asyncio.sleep(LOOK_AGAIN_S)
    raise OSError(f"the gateway was not ready within {READY_WITHIN_S:g} s")


async def _one(
    transport: DirectTransport, url: str, key: str, dialect: str, model: str, stream: bool, *, eu: bool = False
) -> Seen:
    path, said, end = _SAY[dialect]
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    if eu:
        headers["x-junctor-data"] = EU_PERSONAL
    body = msgspec.json.encode({"model": model, "stream": stream, **said})
    answer = await transport.send(HttpRequest("POST", url + path, headers, body), timeout_s=TIMEOUT_S)
    whole = answer.status == 200 and (end in answer.body if stream else _is_json(answer))
    told = answer.headers
    deployment, cost = told.get("x-junctor-deployment", ""), told.get("x-junctor-cost-usd", "")
    return Seen(dialect, model, stream, answer.status, deployment, cost, whole)


def _is_json(answer: Response) -> bool:
    try:
        return isinstance(msgspec.json.decode(answer.body), dict)
    except msgspec.DecodeError:
        return False


def _checks(seen: list[Seen], law: list[Seen], outside: int, statuses: list[int], stranger: Seen) -> list[Check]:
    whole = sum(each.whole for each in seen)
    fit = sum(each.deployment.startswith(_NAMES[each.asked]) for each in seen)
    admitted, refused = statuses.count(200), statuses.count(429)
    kept = all(each.whole and each.deployment.endswith("-eu") for each in law) and not outside
    return [
        Check("every model answers in every dialect", whole == len(seen) == fit, f"{whole} of {len(seen)} whole"),
        Check("the law holds for every door", kept, f"{outside} of {len(law)} EU-only calls outside"),
        Check(
            f"a limit is one limit over {WORKERS} workers",
            (admitted, refused) == (DAILY, ASKED - DAILY),
            f"{admitted} of {ASKED} admitted, {DAILY} allowed",
        ),
        Check("a stranger gets nothing", stranger.status == 401 and not stranger.deployment, f"{stranger.status}"),
    ]


_NAMES: Final = {GPT.name: "gpt", OPUS.name: "opus", PRO.name: "pro", HAIKU.name: "haiku", FLASH.name: "flash"}
_CHAT: Final = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 1_000}
_SAY: Final[dict[str, tuple[str, dict[str, Any], bytes]]] = {
    "openai": ("/v1/chat/completions", _CHAT, b"[DONE]"),
    "openai-responses": ("/v1/responses", {"input": QUESTION, "max_output_tokens": 1_000}, b"response.completed"),
    "anthropic": ("/v1/messages", _CHAT, b"message_stop"),
}
"""Where each dialect is spoken, the body it takes, and how its streams end."""
