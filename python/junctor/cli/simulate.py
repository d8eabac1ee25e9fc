"""`junctor simulate FILE TRACE`: the user's own fleet over a trace, hours of traffic in seconds, nothing sent.

The core that decides is the real one, on a virtual clock; what is made up are providers and callers. So a figure here
is worth what the world is worth: compare two runs of it, and doubt single ones. Both sides of a comparison meet the
same calls and, wherever they decide alike, the same luck.

The exit status is 1 if a promise of the core was broken on the way (the report says which and when; nobody has seen
it), not for calls that failed: how many do is what the command is asked.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from junctor.cli.ending import OK, PROBLEMS, USAGE, CommandError, reader_may_leave
from junctor.cli.files import fleet_in, readable
from junctor.cli.options import seed
from junctor.cli.text import paint_for, progress

if TYPE_CHECKING:
    from junctor.config import Config
    from junctor.config.compile import Compiled

OTHERS: Final = ("random", "round-robin", "least-in-flight", "latency-only")
MAX_TOKENS: Final = 10_000_000


def declare(command: argparse.ArgumentParser) -> None:
    """The options of `junctor simulate`."""
    command.add_argument("file", metavar="FILE", help="a fleet file")
    command.add_argument("trace", metavar="TRACE", help="CSV or JSONL (also .gz) of calls, or poisson:50/s,600s")
    command.add_argument("--against", metavar="FILE2", help="run the same traffic through another fleet file too")
    command.add_argument("--policy", metavar="NAMES", help=f"compare with {', '.join(OTHERS)}, or all of them")
    command.add_argument("--world", metavar="FILE", help="YAML that says how providers really behave, faults included")
    command.add_argument("--model", metavar="NAME", help="what all calls ask for (default: the trace, else auto)")
    command.add_argument("--max-tokens", type=int, metavar="N", help="the callers' bound on each answer")
    command.add_argument("--whole", action="store_true", help="answers come in one piece, not streamed")
    command.add_argument("--seed", type=seed, default=0, help="seed of all draws (default 0)")


def run(arguments: argparse.Namespace) -> int:
    """Simulate and print; 1 if a promise was broken on the way."""
    told = simulate(arguments, tell=progress())
    broken = [f"{run['label']}: {what}" for run in told["runs"] for what in run["broken"]]
    with reader_may_leave():
        if arguments.json:
            print(msgspec.json.encode(told).decode())
        else:
            from junctor.simulation.show import lines

            print("\n".join(lines(told["runs"], paint_for(sys.stdout))))
    for what in broken:
        print(f"junctor: a promise was broken, please report it: {what}", file=sys.stderr)
    return PROBLEMS if broken else OK


def simulate(arguments: argparse.Namespace, *, tell: Callable[[str], None]) -> dict[str, Any]:
    """All runs of the command, as `--json` prints them. Raises `CommandError` with status 2 for unreadable input."""
    from junctor import _core
    from junctor.exceptions import InvalidRequest
    from junctor.simulation import job, trace, world

    policies = _policies(arguments.policy)
    if arguments.max_tokens is not None and not 1 <= arguments.max_tokens <= MAX_TOKENS:
        raise CommandError(f"--max-tokens is {arguments.max_tokens}; allowed is 1 to {MAX_TOKENS:,}", status=USAGE)
    files = [arguments.file, *([arguments.against] if arguments.against else [])]
    fleets = [fleet_in(file) for file in files]
    options = job.Options(
        seed=arguments.seed, model=arguments.model, max_tokens=arguments.max_tokens, whole=arguments.whole
    )
    runs = []
    try:
        tell("reading the trace")
        traffic = trace.read(arguments.trace)
        truth = world.read(readable(arguments.world)) if arguments.world else world.World()
        for label, (compiled, fleet), policy in _labelled(files, fleets, policies):
            data = job.job(fleet, traffic, truth, policy=policy, options=options)
            report = _core.simulate(compiled.fleet, data, tell=_share_told(tell, label))
            runs.append({"label": label, "config_hash": compiled.config_hash, **msgspec.json.decode(report)})
    except (trace.TraceError, world.WorldError, job.JobError, InvalidRequest) as error:
        raise CommandError(str(error), status=USAGE) from None
    finally:
        tell("")
    return {"trace": arguments.trace, "seed": arguments.seed, "runs": runs}


def _policies(text: str | None) -> list[str]:
    if text is None:
        return []
    asked = list(OTHERS) if text == "all" else [word.strip() for word in text.split(",")]
    for word in asked:
        if word not in OTHERS:
            raise CommandError(f"--policy is {word!r}; allowed are {', '.join(OTHERS)}, or all", status=USAGE)
    return asked


def _labelled(
    files: list[str], fleets: list[tuple[Compiled, Config]], policies: list[str]
) -> list[tuple[str, tuple[Compiled, Config], str]]:
    """Every run: the files under junctor, then the first of them under each policy."""
    told = [(file, fleet, "junctor") for file, fleet in zip(files, fleets, strict=True)]
    if policies and not files[1:]:
        told[0] = ("junctor", *told[0][1:])
    return [*told, *((policy, fleets[0], policy) for policy in policies)]


def _share_told(tell: Callable[[str], None], label: str) -> Callable[[float, float], None]:
    return lambda now_s, last_s: tell(f"{label}: {now_s / max(last_s, 1e-9):.0%} of {last_s:,.0f} s")
