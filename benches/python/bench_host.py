"""What sharing costs: host scope beside process scope, and two processes beside one.

python -m benches.python.bench_host
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from benches.python import show
from benches.python.bench_decision import Step, batch_us
from benches.python.fleets import router
from benches.python.harness import ROOT, Rounds, Spread, Suite, Verdict, in_rounds, ratio, rows

SECONDS: Final = 0.5
PROCESS: Final = "reserve + settle, process scope"
HOST: Final = "reserve + settle, host scope"
PLACES: Final = ", with a concurrency limit"
ALONE: Final = "one process alone"
DISJOINT: Final = "two processes, each with deployments of its own"
HOT_ALONE: Final = "one process alone, one deployment"
HOT: Final = "two processes, one deployment"

METHOD: Final = (
    "Scopes: {rounds} rounds, each a batch of 10,000 reservations made and settled in either scope, 100 deployments, "
    "100 rules, 4 limits of 2 pools; a concurrency limit adds one more limit and one more cell. Processes: each round "
    f"runs two worker processes one after the other, then both at the same time, for {SECONDS} s each; told are "
    "thousands of reservations made and settled in a second: the mean of the two alone, and the sum of both together."
)


def decision(shared: tuple[str, str] | None, *, places: bool = False) -> Step:
    """One request decided, held and settled in the scope that `shared` says."""
    chosen = router(100, 100, shared=shared, places=places)
    assert chosen.why_private is None, chosen.why_private
    needs, tags = frozenset({"tools"}), {"task": "extraction", "user_tier": "paid", "tenant": "acme"}

    def step() -> object:
        held = chosen.reserve("auto", input_tokens=900, output_tokens=300, needs=needs, tags=tags)
        return held.settle("ok", input_tokens=880, output_tokens=122, first_token_s=0.41)

    for _ in range(3_000):
        step()
    return step


class Worker:
    """A process at a segment."""

    def __init__(self, directory: str, name: str, deployments: int) -> None:
        command = [sys.executable, "-m", "benches.python.host_worker", directory, name, str(deployments)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def begin(self, group: str) -> None:
        """Decide for a while."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{group} {SECONDS}\n")

    def end(self) -> float:
        """Thousands of reservations in a second."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline()) / SECONDS / 1_000

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def alone(workers: tuple[Worker, Worker], groups: tuple[str, str]) -> float:
    """The mean of two, one after the other."""
    total = 0.0
    for worker, group in zip(workers, groups, strict=True):
        worker.begin(group)
        total += worker.end()
    return total / 2


def together(workers: tuple[Worker, Worker], groups: tuple[str, str]) -> float:
    """Both at the same time."""
    for worker, group in zip(workers, groups, strict=True):
        worker.begin(group)
    return sum(worker.end() for worker in workers)


def measure(*, rounds: int = 15) -> Suite:
    """Scopes and processes."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
        scopes = {
            name + suffix: partial(batch_us, decision((directory, suffix) if name == HOST else None, places=places))
            for places, suffix in ((False, ""), (True, PLACES))
            for name in (PROCESS, HOST)
        }
        timed = in_rounds(scopes, rounds)
        with (
            Worker(directory, "wide", 40) as wide,
            Worker(directory, "wide", 40) as broad,
            Worker(directory, "hot", 1) as hot,
            Worker(directory, "hot", 1) as hotter,
        ):
            apart, same = ((wide, broad), ("g0", "g1")), ((hot, hotter), ("g0", "g0"))
            cases: dict[str, Callable[[], float]] = {
                ALONE: partial(alone, *apart),
                DISJOINT: partial(together, *apart),
                HOT_ALONE: partial(alone, *same),
                HOT: partial(together, *same),
            }
            counted = in_rounds(cases, rounds)
    return Suite(
        name="host",
        what="Sharing a state between processes",
        method=METHOD.format(rounds=rounds),
        command="python -m benches.python.bench_host",
        rows=[*rows(timed, unit="µs"), *rows(counted, unit="thousand/s")],
        verdicts=_verdicts(timed, counted),
    )


def _verdicts(timed: Rounds, counted: Rounds) -> list[Verdict]:
    scope = {suffix: ratio(timed, HOST + suffix, PROCESS + suffix) for suffix in ("", PLACES)}
    apart, hot = ratio(counted, DISJOINT, ALONE), ratio(counted, HOT, HOT_ALONE)
    return [
        *(
            _verdict(f"{HOST} beside process scope{suffix}", "≤ 1.3 ×", found, met=found.median <= 1.3)
            for suffix, found in scope.items()
        ),
        _verdict(f"{DISJOINT}, beside one", "≥ 1.7 ×", apart, met=apart.median >= 1.7),
        _verdict(f"{HOT}, beside one", "≥ 1 ×", hot, met=hot.median >= 1),
    ]


def _verdict(what: str, budget: str, found: Spread, *, met: bool) -> Verdict:
    return Verdict(what=what, budget=budget, measured=f"{found.told()} ×", met=met)


if __name__ == "__main__":
    print(show.text(measure()))
