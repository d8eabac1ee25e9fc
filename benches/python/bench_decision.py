"""What one decision costs from Python: `router.reserve` + `settle`, beside floors that decide little or nothing.

    python -m benches.python.bench_decision

Ratios come from batches, because reading a clock costs more than the smaller floors; percentiles come from timing each
call. The garbage collector stays on: callers have it on.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from typing import Any, Final

from benches.python import show
from benches.python.fleets import router
from benches.python.floor import load as load_floor
from benches.python.harness import Rounds, Spread, Suite, Verdict, in_rounds, ratio, rows
from junctor import _core

SIZES: Final = (10, 100, 1_000, 10_000)
BATCH: Final = 2_000
SINGLE: Final = 10_000
EMPTY: Final = "empty PyO3 call"
DECISION: Final = "reserve + settle"
WORD: Final = "PyO3 call, word in and out"
CALLS: Final = "the same two PyO3 calls, deciding nothing"
TEN_LINES: Final = "plain Python, 2 buckets + breaker"

Step = Callable[[], object]


def decision(deployments: int, rules: int, *, one_group: bool = False) -> Step:
    """Decide, hold and settle one request for `auto`, through all rules."""
    chosen = router(deployments, rules, one_group=one_group)
    needs = frozenset({"tools"})
    tags = {"task": "extraction", "user_tier": "paid", "tenant": "acme"}

    def step() -> object:
        held = chosen.reserve("auto", input_tokens=900, output_tokens=300, needs=needs, tags=tags)
        return held.settle("ok", input_tokens=880, output_tokens=122, first_token_s=0.41)

    return step


def named(deployments: int) -> Step:
    """The same for a group by name, all groups in turn: the memory of the whole fleet is visited."""
    chosen = router(deployments, 1)
    names = [f"g{number}" for number in range(max(1, deployments // 20))]
    turn = 0

    def step() -> object:
        nonlocal turn
        turn += 7_919  # a large stride, so that neighbours in time are strangers in memory
        held = chosen.reserve(names[turn % len(names)], input_tokens=900, output_tokens=300)
        return held.settle("ok", input_tokens=880, output_tokens=122, first_token_s=0.41)

    return step


def empty() -> Step:
    """The cheapest call that the binding has: no argument, one number back, no work."""
    return _core.ManualClock().now_s


def word() -> Step:
    """A call that takes a word and answers a word, as the smallest useful one does."""
    health_of = _core.health_of

    def step() -> object:
        return health_of("ok")

    return step


def calls() -> Step:
    """Two calls with the arguments of a decision: taken from Python, looked at, one object made and freed."""
    floor = load_floor().Floor()
    needs = frozenset({"tools"})
    tags = {"task": "extraction", "user_tier": "paid", "tenant": "acme"}

    def step() -> object:
        held = floor.reserve("auto", input_tokens=900, output_tokens=300, needs=needs, tags=tags)
        return held.settle("ok", input_tokens=880, output_tokens=122, first_token_s=0.41)

    return step


def weighted_pick(deployments: int = 100) -> Step:
    """A weighted pick in plain Python that checks nothing."""
    names = [f"d{number}" for number in range(deployments)]
    cumulative = list(accumulate(1.0 for _ in names))
    draw = random.Random(1)

    def step() -> object:
        return draw.choices(names, cum_weights=cumulative)[0]

    return step


def ten_lines(deployments: int = 100) -> Step:
    """What people write first: a pick, two buckets and a breaker per deployment, no rules, no refunds, one thread."""
    states: list[dict[str, Any]] = [{"calls": 1e9, "tokens": 1e9, "failures": 0, "at": 0.0} for _ in range(deployments)]
    draw = random.Random(1)

    def step() -> object:
        now = time.monotonic()
        state = states[int(draw.random() * deployments)]
        if state["failures"] >= 5 and now - state["at"] < 30.0:
            return None
        passed = now - state["at"]
        state["calls"] = min(1e9, state["calls"] + passed * 1e6) - 1
        state["tokens"] = min(1e9, state["tokens"] + passed * 1e6) - 1_200
        state["at"] = now
        if state["calls"] < 0 or state["tokens"] < 0:
            return None
        state["tokens"] += 1_200 - 1_002
        state["failures"] = 0
        return state

    return step


def batch_us(step: Step, count: int = BATCH) -> float:
    """Microseconds per call over one batch, less what the empty loop costs at best."""
    turns = range(count)
    started = time.perf_counter_ns()
    for _ in turns:
        step()
    return (time.perf_counter_ns() - started) / count / 1_000 - EMPTY_LOOP_US


def _empty_loop_us(count: int = BATCH) -> float:
    started = time.perf_counter_ns()
    for _ in range(count):
        pass
    return (time.perf_counter_ns() - started) / count / 1_000


EMPTY_LOOP_US: Final = min(_empty_loop_us() for _ in range(50))
CLOCK_NS: Final = min(-time.perf_counter_ns() + time.perf_counter_ns() for _ in range(1_000))
"""The least time between two readings of the clock: part of every call that is timed by itself."""


METHOD: Final = (
    f"A round times a batch of {BATCH:,} calls of each case; told are the median of {{rounds}} rounds, the least and "
    f"the greatest. p50 and p99 are of {SINGLE:,} calls timed one by one, less {CLOCK_NS} ns, the least time between "
    "two readings of the clock. One thread, the garbage collector on. Each attempt holds 4 limits of 2 pools; prices, "
    "2 compliance clauses, groups of 20 unless said otherwise. The empty call is `ManualClock.now_s()`, the "
    'cheapest that the binding has; the one with a word in and out is `health_of("ok")`; the two calls that decide '
    "nothing are in benches/floor."
)


def single_us(step: Step, share: float, count: int = SINGLE) -> float:
    """The quantile `share` of calls timed one by one, in microseconds, less the clock's own time."""
    clock = time.perf_counter_ns
    taken = []
    for _ in range(count):
        started = clock()
        step()
        taken.append(clock() - started)
    taken.sort()
    return (taken[int(count * share)] - CLOCK_NS) / 1_000


