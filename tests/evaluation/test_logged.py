"""Logs that the real router made, exploring: receipts tell the chance of each choice, and estimates find the truth."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from junctor import Client, Router, config
from junctor.evaluation import Table, TableError
from junctor.evaluation.evaluating import Plan, evaluate
from junctor.evaluation.offpolicy import Log, estimate, read_log
from junctor.evaluation.resampling import Bootstrap
from junctor.evaluation.table import Floats
from junctor.labelling import Record, Sample, read_records, write_table
from junctor.testing import ManualClock, ScriptedProvider
from junctor.testing.scripted import ok

MODELS = ("small", "middle", "large")
TRUTH = {"x": (0.8, 0.5, 0.6), "y": (0.1, 0.6, 0.9)}
"""How often each model is right on prompts of either task."""


def router(seed: int, clock: ManualClock | None = None, **group: Any) -> Router:
    """Three models in one group, of which `large` is configured as the best; `small` has two deployments."""
    names = ("small-1", "small-2", "middle", "large")
    deployments = {
        name: {
            "model": f"host/{name.partition('-')[0]}",
            "quality": 0.3 + 0.2 * (name == "large"),
            "price": {"input": 1, "output": 1},
        }
        for name in names
    }
    written = {
        "version": 1,
        "state": "process",
        "providers": {"host": {"adapter": "openai", "base_url": "http://host.scripted/v1"}},
        "deployments": deployments,
        "groups": {"all": {"members": list(names), **group}},
    }
    return Router.from_config(config.from_mapping(written), seed=seed, clock=clock)


def logged(seed: int, count: int = 500, **group: Any) -> tuple[Log, Floats]:
    """What the router chose for so many prompts, and how good each model would have been on average."""
    choosing, rng = router(seed, ManualClock(), **group), np.random.default_rng(seed)
    tasks = ["x" if rng.random() < 0.4 else "y" for _ in range(count)]
    chosen, chance = [], []
    for task in tasks:
        with choosing.reserve(model="all", input_tokens=10, tags={"task": task}) as held:
            held.settle("ok", first_token_s=0.8)
        assert held.receipt.propensity is not None
        chosen.append(MODELS.index(held.model.partition("/")[2]))
        chance.append(held.receipt.propensity)
    truth = np.array([TRUTH[task] for task in tasks])
    seen = np.full(truth.shape, np.nan)
    rows, columns = np.arange(count), np.array(chosen)
    seen[rows, columns] = rng.random(count) < truth[rows, columns]
    names = [f"prompt {row}" for row in rows]
    return Log(
        Table(ids=names, prompts=names, models=MODELS, quality=seen, tasks=tasks), columns, np.array(chance)
    ), truth


def test_estimates_from_the_routers_own_log_hold_the_value_of_other_choices() -> None:
    """By task, always one model, evenly: 95 of 100 intervals should hold it, over 25 logs."""
    targets: dict[str, Callable[[Floats], Floats]] = {
        "by task": lambda truth: np.eye(3)[truth.argmax(axis=1)],
        "small": lambda truth: np.tile([1.0, 0.0, 0.0], (len(truth), 1)),
        "evenly": lambda truth: np.full(truth.shape, 1 / 3),
    }
    held = dict.fromkeys(("ips", "snips", "robust"), 0)
    asked = 0
    for seed in range(25):
        log, truth = logged(seed, objective="best", explore=0.4)
        assert set(np.round(log.propensity, 6)) == {round(0.6 + 0.4 / 3, 6), round(0.4 / 3, 6)}
        draws = Bootstrap(np.arange(len(truth)), draws=200, seed=seed)
        for name, target in targets.items():
            shares = target(truth)
            line = estimate(name, log, shares, np.full(truth.shape, 0.5), draws)
            assert line.doubly_robust is not None
            value = float((truth * shares).sum(axis=1).mean())
            for kind, found in (("ips", line.ips), ("snips", line.snips), ("robust", line.doubly_robust)):
                held[kind] += found.low <= value <= found.high
            asked += 1
            assert line.never_logged == 0
    assert all(count >= 0.88 * asked for count in held.values()), (held, asked)


def test_a_log_that_never_explored_says_so() -> None:
    """Propensities of 1: the other models are unknown, and the report says which part of a choice that is."""
    log, truth = logged(1, objective="best")
    assert set(log.propensity) == {1.0}
    line = estimate("small", log, np.tile([1.0, 0, 0], (len(truth), 1)), None, Bootstrap(np.arange(len(truth)), 20))
    assert line.never_logged == 1.0
    assert "100% of its choices are models that the log never chose: of those nothing is known" in line.doubts


def test_a_canary_is_a_log_too() -> None:
    """Weights alone decide, everyone is looked at: chances are those of the draw, and add up over deployments."""
    log, _ = logged(2, count=2_000, explore=0.0)
    for model, share in enumerate((0.5, 0.25, 0.25)):
        chosen = log.chosen == model
        assert chosen.mean() == pytest.approx(share, abs=0.06)
        # Chances move with the load; whatever they are, such a weight has a mean of 1.
        assert (chosen / log.propensity).mean() == pytest.approx(1.0, abs=0.1)


def test_a_kept_answer_carries_its_propensity_into_the_log(tmp_path: Path) -> None:
    """Client, sample, labels, table, estimate: nothing is written by hand. A whole receipt does as well."""
    kept, lines = tmp_path / "kept.jsonl", []
    sample = Sample(kept, share=1.0, scrub=None)
    choosing = router(5, objective="best", explore=0.5)

    async def traffic() -> None:
        async with Client(choosing, ScriptedProvider({}, otherwise=ok("56"))) as llm:
            for number in range(120):
                prompt = f"question {number}"
                reply = await llm.chat("all", [{"role": "user", "content": prompt}])
                assert reply.receipt is not None
                model = (reply.receipt.deployment or "").partition("-")[0]
                sample.keep(prompt, reply, model=model, task="xy"[number % 2])
                receipt = json.loads(msgspec.json.encode(reply.receipt))
                lines.append(json.dumps({"prompt": prompt, "model": model, "quality": 1, "receipt": receipt}))

    asyncio.run(traffic())
    records = read_records(kept)
    path = tmp_path / "log.csv"
    write_table(path, records, {record.key: float(record.model == "large") for record in records})
    names = [f"other {row}" for row in range(8)]
    table = Table(
        ids=names, prompts=names, models=MODELS, quality=np.tile([0.0, 0.5, 1.0], (8, 1)), tasks=["x", "y"] * 4
    )
    log = read_log(path, table)
    assert set(np.round(log.propensity, 6)) == {round(0.5 + 0.5 / 3, 6), round(0.5 / 3, 6)}
    found = evaluate(table, Plan(log=log, folds=2, draws=50)).logged
    assert found is not None
    assert next(line for line in found.lines if line.name == "large").snips.value == 1.0
    whole = tmp_path / "log.jsonl"
    whole.write_text("\n".join(lines), encoding="utf-8")
    assert read_log(whole, table).propensity.tolist() == log.propensity.tolist()


def test_a_choice_whose_chance_is_not_known_is_refused_with_the_reason(tmp_path: Path) -> None:
    """Two attempts, a group that looks at two of its members only, a receipt that is none."""
    told = router(1)
    with told.reserve(model="all", input_tokens=10) as held:
        held.settle("ok")
    assert held.receipt.propensity is None
    receipt = json.loads(msgspec.json.encode(held.receipt))
    table = Table(ids=["1"], prompts=["x"], models=MODELS, quality=np.array([[0.0, 1.0, 0.5]]))
    path = tmp_path / "log.jsonl"

    def refused(cell: Any) -> str:
        path.write_text(json.dumps({"prompt": "p", "model": "small", "quality": 1, "receipt": cell}), encoding="utf-8")
        with pytest.raises(TableError) as error:
            read_log(path, table)
        return str(error.value)

    assert "column 'propensity' is nothing; allowed is 1e-06 to 1: how likely" in refused(receipt)
    assert "group without `explore`): drop the row" in refused({"attempts": receipt["attempts"] * 2})
    assert "column 'receipt' is none" in refused({"attempts": 3})


def test_a_table_without_chances_has_no_column_for_them(tmp_path: Path) -> None:
    """What was written before is written alike."""
    record = Record(id="1", prompt="p", model="small", answer="a")
    write_table(tmp_path / "t.csv", [record], {record.key: 1.0})
    assert "propensity" not in (tmp_path / "t.csv").read_text(encoding="utf-8")
