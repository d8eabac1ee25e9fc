"""A fleet file as a chooser: its rules decide for each prompt of a table, as they would for a call.

Every prompt walks the real core once (`Router.explain`), with its task as the tag that rules read and with a seed of
its own. State plays no part: nobody is busy, nothing is held. A deployment is the model of the table that it is called,
that its model is called (with or without its provider), or that a mapping says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from junctor.config.errors import did_you_mean
from junctor.estimate import measure
from junctor.evaluation.rows import TableError
from junctor.evaluation.table import Floats, Table
from junctor.request import ChatRequest

if TYPE_CHECKING:
    from junctor.config import Config
    from junctor.router import Router


def replayed(
    router: Router,
    fleet: Config,
    table: Table,
    *,
    names: Mapping[str, str] | None = None,
    seed: int = 0,
    tell: Callable[[str], None] = lambda _text: None,
) -> tuple[Floats, int]:
    """The fleet's choice for each prompt, and how many it refused: those have no model, no quality and no cost.

    Raises `TableError` for a deployment that is chosen and is no model of the table.
    """
    models = _models(fleet, table, names or {})
    shares = np.zeros(table.quality.shape)
    refused = 0
    for row, prompt in enumerate(table.prompts):
        if row % 1_000 == 0:
            tell(f"the fleet: {row:,} of {len(table):,}")
        tokens, chars = measure(ChatRequest(messages=[{"role": "user", "content": prompt}]))
        tags = {} if table.tasks is None or not table.tasks[row] else {"task": table.tasks[row]}
        told = router.explain("auto", input_tokens=tokens, prompt_chars=chars, tags=tags, seed=seed + row)
        if told.deployment is None:
            refused += 1
            continue
        column = models.get(told.deployment)
        if column is None:
            raise TableError(
                f"{table.source}: the fleet chose {told.deployment!r}, which is no model of the table; map it, "
                f"as in {told.deployment}={table.models[0]}"
            )
        shares[row, column] = 1.0
    return shares, refused


def _models(fleet: Config, table: Table, names: Mapping[str, str]) -> dict[str, int]:
    """The table's column of each deployment that has one."""
    known = [deployment.name for deployment in fleet.deployments]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known, what="deployments")
            raise TableError(f"{table.source}: the fleet has no deployment {name!r}; {hint}")
    found = {}
    for deployment in fleet.deployments:
        name = deployment.name
        called = (name, deployment.declared, deployment.model, deployment.model.partition("/")[2])
        if name in names:
            found[name] = table.index(names[name])
        elif (model := next((word for word in called if word in table.models), None)) is not None:
            found[name] = table.index(model)
    return found