def floors() -> dict[str, Step]:
    """What the decisions stand beside."""
    return {
        EMPTY: empty(),
        WORD: word(),
        CALLS: calls(),
        "plain Python, weighted pick": weighted_pick(),
        TEN_LINES: ten_lines(),
    }


def decisions(sizes: Sequence[int]) -> dict[str, Step]:
    """Every decision that is measured."""
    found = {f"{DECISION}, {size:,} deployments, 100 rules": decision(size, 100) for size in sizes}
    found |= {f"{DECISION}, 100 deployments, {n:,} rules": decision(100, n) for n in sizes if n != 100}
    found |= {f"{DECISION}, {n:,} deployments in one group": decision(n, 100, one_group=True) for n in sizes if n > 20}
    found |= {f"{DECISION}, {n:,} deployments, groups in turn": named(n) for n in sizes if n > 20}
    return found


def measure(*, rounds: int = 25, sizes: Sequence[int] = SIZES) -> Suite:
    """Floors and decisions, p50 and p99."""
    cases = {**floors(), **decisions(sizes)}
    for step in cases.values():
        for _ in range(3_000):  # past the slow start of new deployments and the growth of every table
            step()
    batches = in_rounds({name: partial(batch_us, step) for name, step in cases.items()}, rounds)
    timed = {name: step for name, step in cases.items() if name in (EMPTY, TEN_LINES) or name.startswith(DECISION)}
    singles = {
        f"{word}: {name}": partial(single_us, step, share)
        for name, step in timed.items()
        for word, share in (("p50", 0.50), ("p99", 0.99))
    }
    tails = in_rounds(singles, max(3, rounds // 3))
    return Suite(
        name="decision",
        what="One decision from Python",
        method=METHOD.format(rounds=rounds),
        command="python -m benches.python.bench_decision",
        rows=[*rows(batches, unit="µs", floors=(EMPTY,)), *rows(tails, unit="µs")],
        verdicts=_verdicts(batches, tails),
    )


def _verdicts(batches: Rounds, tails: Rounds) -> list[Verdict]:
    main = f"{DECISION}, 100 deployments, 100 rules"
    p50, p99 = Spread.of(tails[f"p50: {main}"]), Spread.of(tails[f"p99: {main}"])
    floors = {floor: ratio(batches, main, floor) for floor in (CALLS, WORD, EMPTY)}
    return [
        Verdict(what=f"{main}: p50", budget="≤ 2 µs", measured=f"{p50.told()} µs", met=p50.median <= 2),
        Verdict(what=f"{main}: p99", budget="≤ 6 µs", measured=f"{p99.told()} µs", met=p99.median <= 6),
        *(
            Verdict(what=f"{main}: beside {floor}", budget="≤ 15 ×", measured=f"{r.told()} ×", met=r.median <= 15)
            for floor, r in floors.items()
        ),
        _flatness("by number of deployments and rules", main, [n for n in batches if n.endswith(" rules")], batches),
        _flatness("the hardest shapes", main, [n for n in batches if n.endswith(("one group", "in turn"))], batches),
    ]


def _flatness(label: str, main: str, others: Sequence[str], batches: Rounds) -> Verdict:
    """How much more the worst of `others` costs than `main`."""
    worst = max((name for name in others if name != main), key=lambda name: ratio(batches, name, main).median)
    spread = ratio(batches, worst, main)
    what = f"{DECISION}, {label}; the worst is {worst.removeprefix(f'{DECISION}, ')}"
    return Verdict(what=what, budget="≤ 2 × 100 by 100", measured=f"{spread.told()} ×", met=spread.median <= 2)


if __name__ == "__main__":
    print(show.text(measure()))
