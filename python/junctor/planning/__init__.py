"""A month of traffic in money before it is spent, and beside what was spent: what `junctor budget` prints."""

from __future__ import annotations

from junctor.planning.mix import Mix, MixError, read
from junctor.planning.plan import Plan, plan
from junctor.planning.spent import Spent, spent

__all__ = ["Mix", "MixError", "Plan", "Spent", "plan", "read", "spent"]
