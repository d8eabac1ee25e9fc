"""The whole way of the guides on simulated models: run, keep, scrub, judge, train, calibrate, evaluate, switch on.

Two kinds of prompts: the small model spells well and proves badly, and is unsure when it proves.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import junctor
from junctor.cli import main
from junctor.labelling import Sample
from junctor.testing.server import Answer, Request, Server

WORDS = [f"{first}{second}" for first in ("can", "lan", "win", "sil", "mar", "gar") for second in
         ("dle", "tern", "dow", "ver", "ble", "den", "try", "ket", "ton", "mon", "lin")]  # fmt: skip
EASY = [f"Spell the word {word} for jane@example.org." for word in WORDS]
HARD = [f"Prove the theorem of {word} by induction." for word in WORDS]

FLEET = """\
version: 1
state: process
providers: {{near: {{adapter: openai, base_url: "{url}/v1"}}}}
deployments:
  small: {{model: near/small, price: {{input: 1, output: 2}}, capabilities: [streaming, logprobs]}}
  big: {{model: near/big, price: {{input: 10, output: 20}}, capabilities: [streaming, logprobs]}}
  judge: {{model: near/judge, price: {{input: 1, output: 2}}, capabilities: [streaming]}}
groups:
  answers: {{members: [small, big], objective: {{gap: 0.5}}}}
"""
LEARNED = """\
scorer: {file: scorer.jqs}
cascades:
  careful: {steps: [small, big], signal: min_logprob, calibration: careful.json}
"""


def models(request: Request, answer: Answer) -> None:
    """All three models."""
    body = json.loads(request.body)
    text, model = body["messages"][-1]["content"], body["model"]
    bad = model == "small" and "Prove" in text
    said = "wrong" if bad else "right"
    if model == "judge":
        one, other = ("wrong" in text.partition(f"<answer_{place}>")[2].partition("</answer")[0] for place in "ab")
        said = f"VERDICT: {'TIE' if one == other else 'B' if one else 'A'}"
    told = {"content": [{"token": said, "logprob": -2.0 - len(text) % 7 / 10 if bad else -0.1 - len(text) % 5 / 100}]}
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop", "logprobs": told}
    usage = {"prompt_tokens": 10, "completion_tokens": 1}
    kind = [("content-type", "application/json")]
    answer.send(200, kind, msgspec.json.encode({"model": model, "choices": [choice], "usage": usage}))


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The models' address, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    with Server(models).in_thread() as server:
        yield server.url


def said(prompt: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": prompt}]


async def keep() -> None:
    """Every prompt to both models, kept and scrubbed."""
    sample = Sample("kept.jsonl", share=1, scrub=lambda text: text.replace("jane@example.org", "<EMAIL_ADDRESS>"))
    async with junctor.Client.open("fleet.yaml", seed=1) as llm:
        for prompt in EASY + HARD:
            for model in ("small", "big"):
                reply = await llm.chat(model, said(prompt), logprobs=True)
                sample.keep(prompt, reply, model=model, task="spell" if "Spell" in prompt else "prove")


def run(*argv: str) -> None:
    assert main(list(argv)) == 0, argv


def test_from_static_rules_to_learned_routing(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    fleet = Path("fleet.yaml")
    fleet.write_text(FLEET.format(url=url), encoding="utf-8")
    asyncio.run(keep())
    assert b"jane" not in Path("kept.jsonl").read_bytes()

    run("label", "judge", "kept.jsonl", "--fleet", "fleet.yaml", "--ask", "judge", "-o", "table.csv", "--drafts",
        "drafts.csv", "--draft-model", "small", "--parallel", "8")  # fmt: skip
    run("train", "table.csv", "--out", "scorer.jqs")
    run(
        "calibrate", "drafts.csv", "--small", "quality", "--strong", "big", "--escalate", "50%", "--out", "careful.json"
    )
    capsys.readouterr()
    run("evaluate", "table.csv", "--weak", "small", "--strong", "big", "--drafts", "drafts.csv", "--draft-quality",
        "quality", "--draws", "20")  # fmt: skip
    assert "table.csv: 132 prompts, 2 tasks, 2 models" in capsys.readouterr().out

    fleet.write_text(FLEET.format(url=url) + LEARNED, encoding="utf-8")
    run("check", "fleet.yaml")
    asyncio.run(learned())


async def learned() -> None:
    """What was learned decides about prompts that were not there: the scorer before, the cascade after an answer."""
    async with junctor.Client.open("fleet.yaml", seed=1) as llm:
        for prompt, by in (
            ("Spell the word basin for bob@example.org.", "small"),
            ("Prove the theorem of basin by induction.", "big"),
        ):
            scored = await llm.chat("answers", said(prompt))
            assert scored.receipt is not None
            assert (scored.model, scored.text) == (by, "right")
            climbed = await llm.chat("careful", said(prompt))
            assert climbed.receipt is not None
            assert climbed.receipt.cascade is not None
            verdict = climbed.receipt.cascade.steps[0].verdict
            assert (climbed.model, verdict) == (by, "accepted" if by == "small" else "escalated")
