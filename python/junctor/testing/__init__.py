"""Fakes for testing what is built on junctor, public and without further dependencies.

| you want | use |
|---|---|
| answers by script, no sockets, no real time | `ScriptedProvider`, with the outcomes of `junctor.testing.scripted` |
| time that passes when nobody works | `ManualTime` for asyncio, `ManualClock` for the core |
| one exact answer, cut and delayed on purpose | `ReplayServer` with an `Exchange` and a `Delivery` |
| providers with keys, limits and faults on loopback | `SimulatedProvider` with `Key`, `Limits`, `Latency`, `faults` |
| a server for your own answers | `Server` |

Importing `junctor` does not import this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from junctor.testing import faults
from junctor.testing.clock import ManualTime
from junctor.testing.counts import Counts
from junctor.testing.keys import Key
from junctor.testing.latency import Latency
from junctor.testing.provider import SimulatedProvider
from junctor.testing.quota import Limits
from junctor.testing.replay import Delivery, Exchange, ReplayServer
from junctor.testing.scripted import ScriptedProvider
from junctor.testing.server import Server

if TYPE_CHECKING:
    from junctor._core import ManualClock

__all__ = [
    "Counts",
    "Delivery",
    "Exchange",
    "Key",
    "Latency",
    "Limits",
    "ManualClock",
    "ManualTime",
    "ReplayServer",
    "ScriptedProvider",
    "Server",
    "SimulatedProvider",
    "faults",
]


def __getattr__(name: str) -> Any:
    # The core's clock is imported on demand: servers and scripts do not need the compiled core.
    if name == "ManualClock":
        from junctor.testing import clock

        return clock.ManualClock
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
