"""A cascade from a real small language model, where one is installed (`make demo-local` installs it)."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from junctor.testing import Key, SimulatedProvider
from scripts.demo_local import QUESTIONS, run, served, weights

ENVIRONMENT = Path(os.environ.get("JUNCTOR_LOCAL_MODEL", Path(__file__).parents[2] / ".venv-local"))


def test_a_real_models_log_probabilities_decide() -> None:
    """Every answer has a reading, and a strict threshold escalates what a lax one accepts."""
    file = weights(ENVIRONMENT)
    if file is None:
        pytest.skip(f"no small language model in {ENVIRONMENT.name}; make demo-local installs one")
    with served(ENVIRONMENT, file) as url:
        strict = asyncio.run(run(url, accept=-0.0001))
        lax = asyncio.run(run(url, accept=-1000))
    expected = [(reply, "escalated") for reply in strict] + [(reply, "accepted") for reply in lax]
    for reply, verdict in expected:
        climb = reply.receipt.cascade if reply.receipt else None
        assert climb is not None
        assert climb.steps[0].value is not None, climb.steps[0].why
        assert climb.steps[0].value <= 0
        assert climb.steps[0].verdict == verdict


def test_the_demo_itself_works_where_no_model_is_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A simulated model in the place of the real one."""
    monkeypatch.setenv("LOCAL_BEARER", "Bearer k")
    monkeypatch.setenv("SIM_KEY", "sk-sim")

    async def scenario() -> None:
        async with SimulatedProvider([Key("k")], text="Paris", logprob=-2.0) as small:
            await run(small.base_url("openai"), headers={"authorization": "env:LOCAL_BEARER"})

    asyncio.run(scenario())
    told = capsys.readouterr().out
    assert told.count("small: escalated, min_logprob -2.00 · delivered: (a large model would answer here)") == len(
        QUESTIONS
    )


def test_a_server_that_does_not_come_up_is_told_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    with pytest.raises(RuntimeError, match=r"did not come up: .*llama_cpp"), served(tmp_path, tmp_path / "absent.gguf"):
        raise AssertionError("nobody serves")
    assert weights(tmp_path) is None
