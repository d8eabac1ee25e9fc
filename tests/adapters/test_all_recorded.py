"""No recorded exchange is left out in silence: each is spoken by an adapter, or stands here with its reason."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from junctor import adapters
from tests.adapters import recorded, test_recorded

LEFT_OUT = {
    "count_tokens": "counting tokens is no chat; the door for it estimates",
    "countTokens": "likewise at Google",
}
"""By API. What is embedded is read by `tests/adapters/test_embeddings.py`."""


def test_every_recorded_exchange_is_spoken_or_named_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    if not (recorded.ROOT / "index.json").exists():
        pytest.skip("recorded exchanges are absent (set JUNCTOR_DATA)")
    index = json.loads((recorded.ROOT / "index.json").read_text())
    spoken = {row["id"]: recorded.adapter_of(row) for row in recorded.rows()}
    rest = [row for row in index if row["id"] not in spoken and row["id"] not in recorded.NO_CHAT]
    assert {row["api"] for row in rest} <= {*LEFT_OUT, "embeddings"}
    assert len(spoken) + len(rest) + len(recorded.NO_CHAT) == len(index) == 840
    counts = Counter(spoken.values())
    with capsys.disabled():
        told = ", ".join(f"{name} {counts[name]}" for name in adapters.names())
        print(f" {len(spoken)} of {len(index)} recorded exchanges ({told})", end="")
    assert set(counts) == set(adapters.names())
    assert len(spoken) >= 820


def test_every_spoken_exchange_is_in_a_test() -> None:
    """Whole answers, streams and errors are read by tests of their own; together they are all of them."""
    tested = [*test_recorded.WHOLE, *test_recorded.STREAMS, *test_recorded.ERRORS]
    assert sorted(row["id"] for row in tested) == sorted(row["id"] for row in recorded.rows())
