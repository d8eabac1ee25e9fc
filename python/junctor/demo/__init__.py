"""The demo: a fleet of ten simulated keys, real traffic, one bad day, the same day under random choice, and a gateway.

    fleet → traffic → timeline → run (once with the client, once by random choice) → by_gateway → report

Everything is on loopback and from a seed. The providers run in a process of their own, so that what is measured here
is the client's; what they counted is the truth that the client's own figures are checked against.
"""

from junctor.demo import recorded
from junctor.demo.show import Plan, drive

__all__ = ["Plan", "drive", "recorded"]
