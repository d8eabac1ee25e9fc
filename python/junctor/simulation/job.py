"""One run as data: traffic, world and policy in the form that the compiled simulation takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from junctor.config.errors import nearest
from junctor.simulation import world as worlds

if TYPE_CHECKING:
    from junctor.config import Config
    from junctor.simulation.trace import Kind, Trace

POLICIES: Final = ("junctor", "random", "round-robin", "least-in-flight", "latency-only")


class JobError(ValueError):
    """The traffic does not fit the fleet: one sentence with what is asked, what there is, and a hint."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says of a run."""

    seed: int = 0
    model: str | None = None
    max_tokens: int | None = None
    whole: bool = False


def job(fleet: Config, trace: Trace, world: worlds.World, *, policy: str, options: Options) -> bytes:
    """The job as JSON. Raises `JobError` or `WorldError`."""
    providers, quotas = worlds.answering(fleet, world)
    keeps = {name for name, group in fleet.groups.items() if group.affinity == "prefix"}
    told: dict[str, Any] = {
        "seed": options.seed,
        "policy": policy,
        "deadline_s": fleet.dispatch.deadline_s,
        "max_wait_s": fleet.dispatch.max_wait_s,
        "attempts": fleet.dispatch.attempts,
        "streamed": not options.whole,
        "traffic": {
            "kinds": [_kind(fleet, kind, trace, keeps, options) for kind in trace.kinds],
            "rows": trace.rows,
            "drawn": trace.drawn,
        },
        "providers": providers,
        "quotas": quotas,
    }
    return msgspec.json.encode(told)


def _kind(fleet: Config, kind: Kind, trace: Trace, keeps: set[str], options: Options) -> dict[str, Any]:
    model = options.model or kind.model or usual_model(fleet)
    if model != "auto" and model not in fleet.names:
        near = nearest(model, fleet.names)
        hint = f"did you mean {near!r}?" if near else "name a group, a model or a deployment"
        raise JobError(
            f"{trace.source} asks for {model!r}, which {fleet.source} does not know; {hint} (--model says it for all)"
        )
    # A session is the caller's own wish; a prompt's beginning counts where the group asks for it.
    by_session = bool(trace.rows.session) if trace.rows else bool(trace.drawn and trace.drawn["sessions"])
    by_prefix = bool(keeps) and (model == "auto" or model in keeps)
    return {
        "model": model,
        "tags": kind.tags,
        "max_tokens": options.max_tokens or kind.max_tokens,
        "affinity": by_session or by_prefix,
    }


def usual_model(fleet: Config) -> str:
    """What calls ask for that name nothing: `auto` if there are rules, else the first group or deployment."""
    if fleet.rules:
        return "auto"
    named = [name for name, group in fleet.groups.items() if not group.implied]
    return named[0] if named else fleet.deployments[0].name
