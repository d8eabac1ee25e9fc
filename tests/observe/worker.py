"""One worker of several: counts some calls into a shared directory, says so, and waits to be killed.

python -m tests.observe.worker DIRECTORY CALLS
"""

from __future__ import annotations

import sys

from junctor.client import Client
from junctor.observe.prometheus import Metrics
from junctor.testing.scripted import fail, ok
from tests.client.stage import Stage


def main() -> None:
    """Every other call finds its first attempt failing."""
    directory, calls = sys.argv[1], int(sys.argv[2])
    stage = Stage({"a": [fail(500), ok()] * calls, "b": []}, otherwise=ok())
    metrics = Metrics(stage.router, directory=directory)
    stage.client = Client(stage.router, stage.provider, observers=[metrics.observer], seed=1)
    for _ in range(calls):
        stage.chat(tenant="acme")
    stage.tell()
    print("counted", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
