"""A gateway in this process over scripted providers, and visits to it by plain ASGI messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

from junctor import config
from junctor.gateway.access import Access
from junctor.gateway.application import Gateway
from junctor.gateway.keys import make
from junctor.testing.scripted import Outcome, ScriptedProvider

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
ASK: dict[str, Any] = {"model": "g", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 16}
CAPABILITIES = ["tools", "images", "files", "structured_output", "reasoning", "streaming"]
Body = bytes | Mapping[str, Any]


class Place:
    """A gateway whose deployments `a`, `b`, … follow scripts, in the group `g`. `keys` as in a fleet file."""

    def __init__(
        self,
        script: Mapping[str, Iterable[Outcome]],
        *,
        keys: Mapping[str, Mapping[str, Any]] | None = None,
        otherwise: Outcome | None = None,
        fleet: Mapping[str, Any] | None = None,
        **section: Any,
    ) -> None:
        self.provider = ScriptedProvider(script, otherwise=otherwise)
        self.secrets: dict[str, str] = {}
        self.told: list[Access] = []
        hashed: dict[str, Any] = {}
        for name, key in (keys or {}).items():
            self.secrets[name], found = make()
            hashed[name] = {"hash": found, **key}
        body = {
            "version": 1,
            "state": "process",
            "providers": {
                name: {"adapter": "openai", "base_url": self.provider.base_url(name)}
                for name in self.provider_names(script)
            },
            "deployments": {
                name: {"model": f"{name}/m", "capabilities": CAPABILITIES, "price": {"input": 1, "output": 10}}
                for name in script
            },
            "groups": {"g": {"members": list(script)}},
            **(fleet or {}),
            "gateway": {"keys": hashed if keys is not None else "none", **section},
        }
        self.config = config.from_mapping(body)
        self.gateway = Gateway(self.config, transport=self.provider, access=self.told.append)

    @staticmethod
    def provider_names(script: Mapping[str, Any]) -> list[str]:
        """Each deployment has a provider of its own, so that the host's name finds its script."""
        return list(script)

    def bearer(self, name: str) -> dict[str, str]:
        """The header that presents this key."""
        return {"authorization": f"Bearer {self.secrets[name]}"}

    async def ask(self, path: str = CHAT, body: Body = ASK, *, headers: Mapping[str, str] | None = None,
                  method: str = "POST") -> Seen:  # fmt: skip
        """One request, answered to its end."""
        visit = Visit(path, body, headers=headers, method=method)
        await self.gateway(visit.scope, visit.receive, visit.send)
        return visit.seen

    def assert_released(self) -> None:
        """Nothing is in flight: at the gateway, at the router, at the provider."""
        assert not self.gateway.running
        assert self.provider.open == 0
        deployments = self.gateway.client.router.snapshot()["deployments"]
        assert {name: each["in_flight"] for name, each in deployments.items() if each["in_flight"]} == {}


class Seen:
    """What came back: status, headers, the pieces of the body, and whether it had an end."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.pieces: list[bytes] = []
        self.ended = False

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces)

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The text of a stream of chat completions."""
        chunks = [json.loads(line[6:]) for line in self.body.split(b"\n") if line.startswith(b"data: {")]
        choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
        return "".join(choice["delta"].get("content") or "" for choice in choices)


class Visit:
    """One ASGI exchange whose two ends are in the test's hands.

    `pieces` are the body as it arrives; after them the client waits until `leave`. `reading` set to an event holds the
    reader back until it is set.
    """

    def __init__(
        self,
        path: str = CHAT,
        body: Body | list[bytes] = ASK,
        *,
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
        root: str = "",
        stalls: bool = False,
        reading: asyncio.Event | None = None,
    ) -> None:
        whole = body if isinstance(body, bytes | list) else json.dumps(body).encode()
        self._pieces = [whole] if isinstance(whole, bytes) else list(whole)
        self._stalls = stalls
        self._left = asyncio.Event()
        self._reading = reading
        self.seen = Seen()
        sent = {"content-type": "application/json", **(headers or {})}
        self.scope: dict[str, Any] = {
            "type": "http", "method": method, "path": root + path, "root_path": root, "query_string": b"",
            "headers": [(name.encode(), text.encode("latin-1")) for name, text in sent.items()],
            "client": ("127.0.0.1", 1),
        }  # fmt: skip

    def leave(self) -> None:
        """The client closes its connection."""
        self._left.set()

    async def receive(self) -> dict[str, Any]:
        """What the server tells the application."""
        if self._pieces:
            body = self._pieces.pop(0)
            return {"type": "http.request", "body": body, "more_body": bool(self._pieces) or self._stalls}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """What the application tells the server."""
        if message["type"] == "http.response.start":
            self.seen.status = message["status"]
            self.seen.headers = {name.decode(): text.decode("latin-1") for name, text in message["headers"]}
            return
        if self._reading is not None:
            await self._reading.wait()
        self.seen.pieces.append(message.get("body", b""))
        self.seen.ended = not message.get("more_body", False)
