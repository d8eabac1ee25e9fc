"""Which column is what: a table's columns as its owner names them, or as their names tell.

Tables are wide, one column per model, or long, one row per prompt and model (`model` and `quality` columns tell). In
wide ones a model's column `m` may have company: `m|usd` (dollars), `m|in_tok` and `m|out_tok` (tokens), `m|chars`
(characters of the answer). Columns that are called like a figure of an outline (`tools`, `turns`, …) say what came with
a prompt, unless they are named as models. Nothing is guessed in silence: whatever is neither known nor a score between
0 and 1 is an error, and what was taken for what is told in the table's notes.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from junctor.config.errors import did_you_mean
from junctor.evaluation.outlines import FIELDS
from junctor.evaluation.rows import TableError

NAMES: Final = {
    "id": ("id", "prompt_id", "query_id", "question_id"),
    "prompt": ("prompt", "question", "query", "text"),
    "task": ("task", "category", "domain", "subject", "dataset", "label"),
    "model": ("model", "model_name"),
    "quality": ("quality", "score", "performance"),
    "cost": ("cost_usd", "usd", "cost"),
    "embedding": ("embedding", "vector"),
}
"""What a column may be called, most telling name first."""

BESIDE: Final = frozenset(
    {"metric", "gold", "answer", "choices", "options", "src", "source", "split", "contaminated", "human", "judge"}
)
"""Columns that many tables have and that are no model: left aside without a word from their owner."""

EXTRAS: Final = ("usd", "in_tok", "out_tok", "chars")
LONG_EXTRAS: Final = {
    "in_tok": ("in_tok", "input_tokens"),
    "out_tok": ("out_tok", "output_tokens"),
    "chars": ("chars",),
}
MAX_MODELS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What the columns of a table are called, as far as their names do not tell.

    `prompt` may be several columns, which are joined by a newline; a cell that is a JSON list of texts becomes one
    lettered line for each. `models` are names or patterns such as `Qwen*`, in the order that the table shall have; in a
    long table they choose among the values of its model column. `ignore` names columns that are no model.
    """

    id: str | None = None
    prompt: str | Sequence[str] | None = None
    task: str | None = None
    models: Sequence[str] | None = None
    model: str | None = None
    quality: str | None = None
    cost: str | None = None
    embedding: str | None = None
    ignore: Sequence[str] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What every column of one file is. `models` is empty in a long table, whose rows name them."""

    id: str | None
    prompt: tuple[str, ...]
    task: str | None
    models: tuple[str, ...] = ()
    inferred: bool = False
    model: str | None = None
    quality: str | None = None
    extras: dict[str, str] = field(default_factory=dict)
    outline: tuple[str, ...] = ()
    embedding: str | None = None
    aside: tuple[str, ...] = ()

    @property
    def long(self) -> bool:
        """Whether each row is one prompt with one model."""
        return self.model is not None


def layout(path: Path, names: Sequence[str], columns: Columns) -> Layout:
    """Finds every column. Raises `TableError` for one that is not there, or that is nothing known."""
    for wanted in columns.ignore:
        _known(path, wanted, names)
    left = [name for name in names if name not in set(columns.ignore)]
    prompt = (columns.prompt,) if isinstance(columns.prompt, str) else tuple(columns.prompt or ())
    for wanted in prompt:
        _known(path, wanted, names)
    prompt = prompt or tuple(filter(None, [_found(path, "prompt", None, left)]))
    if not prompt:
        raise TableError(
            f"{path} has no column {' or '.join(map(repr, NAMES['prompt']))}; name the one that holds the prompts; "
            f"its columns are {_listed(names)}"
        )
    identity = _found(path, "id", columns.id, left)
    task = _found(path, "task", columns.task, [name for name in left if name not in prompt])
    model = _found(path, "model", columns.model, left)
    quality = _found(path, "quality", columns.quality, left)
    outline = tuple(name for name in FIELDS if name in {*left} - {identity, task, *prompt, *(columns.models or ())})
    embedding = _found(path, "embedding", columns.embedding, left)
    used = {identity, task, embedding, *prompt, *outline}
    if model is not None and quality is not None:
        cost = _found(path, "cost", columns.cost, left)
        beside = {key: _first(words, left) for key, words in LONG_EXTRAS.items()} | {"usd": cost}
        extras = {key: name for key, name in beside.items() if name is not None}
        aside = tuple(name for name in left if name not in used | {model, quality, *extras.values()})
        return Layout(
            id=identity, prompt=prompt, task=task, model=model, quality=quality, extras=extras, outline=outline,
            embedding=embedding,
            aside=aside,
        )  # fmt: skip
    models, inferred = _models(path, left, used, columns.models)
    _check_extras(path, left, models)
    aside = tuple(name for name in left if name not in used | set(models) and _base(name) is None)
    return Layout(
        id=identity, prompt=prompt, task=task, models=models, inferred=inferred, outline=outline, embedding=embedding,
        aside=aside,
    )  # fmt: skip


def chosen(path: Path, patterns: Sequence[str] | None, known: Iterable[str]) -> tuple[str, ...]:
    """The models that these names and patterns mean, in their order; all known ones without any."""
    there = tuple(dict.fromkeys(known))
    if patterns is None:
        return there
    found: dict[str, None] = {}
    for pattern in patterns:
        met = [name for name in there if name == pattern] or fnmatch.filter(there, pattern)
        if not met:
            raise TableError(f"{path} has no model {pattern!r}; {did_you_mean(pattern, there, what='models')}")
        found.update(dict.fromkeys(met))
    return tuple(found)


def _models(
    path: Path, left: Sequence[str], used: set[str | None], patterns: Sequence[str] | None
) -> tuple[tuple[str, ...], bool]:
    """The models of a wide table, and whether nothing but the absence of another meaning says that they are."""
    plain = [name for name in left if _base(name) is None and name not in used]
    accompanied = {base for name in left if (base := _base(name)) is not None}
    models = [name for name in plain if name in accompanied]
    found = models or [name for name in plain if name not in BESIDE]
    if patterns is not None:
        named = [name for name in plain if name in patterns]
        return chosen(path, patterns, [name for name in plain if name in {*found, *named}]), False
    if not found:
        raise TableError(f"{path} has no column of scores; add one per model, with values from 0 to 1")
    if len(found) > MAX_MODELS:
        raise TableError(f"{path} has {len(found):,} columns that could be models; allowed are {MAX_MODELS}: name them")
    return tuple(found), not models


def _check_extras(path: Path, left: Sequence[str], models: Sequence[str]) -> None:
    """A column `m|what` belongs to a model and says something known."""
    for name in left:
        base, bar, extra = name.rpartition("|")
        if bar and base in models and extra not in EXTRAS:
            raise TableError(f"{path} has a column {name!r}; allowed after a model's name are |{', |'.join(EXTRAS)}")


def _base(name: str) -> str | None:
    base, bar, _ = name.rpartition("|")
    return base if bar else None


def _found(path: Path, what: str, named: str | None, names: Sequence[str]) -> str | None:
    if named is not None:
        return _known(path, named, names)
    return _first(NAMES[what], names)


def _first(words: Sequence[str], names: Sequence[str]) -> str | None:
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[word] for word in words if word in lower), None)


def _known(path: Path, name: str, names: Sequence[str]) -> str:
    if name not in names:
        raise TableError(f"{path} has no column {name!r}; {did_you_mean(name, names, what='columns')}")
    return name


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
