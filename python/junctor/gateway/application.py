"""The ASGI application: one small table of routes, and the way of a request through it.

    path → key → body → door → answer → delivery → access line

The walk of a request is a straight line in one task; everything that may cut it short (a client that leaves, a slow
sender, a slow reader, the end of draining) cancels that task and says why (`interruption`). What runs is counted by
being in one set, which is what draining waits for.

Opened is what costs something: secrets, sockets, shared state. That happens at the start of the lifespan, or at the
first request where a host runs none, and never in the constructor, so the application may be made before a fork.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, cast

from junctor import config as configs
from junctor.client import Client
from junctor.exceptions import ConfigError
from junctor.gateway.caller import KeyCaller
from junctor.gateway.exchange import Exchange
from junctor.gateway.interruption import Followers
from junctor.gateway.keys import OPEN, Key, Keys
from junctor.gateway.limits import KeyLimits
from junctor.gateway.views import Views
from junctor.router import Router

if TYPE_CHECKING:
    from junctor.client import Callback
    from junctor.config import Config
    from junctor.config.gateway_spec import GatewaySpec
    from junctor.gateway.access import Access, Tell
    from junctor.gateway.interruption import Interruption, Message, Receive, Send
    from junctor.observe import Observer
    from junctor.transport.base import Transport


class Gateway:
    """An ASGI application over one fleet. Made by `junctor.gateway.app`.

    `running` are the requests under way; `draining` is whether the end has been announced.
    """

    def __init__(
        self,
        config: str | PathLike[str] | Config,
        *,
        transport: Transport | None = None,
        on_receipt: Callback | None = None,
        observers: Sequence[Observer] = (),
        access: Tell | None = None,
        metrics_directory: str | None = None,
    ) -> None:
        self._file = None if isinstance(config, configs.Config) else config
        self._fleet = config if isinstance(config, configs.Config) else configs.load(config)
        self.spec = section(self._fleet)
        self._keys = Keys(self.spec)
        self._transport = transport
        self._on_receipt = on_receipt
        self._observers = tuple(observers)
        self._access = access
        self._metrics_directory = metrics_directory
        self._views = Views(self)
        self._client: Client | None = None
        self._limits: KeyLimits | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._idle: asyncio.Event | None = None
        self.running: set[Interruption] = set()
        self.followers = Followers()
        self.draining = False

    # Opening, reloading and closing

    @property
    def client(self) -> Client:
        """The client that everything goes through. Opens the gateway."""
        if self._client is None:
            self.open()
        return cast(Client, self._client)

    @property
    def is_open(self) -> bool:
        """Whether secrets were read and the state is at hand."""
        return self._client is not None

    def open(self) -> None:
        """Read the secrets and open the state, if that is still to be done. Raises `ConfigError`."""
        if self._client is None:
            limits = KeyLimits(self._fleet)
            router = Router.from_config(self._fleet)
            self._limits = limits
            counted = self._views.measure(router, self.spec, self._metrics_directory)
            observers = (*self._observers, *counted)
            self._client = Client(router, self._transport, on_receipt=self._on_receipt, observers=observers)

    def reload(self) -> None:
        """Adopt the fleet file as it is now: deployments, rules, keys and their limits, all levels kept.

        Requests under way finish as they began. Raises `ConfigError` and changes nothing if the file is wrong. Reads
        files, so call it on a thread (`asyncio.to_thread`).
        """
        if self._file is None:
            raise ConfigError("this gateway was made from a Config and has no file to read again; make a new one")
        fleet = configs.load(self._file)
        spec = section(fleet)
        if self._client is not None and self._limits is not None:
            self._client.router.reload_from(self._file)
            self._limits.reload(fleet)
        self._fleet, self.spec, self._keys = fleet, spec, Keys(spec)

    def drain(self, within_s: float | None = None) -> None:
        """Announce the end: `/readyz` says so, and what still runs after `within_s` (`drain_s`) is cut short."""
        if not self.draining:
            self.draining = True
            within_s = self.spec.drain_s if within_s is None else within_s
            self._deadline = asyncio.get_running_loop().call_later(within_s, self._cut)

    async def aclose(self, within_s: float | None = None) -> None:
        """Drain, wait for what runs, and close the connections and the state. Twice is harmless."""
        self.drain(within_s)
        if self.running:
            self._idle = asyncio.Event()
            await self._idle.wait()
        if self._deadline is not None:
            self._deadline.cancel()
        client, self._client = self._client, None
        limits, self._limits = self._limits, None
        if limits is not None:
            await asyncio.to_thread(limits.close)
        if client is not None:
            await client.aclose()
            await asyncio.to_thread(client.router.close)

    def _cut(self) -> None:
        for interruption in tuple(self.running):
            interruption.interrupt("drained")

    # ASGI

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """The application: HTTP and lifespan."""
        kind = scope["type"]
        if kind == "http":
            await Exchange(self, scope, receive, send).run()
        elif kind == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1003})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            self.open()
        except ConfigError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    # What an exchange asks

    def key(self, headers: Mapping[str, str]) -> Key:
        """Whose request this is. Raises `KeyRefused`."""
        return self._keys.find(headers, time.time())

    def caller(self, key: Key) -> KeyCaller | None:
        """Whom the doors are told of; nobody where everybody may come in."""
        if key is OPEN:
            return None
        self.open()
        return KeyCaller(key, cast(KeyLimits, self._limits))

    @property
    def views(self) -> Views:
        """What answers the paths that are no door's."""
        return self._views

    @property
    def logs(self) -> bool:
        """Whether anybody wants to be told of requests."""
        return self._access is not None

    def tell(self, access: Access) -> None:
        """A request has ended."""
        if self._access is not None:
            self._access(access)

    def left(self, interruption: Interruption) -> None:
        """A request is over."""
        self.running.discard(interruption)
        if self._idle is not None and not self.running:
            self._idle.set()


def section(fleet: Config) -> GatewaySpec:
    """The gateway section of a fleet. Raises `ConfigError` if there is none: who may come in has to be said."""
    if fleet.gateway is None:
        raise ConfigError(
            f"{fleet.source}: gateway: is missing; give it keys (see `junctor key NAME`), or `gateway: {{keys: none}}` "
            "for open use on this machine alone"
        )
    return fleet.gateway
