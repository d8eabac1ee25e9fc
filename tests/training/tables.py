"""Tables that a scorer can learn something from, made in a moment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from junctor.evaluation import Table
from junctor.evaluation.outlines import Outlines

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


def with_tools(prompts: int = 600, *, seed: int = 0) -> Table:
    """No word tells anything: `small` fails where a dozen tools come with the prompt. Half of the prompts have them."""
    table = learnable(prompts, seed=seed)
    rng = np.random.default_rng(seed + 1)
    tools = np.where(rng.random(prompts) < 0.5, 12, 0)
    chance = np.column_stack([np.where(tools > 0, 0.15, 0.9), np.full(prompts, 0.8)])
    quality = (rng.random((prompts, 2)) < chance).astype(float)
    outlines = Outlines.of(("tools",), [{"tools": count} for count in tools.tolist()])
    return replace(table, quality=quality, outlines=outlines)
