"""The demo: a fleet of ten simulated keys, real traffic, one bad day, and the same day under random choice.

    fleet → traffic → timeline → run (once with the client, once by random choice) → report

Everything is on loopback and from a seed. The providers run in a process of their own, so that what is measured here
is the client's; what they counted is the truth that the client's own figures are checked against.
"""

from junctor.demo import recorded
from junctor.demo.show import Plan, drive

__all__ = ["Plan", "drive", "recorded"]
