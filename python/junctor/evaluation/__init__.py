"""What a way of choosing models is worth, on a table of prompts × models × quality × cost.

`read_table` reads the table, refusing what cannot be meant; `metrics` are pure functions of arrays; a *chooser* is
whatever is evaluated: a learned scorer, a fleet file, a cascade, a baseline. Choosers are fitted on training folds and
judged on the rest, and every figure comes with an interval, beside prompt length, label mean, random, best single and
oracle: a router that does not beat the task's label has learned the label.

numpy is needed here and nowhere else at run time: arrays of a million cells, resampled a thousand times, are what it is
for. It comes with `pip install 'junctor[train]'`; the decisions themselves stay without it.
"""

from __future__ import annotations

try:
    import numpy as _numpy  # noqa: F401 - only to say at once what is missing
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "junctor.evaluation needs the package numpy, which is not installed; install it with "
        "`pip install 'junctor[train]'`",
        name="numpy",
    ) from None

from junctor.evaluation.columns import Columns
from junctor.evaluation.rows import TableError
from junctor.evaluation.table import Table, read_table

__all__ = ["Columns", "Table", "TableError", "read_table"]
