"""What a key may use: limits of its own, exact over all workers and hosts.

**Problem.** A key's requests come in at any worker, and its limits hold for all of them together: requests and tokens a
minute and a day, requests at once, money a day.

**Choice.** A second fleet of the same core, in which every key is a deployment: the arithmetic of buckets, the shared
segment, the leases between hosts and the sweep after a worker's death are then the same code as for providers, and
`junctor top` could show them. Money is a deployment of its own whose price is one dollar per million tokens, so that a
token stands for a micro-dollar: what a call really cost is settled exactly, and what is held before it is known is the
length of a usual answer, which the core learns, in money. Such a deployment is only ever settled well, so its breaker
stays closed.

Rejected: counters per worker (they multiply by workers); a lock and a table in a database (a round trip per request);
limits by tenant inside the main fleet (its pools belong to providers, and a key's refusal is no lack of capacity).

**Cost.** A microsecond or two per request for a key with limits, as much again if it has a budget, nothing for others.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from junctor import config
from junctor.config.gateway_spec import KeySpec
from junctor.config.spec import DIMENSIONS
from junctor.exceptions import NoCapacity, TooLarge
from junctor.router import Router

if TYPE_CHECKING:
    from junctor._core import Reservation
    from junctor.config import Config
    from junctor.gateway.keys import Key
    from junctor.reply import Usage

_RATES: Final = "key."
_MONEY: Final = "usd."
_AMPLE: Final = 10**8  # tokens: as much as a fleet file may say, so that no context or answer is too long for a key
_NOWHERE: Final = "http://keys.invalid"  # nothing is ever sent there
_DIMENSION: Final = re.compile(r"(\w+) of pool")


class KeyLimits:
    """The limits of every key of one gateway. Close it with the gateway."""

    def __init__(self, fleet: Config) -> None:
        self._router: Router | None = None
        self.reload(fleet)

    def reload(self, fleet: Config) -> None:
        """Adopt what `fleet` says now; keys that keep their names keep their levels. Raises `ConfigError`."""
        keys = _fleet_of_keys(fleet)
        if keys is None:
            self.close()
        elif self._router is None:
            self._router = Router.from_config(keys)
        else:
            compiled = config.compile(keys, wall_epoch_s=_wall_epoch_s(self._router))
            self._router.reload(compiled.fleet, compiled.endpoints)

    def close(self) -> None:
        """Say goodbye to hosts that share the limits."""
        router, self._router = self._router, None
        if router is not None:
            router.close()

    def admit(self, key: Key, input_tokens: int, output_tokens: int | None) -> KeyCharge:
        """Hold one request of this size. Raises `NoCapacity`, or `TooLarge` if it never fits."""
        router = self._router
        if router is None or not (key.limited or key.budgeted):
            return KeyCharge(None, None)
        rates = _held(router, key, _RATES, input_tokens, output_tokens) if key.limited else None
        try:
            money = _held(router, key, _MONEY, 0, None) if key.budgeted else None
        except BaseException:
            if rates is not None:
                rates.cancel(sent=False)
            raise
        return KeyCharge(rates, money)

    def snapshot(self) -> dict[str, Any]:
        """What is left of every limit, by key and dimension."""
        return {} if self._router is None else _levels(self._router.snapshot()["pools"])


class KeyCharge:
    """What one request holds of its key's limits. Settled once; a charge that is dropped gives nothing back."""

    __slots__ = ("_money", "_rates")

    def __init__(self, rates: Reservation | None, money: Reservation | None) -> None:
        self._rates = rates
        self._money = money

    def settle(self, usage: Usage | None, cost_usd_micros: int) -> None:
        """The call is over: charge what it used, give back the rest. What is not known and cost money stays charged."""
        rates, self._rates = self._rates, None
        money, self._money = self._money, None
        if rates is not None:
            if usage is not None:
                rates.settle("ok", input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
            elif cost_usd_micros:
                rates.settle("ok")
            else:
                rates.settle("ok", input_tokens=0, output_tokens=0)
        if money is not None:
            if cost_usd_micros > 0:
                money.settle("ok", input_tokens=0, output_tokens=cost_usd_micros)
            else:
                money.cancel(sent=False)


def _held(router: Router, key: Key, kind: str, input_tokens: int, output_tokens: int | None) -> Reservation:
    name = kind + key.name
    try:
        return router.reserve(name, input_tokens=input_tokens, output_tokens=output_tokens)
    except NoCapacity as error:
        wait_s = error.retry_after_s
        used = f"the API key {key.name!r} has used up its {_dimension(error, name)}"
        raise NoCapacity(f"{used}; come back in {max(wait_s, 0.1):.1f} s", retry_after_s=wait_s) from None
    except TooLarge as error:
        raise TooLarge(
            f"the request is larger than the whole {_dimension(error, name)} of the API key {key.name!r}; "
            "make the prompt or max_tokens smaller"
        ) from None


def _dimension(error: NoCapacity | TooLarge, name: str) -> str:
    found = _DIMENSION.search(error.refusals.get(name, ""))
    return found[1] if found else "limit"


def _fleet_of_keys(fleet: Config) -> Config | None:
    """The fleet in which each key is a deployment, in the same scope as the fleet itself; None if no key has limits."""
    deployments: dict[str, Any] = {}
    for name, key in ({} if fleet.gateway is None else fleet.gateway.named).items():
        if rates := _limits(key, money=False):
            deployments[_RATES + name] = _deployment("rates", name, rates, price=0.0)
        if money := _limits(key, money=True):
            deployments[_MONEY + name] = _deployment("money", name, money, price=1.0)
    if not deployments:
        return None
    host = {"adapter": "openai", "base_url": _NOWHERE}
    made = config.from_mapping(
        {
            "version": 1,
            "providers": {
                "rates": {**host, "accounting": {"output": "max_tokens"}},
                "money": {**host, "accounting": {"output": "learned"}},
            },
            "deployments": deployments,
        },
        source=f"{fleet.source}: gateway.keys",
        folder=fleet.folder,
    )
    return msgspec.structs.replace(made, state=fleet.state, name=_shared_name(fleet))


def _shared_name(fleet: Config) -> str | None:
    """What processes that share the fleet's state call its keys; None where only equal keys can mean the same."""
    own = fleet.name or fleet.file
    return None if own is None else f"keys of {own}"


def _limits(key: KeySpec, *, money: bool) -> dict[str, Any]:
    given = {word: getattr(key, word) for word in DIMENSIONS if (word == "usd_per_day") == money}
    limits = {word: value for word, value in given.items() if value is not None}
    if limits and any(word in limits for word in ("rpd", "tpd", "usd_per_day")) and key.reset is not None:
        limits["reset"] = {"zone": key.reset.zone}
    if key.burst_s is not None and any(word in limits for word in ("rpm", "tpm", "input_tpm", "output_tpm")):
        limits["burst_s"] = key.burst_s
    return limits


def _deployment(provider: str, name: str, limits: dict[str, Any], *, price: float) -> dict[str, Any]:
    # A model of its own, so that what one key's answers cost teaches nothing about another's.
    return {
        "model": f"{provider}/{name}",
        "price": {"input": 0.0, "output": price},
        "context_tokens": _AMPLE,
        "max_output_tokens": _AMPLE,
        **limits,
    }


def _wall_epoch_s(router: Router) -> int:
    return int(time.time() - router.now_s())


def _levels(pools: dict[str, Any]) -> dict[str, dict[str, int]]:
    levels: dict[str, dict[str, int]] = {}
    for pool, limits in pools.items():
        of_key = levels.setdefault(pool.partition(".")[2], {})
        of_key.update({dimension: limit["level"] for dimension, limit in limits.items()})
    return levels
