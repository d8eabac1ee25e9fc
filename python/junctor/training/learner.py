"""The learned scorers under `junctor evaluate`: trained anew on each fold, and judged on what they have not seen.

What is judged is the artifact, as it would be served. A table with embeddings has them read by the kinds that can.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from junctor._core import Scorer
from junctor.evaluation import Table
from junctor.training.design import told
from junctor.training.embedded import Kind, told_embedded, train_embedded
from junctor.training.fit import train


class Learned:
    """`--learner junctor.training.learner:Learned`: the linear scorer, which reads words."""

    name: Final = "learned scorer"

    def fit(self, table: Table) -> Callable[[Table], NDArray[np.float64]]:
        """Trains on these prompts alone. Raises `TrainingError` for a table that teaches nothing."""
        scorer = Scorer(train(table).artifact)
        return lambda asked: told(scorer, asked)


class Embedded:
    """A kind that reads the table's embeddings."""

    name: ClassVar[str]
    kind: ClassVar[Kind]

    def fit(self, table: Table) -> Callable[[Table], NDArray[np.float64]]:
        """As `Learned.fit`. A prompt without its embedding is not asked about: tables have all or none."""
        scorer = Scorer(train_embedded(table, self.kind, "the table's").artifact)

        return lambda asked: told_embedded(scorer, asked)


class Nearest(Embedded):
    """`--learner junctor.training.learner:Nearest`: kind `knn`."""

    name = "nearest prompts"
    kind = "knn"


class Factors(Embedded):
    """`--learner junctor.training.learner:Factors`: kind `mf`."""

    name = "factors"
    kind = "mf"
