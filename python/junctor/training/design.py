"""The matrix that a linear model learns from: the core's features, normalised as the core will normalise them.

What the scorer adds up for a prompt is `scale / sqrt(count)` of each block times the weights of its features, so that
is what stands in this matrix, times a figure per feature that says how rare it is. The core does not know that figure:
it is multiplied into the weights when training is over, and what is rare costs nothing at decision time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from junctor import _core
from junctor.evaluation import Table
from junctor.evaluation.outlines import Outlines

Floats: TypeAlias = NDArray[np.float32]
Matrix: TypeAlias = Any
"""A scipy CSR matrix of float32: scipy has no types."""

BLOCKS: Final = 4
"""Words, n-grams, marks, the outline: in the order of the core."""


@dataclass(frozen=True, slots=True)
class Features:
    """Which features are made, and how much each block counts."""

    bits: int = 16
    pairs: bool = True
    grams: tuple[int, int] = (4, 4)
    scales: tuple[float, float, float, float] = (1.0, 0.5, 0.3, 0.3)

    @property
    def rows(self) -> int:
        """Rows of the table of weights."""
        return 1 << self.bits


@dataclass(frozen=True, slots=True)
class Design:
    """Prompts × features, `x`, with `rarity` of each feature still to be multiplied in."""

    x: Matrix
    block: NDArray[np.int64]
    """The block that each feature mostly comes from."""

    def rarity(self, rows: NDArray[np.int64]) -> Floats:
        """How much each feature counts, by how many of these prompts have it: about 1 in the mean of each block."""
        seen = self.x[rows]
        having = np.bincount(seen.indices, minlength=seen.shape[1])
        rarity = np.log((1 + len(rows)) / (1 + having)) + 1
        for block in range(BLOCKS):
            mine = self.block == block
            weight = having[mine]
            if weight.sum():
                rarity[mine] /= np.sqrt(np.average(rarity[mine] ** 2, weights=weight))
        return np.where(having > 0, rarity, 0.0).astype(np.float32)


def design(prompts: Sequence[str], features: Features, outlines: Outlines | None = None) -> Design:
    """The matrix of these prompts, and of what came with them."""
    fields, beside = ((), None) if outlines is None else (outlines.fields, outlines.rows)
    ends, rows, blocks = _core.features(
        prompts, bits=features.bits, pairs=features.pairs, grams=features.grams, fields=fields, outlines=beside
    )
    begin = np.frombuffer(ends, np.int64)
    row = np.frombuffer(rows, np.uint32).astype(np.int64)
    block = np.frombuffer(blocks, np.uint8).astype(np.int64)
    prompt = np.repeat(np.arange(len(prompts)), np.diff(begin))
    counts = np.bincount(prompt * BLOCKS + block, minlength=len(prompts) * BLOCKS)
    value = np.asarray(features.scales)[block] / np.sqrt(counts[prompt * BLOCKS + block])
    shape = (len(prompts), features.rows)
    x = sparse.csr_matrix((value.astype(np.float32), row, begin), shape=shape)
    x.sum_duplicates()
    told = np.bincount(row * BLOCKS + block, minlength=features.rows * BLOCKS).reshape(-1, BLOCKS)
    return Design(x, told.argmax(axis=1))


def told(scorer: _core.Scorer, table: Table) -> NDArray[np.float64]:
    """What a scorer says of a table's prompts: (prompts, models)."""
    outlines = [None] * len(table) if table.outlines is None else table.outlines.rows
    pairs = zip(table.prompts, outlines, strict=True)
    return np.array([scorer.scores(prompt, outline) for prompt, outline in pairs], np.float64)
