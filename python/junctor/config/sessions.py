"""What the fleet file says about sessions: `sessions:`, and `escalation: one-way` at groups and cascades.

Both are kept in one table of the process, so whatever asks for one of them makes the table, with the defaults of
`sessions` where the file does not have it. A wish that could do nothing is an error: a group without an objective
chooses by load alone, and members of one quality have nobody stronger among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from junctor.config.errors import Problems
from junctor.config.spec import FleetSpec, Objective, ObjectiveWeights, SessionsSpec

if TYPE_CHECKING:
    from junctor.cascade.ladder import Ladder
    from junctor.config.valid import Deployment, Group


def sessions_of(
    spec: FleetSpec,
    groups: Mapping[str, Group],
    deployments: Iterable[Deployment],
    cascades: Mapping[str, Ladder],
    problems: Problems,
) -> SessionsSpec | None:
    """What holds for sessions; None if the file asks for nothing of them."""
    qualities = {item.name: item.quality for item in deployments}
    one_way = any(ladder.one_way for ladder in cascades.values())
    for name, group in groups.items():
        if group.escalation == "free" or name in cascades:
            continue
        one_way, path = True, ("groups", name, "escalation")
        if not _chooses(group.objective):
            problems.error(path, "does nothing without an objective: load alone chooses; give the group an objective")
        if len({qualities[member] for member in group.members if member in qualities}) < 2:
            problems.error(path, "does nothing: its members are of one quality; say which is stronger by `quality`")
    if spec.sessions is None:
        return SessionsSpec() if one_way else None
    if not one_way and spec.sessions.budget_usd is None and spec.sessions.budget_tokens is None:
        hint = "give it budget_usd or budget_tokens, or a group or cascade escalation: one-way"
        problems.error(("sessions",), f"binds nothing; {hint}")
    return spec.sessions


def compiled_sessions(sessions: SessionsSpec) -> dict[str, Any]:
    """The form that the core reads."""
    budget_usd = sessions.budget_usd
    return {
        "idle_s": sessions.idle_s,
        "most": sessions.most,
        "usd_micros": None if budget_usd is None else round(budget_usd * 1_000_000),
        "tokens": sessions.budget_tokens,
    }


def _chooses(objective: Objective | ObjectiveWeights) -> bool:
    if isinstance(objective, str):
        return objective != "balanced"
    weighed = objective.quality or objective.cost or objective.latency
    return bool(weighed) or any(part is not None for part in (objective.floor, objective.gap, objective.tolerance))
