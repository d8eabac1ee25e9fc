"""The gateway's own paths: alive, ready, metrics, the description of the API, and the models that may be asked for."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import msgspec

from junctor import doors
from junctor.doors.contract import Answer
from junctor.gateway.keys import KeyRefused

if TYPE_CHECKING:
    from junctor.config.gateway_spec import GatewaySpec
    from junctor.gateway.application import Gateway
    from junctor.observe import Observer
    from junctor.router import Router

JSON: Final = "application/json"
READY_S: Final = 1.0
"""How long an answer about readiness is good for: balancers ask often, and a look at a large fleet takes a while."""

_OUT: Final = ("open", "forced_open")
View = Callable[[Mapping[str, str]], Awaitable[tuple[Answer, str]]]


class Views:
    """What answers GET requests. Each view answers with the name of the key that asked, `-` if none was asked for."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._metrics: Any = None
        self._ready: tuple[float, str] = (float("-inf"), "")
        self._views: dict[str, View] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": self._metricsz,
            "/openapi.json": self._openapi,
        }

    def knows(self, path: str) -> bool:
        """Whether there is something at this path."""
        return path in self._views or doors.models_path("GET", path) is not None

    def route(self, path: str) -> str:
        """The path as access lines name it."""
        return path if path in self._views else "/v1/models" if self.knows(path) else "-"

    async def answer(self, path: str, headers: Mapping[str, str]) -> tuple[Answer, str]:
        """The answer, and the name of the key. Raises `KeyRefused`."""
        view = self._views.get(path)
        return self._models(path, headers) if view is None else await view(headers)

    def measure(self, router: Router, spec: GatewaySpec, directory: str | None) -> list[Observer]:
        """The observer whose calls are counted for `/metrics`; none where they cannot be, or need not be.

        With a `directory` that is new for this start of the service the workers' counts are added up.
        """
        if spec.metrics == "off":
            return []
        try:
            prometheus = import_module("junctor.observe.prometheus")
        except ImportError:  # an extra of its own: without it the path answers that there are none
            return []
        tenants = sorted({key.tenant for key in spec.named.values() if key.tenant})
        self._metrics = prometheus.Metrics(router, tenants=tenants, directory=directory)
        return [self._metrics.observer]

    async def _healthz(self, _: Mapping[str, str]) -> tuple[Answer, str]:
        return _json(200, {"status": "alive"}), "-"

    async def _readyz(self, _: Mapping[str, str]) -> tuple[Answer, str]:
        missing = "draining" if self._gateway.draining else self._missing()
        return _json(503 if missing else 200, {"status": missing or "ready"}), "-"

    def _missing(self) -> str:
        """What keeps the fleet from answering, or nothing; looked up once a second."""
        now = time.monotonic()
        if now - self._ready[0] > READY_S:
            fleet = self._gateway.client.router.snapshot()["deployments"].values()
            out = not any(item["weight"] > 0 and item["breaker"] not in _OUT for item in fleet)
            self._ready = (now, "no deployment can take requests" if out else "")
        return self._ready[1]

    async def _openapi(self, _: Mapping[str, str]) -> tuple[Answer, str]:
        return Answer(200, {"content-type": JSON}, files(__package__).joinpath("openapi.json").read_bytes()), "-"

    async def _metricsz(self, headers: Mapping[str, str]) -> tuple[Answer, str]:
        rule, name = self._gateway.spec.metrics, "-"
        if rule == "keys":
            key = self._gateway.key(headers)
            if not key.metrics:
                raise KeyRefused(f"the API key {key.name!r} may not read metrics; give it `metrics: true`")
            name = key.name
        if rule == "off" or self._metrics is None:
            return doors.turn_away("openai", 404, "there are no metrics here", code="unknown_url"), name
        content_type, body = self._metrics.exposition(headers.get("accept", ""))
        return Answer(200, {"content-type": content_type}, body), name

    def _models(self, path: str, headers: Mapping[str, str]) -> tuple[Answer, str]:
        gateway = self._gateway
        key, dialect = gateway.key(headers), doors.dialect_of(path, headers)
        (name,) = doors.models_path("GET", path) or (None,)
        return doors.list_models(gateway.client, dialect, gateway.caller(key), name=name), key.name


def _json(status: int, body: object) -> Answer:
    return Answer(status, {"content-type": JSON}, msgspec.json.encode(body))
