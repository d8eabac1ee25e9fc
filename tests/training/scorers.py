"""Artifacts made by hand, for tests of what uses them."""

from __future__ import annotations

import json

import numpy as np

from junctor import _core

BITS = 10


def packed(word: str, *, fields: tuple[str, ...] = ()) -> bytes:
    """A scorer of `small` and `large` that knows one word: it makes `small` fail. All else is near the means.

    With `fields` its table had such columns, and knew nothing of them: it looks at them all the same.
    """
    _, rows, _ = _core.features([word], bits=BITS, pairs=False, grams=(0, 0))
    weights = np.zeros((1 << BITS, 2), np.float32)
    weights[np.frombuffer(rows, np.uint32)[0]] = (-0.6, -0.01)
    models = [
        {"name": name, "label_mean": mean, "bias": mean, "knots": [(0.0, 0.0), (1.0, 1.0)]}
        for name, mean in (("small", 0.7), ("large", 0.8))
    ]
    facts = {
        "bits": BITS, "pairs": False, "grams": (0, 0), "fields": fields, "scales": (1.0, 0.0, 0.0, 0.0), "band": 0.02,
        "rows": 1_000, "day": 20_000, "models": models,
    }  # fmt: skip
    return _core.pack_scorer(json.dumps(facts).encode(), weights.tobytes())
