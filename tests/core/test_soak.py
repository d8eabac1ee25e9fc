"""Nothing grows: memory, descriptors, seats and cells are what they were, a million attempts later."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from junctor import NoCapacity, Router

FLEET = """
version: 1
providers: {local: {adapter: openai, base_url: "http://127.0.0.1:9/v1"}}
deployments:
  a: {model: local/m, concurrency: 100}
  b: {model: local/m}
"""
ATTEMPTS = int(os.environ.get("JUNCTOR_SOAK", "1000000"))
MIB = 1 << 20


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int:
    """Open files of this process."""
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
@pytest.mark.parametrize("scope", ["process", "host"])
def test_after_a_million_attempts_nothing_has_grown(tmp_path: Path, scope: str) -> None:
    """C29: well, failed, throttled, refused and abandoned ones."""
    path = tmp_path / "fleet.yaml"
    path.write_text(f"{FLEET}state: {scope}\n", encoding="utf-8")
    router = Router.open(path, seed=1)
    endings: list[Callable[[], object]] = [
        lambda: router.reserve("local/m").settle("ok", input_tokens=900, output_tokens=9, first_token_s=0.4),
        lambda: router.reserve("local/m").settle("ok"),
        lambda: router.reserve("local/m"),  # dropped: abandoned
        lambda: router.reserve("b").settle("server"),
        lambda: router.reserve("a").settle("rate_limit", retry_after_s=0.001),
    ]

    def attempts(count: int) -> None:
        for turn in range(count):
            try:
                endings[turn % 97 % 5 if turn % 97 < 5 else 0]()
            except NoCapacity:
                continue

    attempts(ATTEMPTS // 10)  # every table has its size, every allocator its arenas
    before, files, told = resident(), descriptors(), router.snapshot()
    attempts(ATTEMPTS)
    after = router.snapshot()
    assert after["counters"]["reserved"] - told["counters"]["reserved"] > 0.9 * ATTEMPTS
    assert resident() - before < MIB
    assert descriptors() == files
    assert after["state"]["free_cells"] == told["state"]["free_cells"]
    assert len(after["processes"]) == len(told["processes"])
    assert sum(deployment["in_flight"] for deployment in after["deployments"].values()) == 0
