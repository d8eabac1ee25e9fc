"""Thresholds of cascades, from a table of answers: found for a target, with a bound that holds for few prompts too.

| module | what |
|---|---|
| `measured` | a table's rows as readings of each signal and qualities of the small and the strong model |
| `bounds` | exact bounds: shares by order statistics, means by betting |
| `thresholds` | T1 and T2 for a target: escalation share, quality, part of the strong model's quality kept, cost |
| `training` | the probe's logistic regression |
| `unseen` | what the procedure yields on prompts that it did not see, and how well each signal orders them |

numpy comes with `pip install 'junctor[train]'`. Nothing of this is needed to serve: what is found is a few numbers.
"""

from __future__ import annotations

try:
    import numpy as _numpy  # noqa: F401 - only to say at once what is missing
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "junctor.calibration needs the package numpy, which is not installed; install it with "
        "`pip install 'junctor[train]'`",
        name="numpy",
    ) from None
