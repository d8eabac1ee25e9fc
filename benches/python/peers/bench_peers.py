"""The peers beside junctor, in the same rounds, against the same provider: pick, calls, import, failover, gateway.

    make bench-peers [ARGS="--only gateway"]

LiteLLM's Router and TensorZero's embedded gateway run in processes and an environment of their own
(`benches/python/peers/setup.sh` makes it in `.venv-peers`), everything at its defaults. CPU time is each process's own.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from benches.python import bench_client, bench_decision, bench_failover, bench_import, show
from benches.python.constant import TEXT, WORDS, provider
from benches.python.harness import Rounds, Suite, in_rounds, rows, say
from benches.python.load import CONCURRENT, Call, cost_us
from benches.python.peers import bench_gateways
from benches.python.peers.environment import PYTHON, PeerFailed, Remote, all_peers, versions
from junctor.testing.remote import RemoteProvider

COMMAND: Final = "make bench-peers"
KEYS: Final = [f"sk-bench-{number}" for number in range(10)]
PICKS: Final = {  # (strategy, deployments): picks per round
    ("simple-shuffle", 100): 200,
    ("simple-shuffle", 1_000): 40,
    ("latency-based-routing", 100): 100,
    ("latency-based-routing", 1_000): 20,
}
FAILOVER_CALLS: Final = 1_000
"""Calls per phase of the failover."""
JUNCTOR: Final = "junctor"
LITELLM: Final = "LiteLLM Router"
WHAT: Final = {"chat": "a whole call", "stream": "a whole stream of 50 events"}


def picks(peers: dict[str, Remote], rounds: int) -> Suite:
    """Choosing a deployment. junctor's figure is everything: rules, limits held, breaker, settled."""
    cases: dict[str, Callable[[], float]] = {}
    for size in (100, 1_000):
        step = bench_decision.decision(size, 100, one_group=True)
        cases[f"{JUNCTOR}: reserve + settle, {size:,} deployments"] = partial(bench_decision.batch_us, step)
    for (strategy, size), count in PICKS.items():
        asked = partial(peers[LITELLM].ask, "pick", strategy=strategy, deployments=size, count=count)
        cases[f"{LITELLM}: pick alone, {strategy}, {size:,} deployments"] = asked
    found = in_rounds(cases, rounds)
    return Suite(
        name="peers-pick",
        what="Peers: one decision",
        method=(
            f"Median of {rounds} rounds, all deployments in one group. LiteLLM's figure is `Router.select` alone, "
            "junctor's the whole reservation with 100 rules and 4 limits, and its settlement."
        ),
        command=COMMAND,
        rows=rows(found, unit="µs", floors=(next(iter(cases)),)),
        missing=["TensorZero has no call that only chooses"],
    )


def calls(peers: dict[str, Remote], rounds: int) -> list[Suite]:
    """Whole calls and streams, 64 at once."""
    text = "".join(WORDS)
    with provider() as url, asyncio.Runner() as runner:
        contenders = runner.run(_contenders(url))
        for remote in peers.values():
            remote.ask("open", base_url=f"{url}/v1", keys=KEYS)
        told = []
        for kind, own, expected, count, slow in (
            ("chat", contenders.chats(), TEXT, 3_200, 640),
            ("stream", contenders.streams(), text, 640, 128),
        ):
            cases: dict[str, Callable[[], float]] = {}
            for name in (bench_client.BY_HAND, f"client.{kind}"):
                cases[name] = partial(_run, runner, own[name], expected, count)
            for name, remote in peers.items():
                amount = slow if name == LITELLM else count
                cases[name] = partial(remote.ask, kind, expected=expected, count=amount)
            told.append(_calls_suite(kind, in_rounds(cases, rounds), rounds))
        runner.run(contenders.close())
    return told


def _run(runner: asyncio.Runner, call: Call, expected: str, count: int) -> float:
    return runner.run(cost_us(call, expected, count))


async def _contenders(url: str) -> bench_client.Contenders:
    return bench_client.Contenders(url)


def _calls_suite(kind: str, found: Rounds, rounds: int) -> Suite:
    return Suite(
        name=f"peers-{kind}",
        what=f"Peers: {WHAT[kind]}, {CONCURRENT} at once: CPU per call",
        method=(
            f"{bench_client.METHOD} {rounds} rounds on asyncio's own loop; peers route over ten deployments without "
            "limits."
        ),
        command=COMMAND,
        rows=rows(found, unit="µs", floors=(f"client.{kind}", bench_client.BY_HAND)),
    )


