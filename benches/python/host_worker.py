"""A process that decides over a shared segment when told to, for `bench_host`.

    python -m benches.python.host_worker DIRECTORY NAME DEPLOYMENTS

Reads lines `GROUP SECONDS` and answers each with the number of reservations that it made and settled.
"""

from __future__ import annotations

import sys
import time

from benches.python.fleets import router
from junctor.router import Router


def main() -> int:
    """Decide for as long as the lines say."""
    directory, name, deployments = sys.argv[1:]
    chosen = router(int(deployments), 1, shared=(directory, name))
    assert chosen.why_private is None, chosen.why_private
    print("ready", flush=True)
    for line in sys.stdin:
        group, seconds = line.split()
        print(made(chosen, group, float(seconds)), flush=True)
    return 0


def made(chosen: Router, group: str, seconds: float) -> int:
    """Reservations made and settled within so many seconds."""
    reserve = chosen.reserve
    count, ends = 0, time.perf_counter() + seconds
    while time.perf_counter() < ends:
        for _ in range(500):
            reserve(group, input_tokens=900, output_tokens=300).settle(
                "ok", input_tokens=880, output_tokens=122, first_token_s=0.41
            )
        count += 500
    return count


if __name__ == "__main__":
    sys.exit(main())
