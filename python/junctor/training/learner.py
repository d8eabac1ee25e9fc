"""The learned scorer under `junctor evaluate`: trained anew on each fold, and judged on what it has not seen."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from junctor._core import Scorer
from junctor.evaluation import Table
from junctor.training.design import told
from junctor.training.fit import train


class Learned:
    """`--learner junctor.training.learner:Learned`. What is judged is the artifact, as it would be served."""

    name: Final = "learned scorer"

    def fit(self, table: Table) -> _Fitted:
        """Trains on these prompts alone. Raises `TrainingError` for a table that teaches nothing."""
        return _Fitted(Scorer(train(table).artifact))


class _Fitted:
    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def __call__(self, asked: Table) -> NDArray[np.float64]:
        """Predicted quality of (prompts, models)."""
        return told(self._scorer, asked)