def imports(rounds: int) -> Suite:
    """Import time and memory, each in its own environment."""
    modules = {
        JUNCTOR: (None, "import junctor"),
        f"{JUNCTOR}, every exported name": (None, bench_import.STATEMENTS["every exported name"]),
        "tensorzero": (str(PYTHON), "import tensorzero"),
        "litellm": (str(PYTHON), "import os; os.environ['LITELLM_LOCAL_MODEL_COST_MAP'] = 'True'; import litellm"),
    }
    peaks: Rounds = {f"{name}: memory": [] for name in modules}

    def timed(name: str) -> float:
        python, statement = modules[name]
        given: dict[str, str] = {"python": python or sys.executable, "cache": cache}
        time_ms, peak_mib = bench_import.probe(statement, **given)
        peaks[f"{name}: memory"].append(peak_mib - bench_import.probe("pass", **given)[1])
        return time_ms

    with tempfile.TemporaryDirectory() as cache:
        times = in_rounds({name: partial(timed, name) for name in modules}, rounds)
    return Suite(
        name="peers-import",
        what="Peers: import",
        method=(
            f"{rounds} rounds, a fresh process each; memory is what comes on top of the bare interpreter. LiteLLM "
            "reads its local price list instead of fetching it."
        ),
        command=COMMAND,
        rows=[
            *rows(times, unit="ms", floors=(JUNCTOR,)),
            *rows({name: values[1:] for name, values in peaks.items()}, unit="MiB"),
        ],
    )


def failover(peers: dict[str, Remote], rounds: int, count: int) -> Suite:
    """One slow and one dead key of ten, for each in turn."""
    found: dict[str, list[dict[str, bench_failover.Phase]]] = {JUNCTOR: [], **{name: [] for name in peers}}
    missing = []
    with bench_failover.provider() as remote:
        for turn in range(rounds):
            say(f"failover: round {turn + 1}/{rounds}")
            found[JUNCTOR].append(asyncio.run(bench_failover.phases(remote, seed=turn * 10, count=count)))
            for name, there in peers.items():
                try:
                    found[name].append(_phases(there, remote.base_url("openai"), remote, turn * 10, count))
                except PeerFailed as error:
                    missing.append(f"{name}, round {turn + 1}: {error}")
                    bench_failover.relief(remote)
    say("")
    return Suite(
        name="peers-failover",
        what="Peers: one slow key and one dead key of ten",
        method=bench_failover.method(rounds, count),
        command=COMMAND,
        rows=[row for name, told in found.items() if told for row in bench_failover.table(told, f"{name}: ")],
        missing=missing,
    )


def _phases(
    there: Remote, base_url: str, remote: RemoteProvider, seed: int, count: int
) -> dict[str, bench_failover.Phase]:
    healthy, begins, start = bench_failover.PHASES
    told = {}
    there.ask("open", base_url=base_url, keys=bench_failover.KEYS)
    told[healthy] = _serve(there, seed, count)
    bench_failover.trouble(remote)
    told[begins] = _serve(there, seed + 1, count)
    there.ask("open", base_url=base_url, keys=bench_failover.KEYS)
    told[start] = _serve(there, seed + 2, count)
    bench_failover.relief(remote)
    return told


def _serve(there: Remote, seed: int, count: int) -> bench_failover.Phase:
    told: bench_failover.Phase = there.ask("paced", count=count, per_s=bench_failover.PER_S, seed=seed)
    return told


Asked = Callable[[dict[str, Remote], int], list[Suite]]
SUITES: Final[dict[str, Asked]] = {
    "pick": lambda peers, rounds: [picks(peers, rounds)],
    "calls": calls,
    "import": lambda _, rounds: [imports(rounds)],
    "failover": lambda peers, rounds: [failover(peers, max(2, rounds // 2), FAILOVER_CALLS)],
}
"""Of the peers that are libraries."""

NAMES: Final = (*SUITES, "gateway")


def measure(*, rounds: int = 5, only: Sequence[str] = NAMES) -> list[Suite]:
    """These comparisons, of `NAMES`."""
    suites: list[Suite] = []
    if wanted := [name for name in SUITES if name in only]:
        releases = ", ".join(f"{name} {version}" for name, version in versions().items())
        with all_peers() as peers:
            suites += [suite.said_of(releases) for name in wanted for suite in SUITES[name](peers, rounds)]
    if "gateway" in only:
        suites += bench_gateways.measure(rounds=rounds)
    return suites


if __name__ == "__main__":
    for each in measure():
        print(show.text(each))
