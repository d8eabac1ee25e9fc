"""A provider on loopback: every dialect, many keys, real limits, faults switched while it runs, and the truth counted.

Demos and tests of a router need providers that behave like the real ones when something goes wrong, and that tell
afterwards what really happened. Response stubs know neither quotas nor cut streams, and the public emulators answer a
few hundred requests a second. This one serves thousands, and everything random in it comes from a seed.

```python
provider = SimulatedProvider([Key("sk-a", limits=Limits(rpm=60)), Key("sk-b", dialect="anthropic", region="eu")])
async with provider:
    client = openai.AsyncOpenAI(api_key="sk-a", base_url=provider.base_url("openai"))
    provider.inject(faults.slow(10), key="sk-a")
    ...
    provider.counts(key="sk-a").throttled
```

Each region listens on its own port, so that a region can be lost. A key works only in its region and its dialect.
Every answer carries `x-simulated: key=…;region=…;number=…`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import msgspec

from junctor.testing.app import Answer, Request
from junctor.testing.counts import Counts, total
from junctor.testing.dialects import DIALECTS, dialect_of
from junctor.testing.faults import Fault
from junctor.testing.keys import Account, Key, open_accounts
from junctor.testing.latency import Latency
from junctor.testing.quota import Dimension, Standing
from junctor.testing.server import Server, run_in_thread
from junctor.testing.service import JSON, Service, Temper

if TYPE_CHECKING:
    from junctor.testing.remote import RemoteProvider


class Injected(msgspec.Struct, frozen=True):
    """A fault and whom it hits; None is everybody. Hand it to `SimulatedProvider.remove`."""

    id: int
    fault: Fault
    key: str | None = None
    region: str | None = None
    dialect: str | None = None

    def hits(self, key: Key) -> bool:
        """Whether this key is among them."""
        return (
            self.key in (None, key.label) and self.region in (None, key.region) and self.dialect in (None, key.dialect)
        )


class SimulatedProvider:
    """Serves `keys` on loopback, one port a region.

    - `latency`: seconds of the models (default: none); `time_scale` multiplies all of them, 0.01 makes a demo quick.
      Limits are not scaled: they count real seconds of `clock`.
    - `output_tokens`: median length of an answer, `output_sigma` its log-normal spread; `text` is a fixed answer,
      `arguments` are fixed ones for calls of the tools that it names.
    - `models`: the names that exist (default: any); others get the provider's 404.
    - `context_tokens`: longer prompts get the provider's 400 (default: no limit).
    - `logprob`: the log-probability of each word, told by OpenAI's dialect to who asks for it; None tells none.
    - `seed`: repeats every draw for the same order of requests per key.
    - `port`: of the only region (default: a free one).
    - `clock` and `wall` are for tests: seconds for limits, seconds since 1970 for dates and reset times in headers.

    Requests that carry tools are answered with a call of the first tool (or the one that `tool_choice` names), with
    arguments that fit its schema; after a tool's result the model speaks.
    """

    def __init__(
        self,
        keys: Iterable[Key],
        *,
        latency: Latency | None = None,
        time_scale: float = 1.0,
        output_tokens: int = 24,
        output_sigma: float = 0.0,
        text: str | None = None,
        arguments: Mapping[str, Mapping[str, Any]] | None = None,
        models: Collection[str] | None = None,
        context_tokens: int | None = None,
        logprob: float | None = -0.1,
        seed: int = 0,
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.keys = tuple(keys)
        self.temper = Temper(
            latency=latency or Latency(),
            time_scale=time_scale,
            output_tokens=output_tokens,
            output_sigma=output_sigma,
            text=text,
            arguments=arguments or {},
            models=None if models is None else frozenset(models),
            context_tokens=context_tokens,
            logprob=logprob,
            seed=seed,
        )
        self._clock = clock
        self._service = Service(self.temper, clock=clock, wall=wall)
        self._accounts = open_accounts(list(self.keys), seed=seed, now_s=clock())
        self._injected: list[Injected] = []
        self._injections = 0
        self._stack = AsyncExitStack()
        regions = dict.fromkeys(key.region for key in self.keys) or ["us"]
        if port and len(regions) > 1:
            raise ValueError(
                f"port is {port}, but the keys name {len(regions)} regions and each needs a port of its own"
            )
        self.servers = {region: Server(partial(self._serve, region), port=port) for region in regions}
        self.unknown_keys = 0

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for server in self.servers.values():
                await stack.enter_async_context(server)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    def in_thread(self) -> AbstractContextManager[SimulatedProvider]:
        """The same provider in a thread with an event loop of its own."""
        return run_in_thread(self)

    @staticmethod
    def in_process(keys: Iterable[Key], **options: Any) -> AbstractContextManager[RemoteProvider]:
        """A provider in a process of its own, with the same options except `port`, `clock` and `wall`.

        The block's value has `url`, `base_url`, `inject`, `remove`, `clear` and `counts`, as here.
        """
        from junctor.testing.remote import Plan, in_process

        return in_process(Plan(tuple(keys), Temper(**options)))

    def url(self, region: str | None = None) -> str:
        """The root address of a region; without `region`, of the first key's."""
        return self._server(region).url

    def base_url(self, dialect: str, region: str | None = None) -> str:
        """The address as the dialect's own SDK wants its base URL: OpenAI's ends with `/v1`, the others at the root."""
        if dialect not in DIALECTS:
            raise ValueError(f"dialect is {dialect!r}, allowed are {', '.join(DIALECTS)}")
        return self.url(region) + DIALECTS[dialect].base_path

    def inject(
        self, fault: Fault, *, key: str | None = None, region: str | None = None, dialect: str | None = None
    ) -> Injected:
        """Switch a fault on for the keys that match all that is given; None matches everything.

        `faults.lost` needs `region` alone. Returns what `remove` takes.
        """
        self._injections += 1
        injected = Injected(self._injections, fault, key, region, dialect)
        if fault.kind == "lost":
            self._lose(injected)
        else:
            self._expect_a_hit(injected)
        self._injected.append(injected)
        self._spread()
        return injected

    def remove(self, injected: Injected) -> None:
        """Switch one fault off. Harmless when it is off already."""
        self._keep([each for each in self._injected if each.id != injected.id])

    def clear(self, *, key: str | None = None, region: str | None = None) -> None:
        """Switch off all faults, or those that were injected for just this key or region."""
        everything = key is None and region is None
        self._keep([each for each in self._injected if not everything and (each.key, each.region) != (key, region)])

    def counts(self, *, key: str | None = None, region: str | None = None, dialect: str | None = None) -> Counts:
        """What the matching keys saw, summed up. A copy: it does not move. Raises ValueError if no key matches."""
        chosen = Injected(0, Fault(kind="lost"), key, region, dialect)
        self._expect_a_hit(chosen)
        return total(account.counts for account in self._accounts.values() if chosen.hits(account.key))

    def standings(self, key: str) -> dict[Dimension, Standing]:
        """Where the limits of a key really stand, whatever its headers say."""
        return dict(self.account(key).quota.standings(self._clock()))

    def account(self, key: str) -> Account:
        """The run-time state of the key with this name."""
        for account in self._accounts.values():
            if account.key.label == key:
                return account
        raise ValueError(f"no key is named {key!r}, there are {', '.join(each.label for each in self.keys)}")

    def _expect_a_hit(self, chosen: Injected) -> None:
        if self.keys and not any(chosen.hits(each) for each in self.keys):
            names = ", ".join(each.label for each in self.keys)
            raise ValueError(
                f"no key matches key={chosen.key!r}, region={chosen.region!r}, dialect={chosen.dialect!r}; "
                f"there are {names}"
            )

    def _serve(self, region: str, request: Request, answer: Answer) -> Coroutine[Any, Any, None] | None:
        dialect = dialect_of(request.path)
        if dialect is None:
            answer.send(404, [JSON], msgspec.json.encode({"error": {"message": f"no API at {request.path[:200]}"}}))
            return None
        account = self._accounts.get((dialect.name, dialect.secret(request) or ""))
        if account is None or account.key.region != region:
            self.unknown_keys += 1
            status, body = dialect.error("auth")
            answer.send(status, [JSON], body)
            return None
        return self._service.serve(account, dialect, request, answer)

    def _server(self, region: str | None) -> Server:
        name = region if region is not None else next(iter(self.servers))
        if name not in self.servers:
            raise ValueError(f"region is {region!r}, allowed are {', '.join(self.servers)}")
        return self.servers[name]

    def _lose(self, injected: Injected) -> None:
        if injected.region is None or injected.key is not None or injected.dialect is not None:
            raise ValueError("faults.lost loses a whole region: give region= and nothing else")
        server = self._server(injected.region)
        if injected.fault.how == "reset":
            server.reset_all()
        else:
            server.refuse()

    def _keep(self, kept: list[Injected]) -> None:
        before, self._injected = self._injected, kept
        still_lost = {each.region for each in kept if each.fault.kind == "lost"}
        for each in before:
            if each.fault.kind == "lost" and each.region not in still_lost:
                self._server(each.region).accept()
        self._spread()

    def _spread(self) -> None:
        for account in self._accounts.values():
            account.faults = tuple(each.fault for each in self._injected if each.hits(account.key))
