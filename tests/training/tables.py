"""Tables that a scorer can learn something from, made in a moment."""

from __future__ import annotations

import numpy as np

from junctor.evaluation import Table

EASY = ("colour", "greeting", "weather", "poem", "summary", "list")
HARD = ("integral", "theorem", "compiler", "proof", "kernel", "tensor")
FILLER = ("please", "tell", "me", "about", "the", "following", "thing", "and", "say", "why", "it", "is", "today")


def learnable(prompts: int = 600, *, seed: int = 0, missing: float = 0.0) -> Table:
    """Hard words make `small` fail; `large` does nearly everything. With `missing` as the share of empty cells."""
    rng = np.random.default_rng(seed)
    hard = rng.random(prompts) < 0.5
    texts = [
        " ".join([*rng.choice(FILLER, 6), str(rng.choice(HARD if it else EASY)), *rng.choice(FILLER, 4), str(number)])
        for number, it in enumerate(hard)
    ]
    chance = np.column_stack([np.where(hard, 0.15, 0.9), np.full(prompts, 0.9)])
    quality = (rng.random((prompts, 2)) < chance).astype(float)
    quality[rng.random(quality.shape) < missing] = np.nan
    tasks = ["hard" if it else "easy" for it in hard]
    return Table(
        ids=[str(n) for n in range(prompts)], prompts=texts, models=("small", "large"), quality=quality, tasks=tasks
    )
