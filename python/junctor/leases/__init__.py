"""Limits that hosts share: the I/O side of leases. See `rust/core/src/lease` for what is decided, and why.

`coordinator` speaks with Redis or Valkey, `courier` does it in the background. `coordinator.lua` is the coordinator.
"""

from __future__ import annotations

from junctor.leases.coordinator import Coordinator, RedisCoordinator, Unreachable
from junctor.leases.courier import Courier

__all__ = ["Coordinator", "Courier", "RedisCoordinator", "Unreachable"]
