"""A worker of a host, as a process of its own: asks as often as told, and writes down what was admitted.

`python -m tests.leases.worker FLEET LOG PER_SECOND` until its standard input ends. Each admission is two doubles: the
time just before and just after it, on the clock that all processes of a machine share.
"""

from __future__ import annotations

import os
import select
import struct
import sys
from time import monotonic

from junctor import NoCapacity, Router

PAIR = struct.Struct("dd")


def main(fleet: str, log: str, per_second: float) -> None:
    """Ask until told to stop."""
    router = Router.open(fleet)
    out = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    print("ready", router.snapshot()["state"]["shared"], flush=True)
    while not select.select([sys.stdin], [], [], 1 / per_second)[0]:
        before = monotonic()
        try:
            reservation = router.reserve("openai/gpt-5.6", input_tokens=1, output_tokens=1)
        except NoCapacity:
            continue
        os.write(out, PAIR.pack(before, monotonic()))
        reservation.settle("ok", input_tokens=1, output_tokens=1)
    router.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
