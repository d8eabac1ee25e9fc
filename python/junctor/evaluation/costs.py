"""Dollars of every answer: as the table has them, or of its tokens or characters and a price.

An estimate is told as one. A model without dollars and without a price has unknown costs; a price without any measure
of the answers is an error, because to count the prompt alone would make talkative models look cheap.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from junctor.config.errors import did_you_mean
from junctor.config.prices import MICROS, Price
from junctor.estimate import BYTES_PER_TOKEN
from junctor.evaluation.cells import Cells
from junctor.evaluation.rows import TableError

CHARS_PER_TOKEN: Final = 4.0
"""Of answers in English: what recorded outputs of the common tokenizers come to."""


def dollars(
    path: Path, cells: Cells, prices: Mapping[str, Price | float], answer_tokens: int | None
) -> tuple[NDArray[np.float64] | None, tuple[str, ...]]:
    """The costs, None if none is known, and what is to be told about them. Raises `TableError`."""
    for model in prices:
        if model not in cells.models:
            raise TableError(
                f"{path} has no model {model!r} to price; {did_you_mean(model, cells.models, what='models')}"
            )
    cost = cells.extras.get("usd", np.full(cells.quality.shape, np.nan)).copy()
    estimated = []
    for column, model in enumerate(cells.models):
        price = prices.get(model)
        if price is None:
            continue
        if isinstance(price, Price):
            cost[:, column], how = _of_tokens(path, cells, column, price, answer_tokens)
            estimated.append(how)
        else:
            cost[:, column] = price
    if np.isnan(cost).all():
        return None, ("no costs: the table has no dollars, and no price was given",) if not prices else ()
    told = [f"costs are estimated: {how}" for how in dict.fromkeys(filter(None, estimated))]
    unknown = [model for model, column in zip(cells.models, cost.T, strict=True) if np.isnan(column).all()]
    if unknown:
        told.append(f"no costs are known of {', '.join(unknown)}")
    return cost, tuple(told)


def _of_tokens(
    path: Path, cells: Cells, column: int, price: Price, answer_tokens: int | None
) -> tuple[NDArray[np.float64], str]:
    """The dollars of one model's answers, and how they were estimated, if they were."""
    sent, how_sent = _measured(cells, "in_tok", column), ""
    if sent is None:
        sizes = [len(prompt.encode()) for prompt in cells.prompts]
        sent, how_sent = np.ceil(np.array(sizes) / BYTES_PER_TOKEN), f"prompts by {BYTES_PER_TOKEN} bytes per token"
    answered, how_answered = _measured(cells, "out_tok", column), ""
    if answered is None and (chars := _measured(cells, "chars", column)) is not None:
        answered, how_answered = chars / CHARS_PER_TOKEN, f"answers by {CHARS_PER_TOKEN:g} characters per token"
    if answered is None and answer_tokens is not None:
        answered, how_answered = np.full(len(sent), float(answer_tokens)), f"answers as {answer_tokens:,} tokens each"
    if answered is None:
        model = cells.models[column]
        raise TableError(
            f"{path}: {model!r} has a price per token, but no column {model}|out_tok or {model}|chars says how long "
            "its answers were; say how many tokens to assume, or give a price per call"
        )
    rates = [price.at(int(tokens)) if tokens == tokens else price for tokens in sent]
    micros = sent * [rate.input for rate in rates] + answered * [rate.output for rate in rates]
    return micros / MICROS / MICROS, " and ".join(filter(None, (how_sent, how_answered)))


def _measured(cells: Cells, extra: str, column: int) -> NDArray[np.float64] | None:
    """This extra of a model, or None if the table says nothing of it."""
    array = cells.extras.get(extra)
    return None if array is None or np.isnan(array[:, column]).all() else array[:, column]
