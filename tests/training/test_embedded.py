"""Kinds that read embeddings: what is trained is what is served, choices follow them, and what is none is refused."""

from __future__ import annotations

import array
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from junctor import _core
from junctor.client import Client
from junctor.evaluation import Table, TableError, read_table
from junctor.exceptions import InvalidRequest
from junctor.router import Router
from junctor.testing import ManualTime, ScriptedProvider
from junctor.testing.scripted import ok
from junctor.training import Recipe, Trained, TrainingError, judge, train, train_embedded
from junctor.training import factors as factors_module
from junctor.training import nearest as nearest_module
from junctor.training.calibrate import calibrated
from junctor.training.design import Features
from junctor.training.embedded import Kind
from junctor.training.learner import Factors, Nearest
from tests.training.tables import learnable
from tests.training.vectors import projected

SMALL = Recipe(features=Features(bits=10), day=20_000)
KINDS: tuple[Kind, ...] = ("knn", "mf")


@pytest.fixture(scope="module")
def table() -> Table:
    """Six hundred prompts, two models, and a vector for each prompt."""
    made = learnable()
    return replace(made, embeddings=projected(made.prompts))


@pytest.fixture(scope="module")
def trained(table: Table) -> dict[str, Trained]:
    """A scorer of each kind."""
    return {kind: train_embedded(table, kind, "words-1", SMALL) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_scorer_tells_hard_from_easy_by_embeddings_it_has_not_seen(
    table: Table, trained: dict[str, Trained], kind: str
) -> None:
    scorer = _core.Scorer(trained[kind].artifact)
    assert (scorer.kind, scorer.embeddings, scorer.models) == (kind, ("words-1", 48), ["small", "large"])
    texts = ["please tell me the weather", "please tell me the integral"]
    easy, hard = projected(texts)
    # The words say nothing here: what is told is told by the vector.
    assert scorer.scores("?", embedding=easy)[0] > scorer.scores("?", embedding=hard)[0] + 0.2
    figures = judge(table, trained[kind], draws=200)
    assert figures.pair["scorer"].value > figures.pair["length"].high
    error, alone = figures.brier["small"]
    assert error < alone
    # Among prompts that are about as near, rounding may ask another one than floats would.
    assert trained[kind].rounding < (0.2 if kind == "knn" else 0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_served_is_what_numpy_reckons(table: Table, trained: dict[str, Trained], kind: str) -> None:
    """The twin: cosines, weights and sums of floats that nobody rounded."""
    about = json.loads(_core.Scorer(trained[kind].artifact).describe_json())
    how = about["embedded"]["how"]
    assert table.embeddings is not None
    unit = table.embeddings / np.linalg.norm(table.embeddings, axis=1, keepdims=True)
    asked = unit[::7]
    if kind == "knn":
        setting = nearest_module.Setting(how["nearest"], how["sharpness"], how["smoothing"])
        near = nearest_module.nearest(unit, asked, setting.nearest)
        raw = nearest_module.told(near, table.quality, table.quality.mean(axis=0), setting)
        assert how["count"] == len(table)
    else:
        fit = factors_module.Regression(unit, table.quality)
        strengths = [
            factors_module.predict(fit, asked, factors_module.Setting(strength, how["rank"]))
            for strength in factors_module.STRENGTHS
            if f"ridge {strength:g}," in trained[kind].notes[0]
        ]
        (raw,) = strengths
    points = [knots for _, knots in about["embedded"]["models"]]
    exact = np.column_stack([calibrated(raw[:, model], points[model]) for model in range(2)])
    scorer = _core.Scorer(trained[kind].artifact)
    told = np.array([scorer.scores("?", embedding=vector) for vector in asked])
    assert np.abs(told - exact).max() < (0.2 if kind == "knn" else 0.02)
    assert np.abs(told - exact).mean() < 0.005


def test_the_same_table_gives_the_same_bytes_and_holds_the_linear_scorer(
    table: Table, trained: dict[str, Trained]
) -> None:
    words = train(table, SMALL).artifact
    for kind in KINDS:
        again = train_embedded(table, kind, "words-1", SMALL).artifact
        assert again == trained[kind].artifact
        assert again.endswith(words), "who brings no embedding is read by words"
        assert _core.Scorer(again).scores("the integral") == _core.Scorer(words).scores("the integral")


def test_no_more_vectors_are_kept_than_were_asked_for(table: Table) -> None:
    few = train_embedded(table, "knn", "words-1", SMALL, most=100)
    about = json.loads(_core.Scorer(few.artifact).describe_json())
    assert about["embedded"]["how"]["count"] == 100
    assert any("100 of 600 prompts are kept" in note for note in few.notes)


def test_a_length_of_an_embedding_means_nothing_and_any_buffer_is_read(trained: dict[str, Trained]) -> None:
    (vector,) = projected(["the theorem and the proof"])
    for kind in KINDS:
        scorer = _core.Scorer(trained[kind].artifact)
        expected = scorer.scores("?", embedding=vector)
        ways: list[Any] = [
            vector * 8.0, vector.astype(np.float64), vector.tolist(), tuple(vector.tolist()),
            array.array("f", vector.tolist()), array.array("d", vector.tolist()), memoryview(vector),
        ]  # fmt: skip
        for way in ways:
            assert scorer.scores("?", embedding=way) == pytest.approx(expected, abs=1e-6), type(way)
        assert scorer.scores("?", embedding=np.repeat(vector, 2)[::2]) == expected, "with gaps"


@pytest.mark.parametrize(
    ("embedding", "message"),
    [
        ([1.0, 2.0], "the embedding has 2 numbers; the scorer was trained on 48: make it with words-1"),
        ([float("nan")] * 48, "number 0 of the embedding is NaN; allowed are finite numbers"),
        ([1.0] * 47 + [1e300], "number 47 of the embedding is inf"),
        ([0.0] * 48, "the embedding is all zeros"),
        ([], "the embedding is all zeros"),
        ([[1.0] * 48], "embedding is a list whose item 0 is no number; allowed is one vector of numbers"),
        (np.ones((1, 48), np.float32), "item 0 is no number"),
        (["1"] * 48, "item 0 is no number"),
        (b"1" * 48, "embedding is a bytes; allowed is one vector"),
        ("vector", "embedding is a str"),
        (7, "embedding is a int"),
        (np.ones(5_000, np.float32), "a vector of 5000 numbers, and 4096 are the most"),
    ],
)
def test_what_is_no_embedding_is_refused_by_name(trained: dict[str, Trained], embedding: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match="embedding") as caught:
        _core.Scorer(trained["knn"].artifact).scores("?", embedding=embedding)
    assert message in str(caught.value)


FLEET = """\
version: 1
state: process
providers:
  near: {adapter: openai, base_url: http://127.0.0.1:9/v1}
deployments:
  small: {model: near/small, rpm: 60, price: {input: 1, output: 1}, quality: 0.5}
  large: {model: near/large, rpm: 60, price: {input: 50, output: 50}, quality: 0.9}
groups:
  g: {members: [small, large], objective: {gap: 0.25}}
scorer: {file: s.jqs}
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_fleet_routes_by_embeddings_and_says_who_spoke(
    trained: dict[str, Trained], kind: str, tmp_path: Path
) -> None:
    (tmp_path / "s.jqs").write_bytes(trained[kind].artifact)
    (tmp_path / "fleet.yaml").write_text(FLEET)
    router = Router.open(tmp_path / "fleet.yaml")
    texts = ["please tell me the weather", "please tell me the integral"]
    easy, hard = projected(texts)
    told = [router.explain("g", text="?", embedding=vector) for vector in (easy, hard)]
    assert [each.deployment for each in told] == ["small", "large"]
    assert {seen.quality_from for each in told for seen in each.candidates} == {"predicted"}
    without = router.explain("g", text=texts[1])
    assert (without.deployment, {seen.quality_from for seen in without.candidates}) == ("large", {"words"})
    with router.reserve("g", embedding=hard) as reservation:
        assert reservation.deployment == "large"
        receipt = reservation.receipt
    assert router.replay(receipt) == receipt.decision, "a replay needs no embedding"
    with pytest.raises(InvalidRequest, match="trained on 48"):
        router.reserve("g", embedding=[1.0])
    with pytest.raises(InvalidRequest, match="all zeros"):
        router.explain("g", embedding=[0.0] * 48)


def test_a_call_brings_its_embedding_along_and_sends_it_to_nobody(
    trained: dict[str, Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s.jqs").write_bytes(trained["mf"].artifact)
    keys = FLEET
    for name in ("small", "large"):
        monkeypatch.setenv(f"KEY_OF_{name}", f"sk-{name}")
        keys = keys.replace(f"{name}: {{", f"{name}: {{key: env:KEY_OF_{name}, ")
    (tmp_path / "fleet.yaml").write_text(keys)
    scripted = ScriptedProvider({}, otherwise=ok("Yes."))
    easy, hard = projected(["please tell me the weather", "please tell me the integral"])
    messages = [{"role": "user", "content": "?"}]

    async def calls() -> list[str | None]:
        async with Client(Router.open(tmp_path / "fleet.yaml"), scripted) as llm:
            replies = [await llm.chat("g", messages, embedding=vector) for vector in (easy, hard.tolist())]
            with pytest.raises(InvalidRequest, match="trained on 48"):
                await llm.chat("g", messages, embedding=[1.0])
            async for _ in llm.stream("g", messages, embedding=hard):
                pass
        return [reply.receipt.deployment for reply in replies if reply.receipt is not None]

    assert ManualTime().run(calls()) == ["small", "large"]
    assert len(scripted.sent) == 3, "what is no embedding was not sent"
    assert not any("embedding" in sent.json() for sent in scripted.sent)


def test_a_fleet_without_a_scorer_of_embeddings_takes_them_and_reads_words(table: Table, tmp_path: Path) -> None:
    (tmp_path / "s.jqs").write_bytes(train(table, SMALL).artifact)
    (tmp_path / "fleet.yaml").write_text(FLEET)
    told = Router.open(tmp_path / "fleet.yaml").explain("g", text="the integral", embedding=[1.0, 2.0])
    assert {seen.quality_from for seen in told.candidates} == {"predicted"}


def test_missing_cells_are_left_out_of_both_kinds() -> None:
    made = learnable(500, missing=0.3)
    table = replace(made, embeddings=projected(made.prompts))
    easy, hard = projected(["a poem poem poem", "the integral integral integral"])
    for kind in KINDS:
        scorer = _core.Scorer(train_embedded(table, kind, "words-1", SMALL).artifact)
        assert scorer.scores("?", embedding=easy)[0] > scorer.scores("?", embedding=hard)[0] + 0.1, kind


def test_what_cannot_be_trained_on_is_refused(table: Table) -> None:
    with pytest.raises(TrainingError, match="table has no column 'embedding'; a scorer of kind knn needs a vector"):
        train_embedded(replace(table, embeddings=None), "knn", "words-1", SMALL)
    with pytest.raises(TrainingError, match="name of the embedding model is ''"):
        train_embedded(table, "mf", "", SMALL)
    with pytest.raises(TrainingError, match="number of vectors is 0"):
        train_embedded(table, "knn", "words-1", SMALL, most=0)
    words = train(table, SMALL).artifact
    knots = [(0.0, 0.0), (1.0, 1.0)]
    facts = {
        "by": "m", "dimension": 2, "band": 0.0, "models": [(0.5, knots)] * 2,
        "how": {"kind": "knn", "nearest": 1, "sharpness": 1, "smoothing": 1.0},
    }  # fmt: skip
    good, bad = np.ones((1, 2), np.float32), np.zeros((1, 2), np.float32)
    _core.pack_embedded(words, msgspec.json.encode(facts), good.tobytes(), good.tobytes())
    with pytest.raises(ValueError, match="vector 0 is all zeros"):
        _core.pack_embedded(words, msgspec.json.encode(facts), bad.tobytes(), good.tobytes())
    facts["how"] = {"kind": "knn", "nearest": 0, "sharpness": 1, "smoothing": 1.0}
    with pytest.raises(ValueError, match="number of neighbours is 0"):
        _core.pack_embedded(words, msgspec.json.encode(facts), good.tobytes(), good.tobytes())


def test_learners_of_evaluation_read_embeddings_and_nothing_else(table: Table) -> None:
    seen, held = table.split(0.3, seed=1)
    blind = replace(held, quality=np.full(held.quality.shape, np.nan))
    hard = np.array([task == "hard" for task in held.tasks or ()])
    for learner in (Nearest(), Factors()):
        told = learner.fit(seen)(blind)
        assert told.shape == held.quality.shape
        assert told[~hard, 0].mean() > told[hard, 0].mean() + 0.1, learner.name


def _lines(tmp_path: Path, vectors: list[Any]) -> Path:
    file = tmp_path / "t.jsonl"
    rows = [{"prompt": f"p{n}", "a": n % 2, "b": 1, "embedding": vector} for n, vector in enumerate(vectors)]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return file


def test_embeddings_are_read_from_json_lines_and_csv(tmp_path: Path) -> None:
    table = read_table(_lines(tmp_path, [[1, 2.5], [0.0, -1]]))
    assert table.embeddings is not None
    assert (table.models, table.embeddings.tolist()) == (("a", "b"), [[1.0, 2.5], [0.0, -1.0]])
    assert table.select([1]).embeddings is not None
    (tmp_path / "t.csv").write_text('prompt,embedding,a,b\nx,"[1, 2]",0,1\ny,"[3, 4]",1,1\n')
    found = read_table(tmp_path / "t.csv").embeddings
    assert found is not None
    assert found.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    long = [{"prompt": p, "model": m, "quality": q, "vector": [q, 1]} for p in "xy" for m, q in (("a", 0), ("b", 1))]
    (tmp_path / "l.jsonl").write_text("\n".join(json.dumps(row) for row in long))
    found = read_table(tmp_path / "l.jsonl").embeddings
    assert found is not None
    assert found.shape == (2, 2)


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (None, "is empty; allowed is a list of numbers: embed this prompt too"),
        ([1.0], r"is a list of 1 numbers; allowed is 2 numbers: as in row 1 \(line 1\)"),
        ([1.0, "2"], "is a list; allowed is a list of numbers"),
        ([1.0, True], "is a list; allowed is a list of numbers"),
        ([], "is a list of 0 numbers; allowed is 1 to 4,096"),
        ([0, 0], "is all zeros; allowed is finite numbers that point somewhere"),
        ([1e300, 0], "is a list with a number beyond float32"),
        ([10**400, 0], "is a list with a number beyond float32"),
        ("[1, ", "allowed is a JSON list of numbers"),
        ({"x": 1}, "is a mapping; allowed is a list of numbers"),
    ],
)
def test_a_cell_that_is_no_embedding_is_told_with_its_row(tmp_path: Path, vector: Any, message: str) -> None:
    with pytest.raises(
        TableError, match=r"row 2 \(line 2\), column 'embedding' " + ("" if vector != "[1, " else ".*") + message
    ):
        read_table(_lines(tmp_path, [[1, 2], vector]))
