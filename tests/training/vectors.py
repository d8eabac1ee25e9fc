"""Embeddings made in a moment: random directions of words, summed. A functional check, and no embedding model."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def projected(prompts: Sequence[str], dimension: int = 48) -> NDArray[np.float32]:
    """A vector for each prompt: each word has a direction of its own, drawn by its checksum; long words count more."""
    known: dict[str, NDArray[np.float64]] = {}

    def of(word: str) -> NDArray[np.float64]:
        if word not in known:
            known[word] = np.random.default_rng(zlib.crc32(word.encode())).normal(size=dimension) * len(word) ** 2
        return known[word]

    found: NDArray[np.float32] = np.array(
        [np.sum([of(word) for word in p.split()], axis=0) for p in prompts], np.float32
    )
    return found
