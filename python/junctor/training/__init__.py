"""From a table of past answers to a scorer: what `junctor train` does.

The features are the core's own (`_core.features`), so what is learned here is what is evaluated there. Beyond them it
is a ridge regression per model and a calibration on predictions out of fold: linear, because that is what a decision
has time for, and because on the data seen so far nothing bigger was worth more than a point (docs/decisions/036).
Kinds that read embeddings (`train_embedded`) and training on comparisons (`train_preference`) stand beside it
(docs/decisions/039).

numpy and scipy are needed here and nowhere at run time: `pip install 'junctor[train]'`.
"""

from __future__ import annotations

try:
    import scipy as _scipy  # noqa: F401 - only to say at once what is missing
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "junctor.training needs the package scipy, which is not installed; install it with "
        "`pip install 'junctor[train]'`",
        name="scipy",
    ) from None

from junctor.training.comparisons import Comparisons, read_comparisons
from junctor.training.embedded import MOST_VECTORS, train_embedded
from junctor.training.fit import Recipe, Trained, TrainingError, train
from junctor.training.judge import Figures, judge
from junctor.training.judge_preference import PairFigures, judge_preference
from junctor.training.preference import Preferred, train_preference

__all__ = [
    "MOST_VECTORS",
    "Comparisons",
    "Figures",
    "PairFigures",
    "Preferred",
    "Recipe",
    "Trained",
    "TrainingError",
    "judge",
    "judge_preference",
    "read_comparisons",
    "train",
    "train_embedded",
    "train_preference",
]
"""What is public here."""
