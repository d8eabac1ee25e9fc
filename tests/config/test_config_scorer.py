"""`scorer:` of the fleet file: what is wrong with it is told with path and hint, what is right reaches the core."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from junctor import _core, config
from junctor.client import Client
from junctor.outline import Outline
from junctor.router import Router
from scripts.markdown import ROOT, blocks
from tests.training.scorers import packed

FLEET = """\
version: 1
state: process
providers:
  near: {adapter: openai, base_url: http://127.0.0.1:9/v1}
deployments:
  small: {model: near/small, rpm: 60, price: {input: 1, output: 1}, quality: 0.7}
  large: {model: near/big, rpm: 60, price: {input: 50, output: 50}, quality: 0.8}
groups:
  g: {members: [small, large], objective: {gap: 0.15}}
scorer: {file: s.jqs, models: {near/big: large}}
"""


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """A fleet file with its scorer, which knows that `hard` is too hard for `small`."""
    (tmp_path / "s.jqs").write_bytes(packed("hard"))
    file = tmp_path / "fleet.yaml"
    file.write_text(FLEET)
    return file


def _goes(router: Router, text: str | None) -> str | None:
    return router.explain("g", text=text).deployment


def test_a_fleet_file_routes_by_what_is_predicted(fleet: Path) -> None:
    router = Router.open(fleet)
    assert router.reads_text
    assert (_goes(router, "hard"), _goes(router, "easy"), _goes(router, None)) == ("large", "small", "small")
    told = router.explain("g", text="hard")
    assert {each.deployment: each.quality_from for each in told.candidates} == dict.fromkeys(
        ("small", "large"), "predicted"
    )
    assert told.scorer == json.loads(_core.Scorer(packed("hard")).describe_json())["id"]
    with router.reserve("g", text="hard") as reservation:
        receipt = reservation.receipt
        assert b"hard" not in receipt.to_json()
        assert router.replay(receipt) == receipt.decision


def test_a_reload_adopts_another_scorer_and_another_hash(fleet: Path) -> None:
    router = Router.open(fleet)
    before = router.config_hash
    (fleet.parent / "s.jqs").write_bytes(packed("easy"))
    router.reload_from(fleet)
    assert (_goes(router, "hard"), _goes(router, "easy")) == ("small", "large")
    assert router.config_hash != before


def test_a_fleet_without_a_scorer_reads_no_text(fleet: Path) -> None:
    fleet.write_text(FLEET.partition("scorer:")[0])
    router = Router.open(fleet)
    assert not router.reads_text
    assert _goes(router, "hard") == "small"
    assert b"scorer" not in config.compile(config.load(fleet)).fleet


def test_the_client_hands_over_the_last_question(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where somebody reads it."""
    from junctor.options import take_apart

    messages: list[Any] = [
        {"role": "system", "content": "hard"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "easy"}, {"type": "image_url", "image_url": {"url": "x"}}],
        },
        {"role": "assistant", "content": "hard"},
    ]
    wish = take_apart(messages, {}, deadline_s=1.0, max_wait_s=0.0)
    client = Client(Router.open(fleet))
    assert client._ask("g", wish.request, wish, None, streaming=False, now_s=0.0)["text"] == "easy"
    asked = client._ask("g", wish.request, wish, None, streaming=False, now_s=0.0)
    assert "outline" not in asked, "this scorer looks at nothing else"
    (fleet.parent / "s.jqs").write_bytes(packed("hard", fields=("images", "system_chars")))
    client.router.reload_from(fleet)
    asked = client._ask("g", wish.request, wish, None, streaming=False, now_s=0.0)
    assert asked["outline"] == Outline(images=1, turns=1, system_chars=4)
    taken = {"text": asked["text"], "outline": asked["outline"]}
    assert client.router.explain("g", **taken).deployment == "small", "the core takes it"
    with client.router.reserve("g", **taken) as reservation:
        assert reservation.deployment == "small"
    monkeypatch.setattr(client.router, "reads_text", False)
    assert "text" not in client._ask("g", wish.request, wish, None, streaming=False, now_s=0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("s.jqs", "none.jqs"), "scorer.file: 'none.jqs' cannot be read (No such file or directory)"),
        (("s.jqs", "fleet.yaml"), "scorer.file: 'fleet.yaml': this is no scorer artifact"),
        (("near/big: large", "near/big: larg"), "the artifact has no model 'larg'; did you mean 'large'"),
        (("near/big: large", "near/bug: large"), "no deployment has this model; did you mean 'near/big'"),
        (("models: {near/big: large}", "like: {near/big: nobody}"), "scorer.like.near/big: the artifact has no"),
        (("gap: 0.15", "gap: 1.5"), "groups.g.objective"),
        (("file: s.jqs, ", ""), "scorer"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(fleet: Path, change: tuple[str, str], message: str) -> None:
    fleet.write_text(FLEET.replace(*change))
    found = [str(problem) for problem in config.check(fleet) if problem.severity == "error"]
    assert len(found) == 1
    assert message in found[0]


def test_a_damaged_file_is_told_by_its_damage(fleet: Path) -> None:
    file = bytearray(packed("hard"))
    file[200] ^= 1
    (fleet.parent / "s.jqs").write_bytes(file)
    (found,) = [str(problem) for problem in config.check(fleet) if problem.severity == "error"]
    assert "checksum" in found


def test_doubts_are_told(fleet: Path) -> None:
    """A model that nobody speaks for, and a scorer that nobody asks."""

    def warned(text: str) -> list[str]:
        fleet.write_text(text)
        return [str(problem) for problem in config.check(fleet) if "scorer" in str(problem)]

    assert warned(FLEET) == []
    (unknown,) = warned(FLEET.replace(", models: {near/big: large}", ""))
    assert "the scorer does not know 'near/big': its configured `quality` counts" in unknown
    (unasked,) = warned(FLEET.replace("{gap: 0.15}", "cheapest"))
    assert "no group asks for quality" in unasked
    assert warned(FLEET.replace("models: {near/big: large}", "like: {near/big: large}")) == []


def test_objectives_reach_the_core_as_they_are_written(fleet: Path, core_accepts: Callable[[bytes], None]) -> None:
    fleet.write_text(FLEET.replace("{gap: 0.15}", "{floor: 0.5, gap: 0.1, tolerance: 0.2, latency: 1}"))
    body = config.compile(config.load(fleet)).fleet
    core_accepts(body)
    made = json.loads(body)
    assert made["groups"][0]["objective"] == {
        "quality": 0.0, "cost": 0.0, "latency": 1.0, "floor": 0.5, "gap": 0.1, "tolerance": 0.2
    }  # fmt: skip
    assert base64.b64decode(made["scorer"]["artifact"]) == packed("hard")


def test_the_guides_fleet_loads_with_such_a_scorer(fleet: Path) -> None:
    (block,) = [b.text for b in blocks(ROOT / "docs/guides/learned.md") if b.language == "yaml"]
    fleet.with_name("scorer.jqs").write_bytes(packed("hard"))
    fleet.write_text(f"version: 1\n{block}")
    assert [str(problem) for problem in config.check(fleet) if problem.severity == "error"] == []
