"""What `import junctor` costs in time and memory, beside a bare interpreter and the libraries it needs.

    python -m benches.python.bench_import

Every figure is a fresh process that imports, reads its own clocks and ends. Bytecode comes from a cache of the run's
own, filled by a round that does not count, whatever the environment says of writing any: an installed package has its
bytecode, and without it the figures would tell of the compiler. Time starts when the interpreter is ready, memory is
what the import adds to the bare interpreter's peak.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from typing import Final

from benches.python import show
from benches.python.harness import ROOT, Rounds, Row, Spread, Suite, Verdict, in_rounds

PROBE: Final = """
import sys, time
started = time.perf_counter()
exec(sys.argv[1])
ended = time.perf_counter()
try:
    with open("/proc/self/status") as status:
        kib = next(line.split()[1] for line in status if line.startswith("VmHWM"))
except OSError:
    import resource
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((ended - started) * 1e3, int(kib) / 1024)
"""
"""The kernel's own peak is asked first: `ru_maxrss` of a child begins with its parent's."""

READY: Final = f"""
import os
os.environ["OPENAI_API_KEY"] = "sk-bench"
import junctor
client = junctor.Client.open({str(ROOT / "benches/python/one_provider.yaml")!r})
client.transport, client.adapter("openai")
"""
"""What a first `chat` would load: there is nothing left to import when it is sent."""

STATEMENTS: Final = {
    "nothing": "pass",
    "import asyncio": "import asyncio",
    "import msgspec": "import msgspec",
    "import asyncio, msgspec": "import asyncio, msgspec",
    "import junctor": "import junctor",
    "every exported name": "import junctor\nfor name in junctor.__all__: getattr(junctor, name)",
    "a client over keys, made": "import junctor\njunctor.Client.over_keys('openai/gpt-5.6', keys=['sk-bench'])",
    "a client over one provider, ready to send": READY,
}
BARE: Final = "nothing"
BUDGETED: Final = ("import junctor", "every exported name", "a client over one provider, ready to send")


def probe(statement: str, *, cache: str, python: str = sys.executable) -> tuple[float, float]:
    """Milliseconds that the statement takes in a fresh process, and the process's peak memory in MiB.

    `cache` is the folder that bytecode is kept in.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = cache
    command = [python, "-c", PROBE, statement]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    time_ms, peak_mib = run.stdout.split()
    return float(time_ms), float(peak_mib)


def measure(*, rounds: int = 15) -> Suite:
    """Every statement, its time and its memory."""
    peaks: Rounds = {name: [] for name in STATEMENTS}

    def timed(name: str) -> float:
        time_ms, peak_mib = probe(STATEMENTS[name], cache=cache)
        peaks[name].append(peak_mib)
        return time_ms

    with tempfile.TemporaryDirectory() as cache:
        times = in_rounds({name: partial(timed, name) for name in STATEMENTS}, rounds)
    memory = {name: _added(values[1:], peaks[BARE][1:]) for name, values in peaks.items()}
    return Suite(
        name="import",
        what="Import: time and memory",
        method=(
            f"{rounds} rounds, a fresh process each, bytecode cached. Memory is the peak resident size less that of "
            "the bare interpreter in the same round. `import junctor` loads each name at its "
            "first use, so the rows that use them say more. A client needs asyncio and msgspec: what these two take is "
            "the floor of every row that makes one."
        ),
        command="python -m benches.python.bench_import",
        rows=[
            *(Row(name=n, unit="ms", figure=Spread.of(v)) for n, v in times.items() if n != BARE),
            *(Row(name=f"{n}: memory", unit="MiB", figure=Spread.of(v)) for n, v in memory.items() if n != BARE),
            Row(name="bare interpreter: memory", unit="MiB", figure=Spread.of(peaks[BARE])),
        ],
        verdicts=_verdicts(times, memory),
    )


def _added(values: list[float], bare: list[float]) -> list[float]:
    return [value - base for value, base in zip(values, bare, strict=True)]


def _verdicts(times: Rounds, memory: Rounds) -> list[Verdict]:
    return [verdict for name in BUDGETED for verdict in _verdict(name, times, memory)]


def _verdict(name: str, times: Rounds, memory: Rounds) -> list[Verdict]:
    time_ms, added = Spread.of(times[name]), Spread.of(memory[name])
    return [
        Verdict(what=f"{name}, time", budget="≤ 60 ms", measured=f"{time_ms.told()} ms", met=time_ms.median <= 60),
        Verdict(what=f"{name}, memory", budget="≤ 15 MB", measured=f"{added.told()} MiB", met=added.median <= 14.3),
    ]


if __name__ == "__main__":
    print(show.text(measure()))
