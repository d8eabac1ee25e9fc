"""Prompts that are nearly the same: a number changed, an option added, other punctuation. They belong into one fold.

A scorer that was trained on the one remembers the other. Two prompts are alike when most of their runs of three words
are (Jaccard, on the words alone). What many prompts share, such as instructions or worked examples before the question,
says nothing about the question and is not looked at: otherwise everything under one template would be one prompt. Pairs
are found by MinHash in bands (Broder 1997), then compared exactly. Whoever is like someone in a group belongs to the
group.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]

ALIKE: Final = 0.7
"""Share of all runs that two prompts must have in common."""

RUN: Final = 3
LEAST_RUNS: Final = 4
"""Of a prompt that is compared: shorter ones are the same or they are not."""

SHARED: Final = 0.02
SHARED_LEAST: Final = 20
"""What so many of the prompts have (and more than so many of them) is a template, not the question."""

HASHES: Final = 48
BAND: Final = 3
"""Sixteen bands of three hashes: pairs that are 70 % alike meet in one of them in 998 of 1,000 cases."""

MOST_PROMPTS: Final = 200_000
"""Beyond it nobody looks, and the table says so: it would take minutes."""

_WORD: Final = re.compile(r"\w+")


def near(prompts: Sequence[str], groups: Ints) -> Ints:
    """`groups` with those joined whose prompts are alike, numbered from 0 in the order of their first prompts."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    runs = _told_apart([_runs(prompts[row]) for row in first])
    leader = list(range(len(first)))

    def find(one: int) -> int:
        while leader[one] != one:
            leader[one] = leader[leader[one]]
            one = leader[one]
        return one

    for one, other in _meeting(runs):
        a, b = find(one), find(other)
        if a != b and _jaccard(runs[one], runs[other]) >= ALIKE:
            leader[max(a, b)] = min(a, b)
    joined = np.array([find(one) for one in range(len(first))], np.int64)[inverse]
    numbers: dict[int, int] = {}
    return np.array([numbers.setdefault(one, len(numbers)) for one in joined.tolist()], np.int64)


def _runs(prompt: str) -> Words:
    """A number for each different run of three words."""
    words = np.array(
        [zlib.crc32(word.encode("utf-8", "replace")) for word in _WORD.findall(prompt.casefold())], np.uint64
    )
    if len(words) < RUN:
        return np.zeros(0, np.uint64)
    found = words[: 1 - RUN].copy()
    for place in range(1, RUN):
        found = _mixed(found) ^ words[place : len(words) - RUN + 1 + place]
    return np.unique(_mixed(found))


def _told_apart(runs: list[Words]) -> list[Words]:
    """Without what many share; empty for prompts that have too little left to be compared."""
    values, counts = np.unique(np.concatenate(runs), return_counts=True)
    common = values[counts > max(SHARED_LEAST, SHARED * len(runs))]
    kept = [np.setdiff1d(one, common, assume_unique=True) if len(common) else one for one in runs]
    return [one if len(one) >= LEAST_RUNS else one[:0] for one in kept]


def _meeting(runs: list[Words]) -> Iterator[tuple[int, int]]:
    """Pairs that have all hashes of a band in common. Neighbours in a bucket will do: groups are joined over them."""
    salts = _mixed(np.arange(1, HASHES + 1, dtype=np.uint64))[:, None]
    there = [number for number, one in enumerate(runs) if len(one)]
    if not there:
        return
    least = np.array([_mixed(runs[number][None, :] ^ salts).min(axis=1) for number in there])
    for start in range(0, HASHES, BAND):
        key = least[:, start]
        for place in range(start + 1, start + BAND):
            key = _mixed(key) ^ least[:, place]
        order = np.argsort(key, kind="stable")
        for one, other in pairwise(order.tolist()):
            if key[one] == key[other]:
                yield there[one], there[other]


def _jaccard(one: Words, other: Words) -> float:
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)


def _mixed(values: Words) -> Words:
    """SplitMix64's finalizer, as in the core's draws."""
    z = values + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Words = z ^ (z >> np.uint64(31))
    return mixed
