"""Drafts for calibration: one model's labelled answers with log-probabilities, the others' quality beside them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from junctor.labelling import Record, write_drafts
from junctor.labelling.records import LabelError

KEPT = [
    Record(id="1", prompt="p", model="small", answer="a", token_logprobs=(-0.5, -0.25)),
    Record(id="1", prompt="p", model="big", answer="b"),
    Record(id="2", prompt="q", model="small", answer="c", token_logprobs=(-1.0,)),
]
QUALITY = {record.key: quality for record, quality in zip(KEPT, (0.5, 1.0, 0.0), strict=True)}


def test_drafts_stand_beside_what_others_were_worth(tmp_path: Path) -> None:
    """What was not labelled is left out or empty, never guessed."""
    path = tmp_path / "drafts.csv"
    assert write_drafts(path, KEPT, QUALITY) == ("small", 2)
    assert path.read_text(encoding="utf-8").splitlines() == [
        "id,task,model,quality,token_logprobs,big", "1,,small,0.5,-0.5 -0.25,1", "2,,small,0,-1,",
    ]  # fmt: skip


def test_whose_drafts_is_said_where_it_is_not_clear(tmp_path: Path) -> None:
    both = [*KEPT[:1], msgspec.structs.replace(KEPT[1], token_logprobs=(-0.1,))]
    for records, model, said in (
        (both, None, r"2 models have labelled answers with log-probabilities \(big, small\); name one of them"),
        (KEPT[1:2], None, r"0 models .* \(none\); keep answers that were asked for with logprobs=True"),
        (KEPT, "big", r"no labelled answer of 'big' has log-probabilities; models with them: small"),
    ):
        with pytest.raises(LabelError, match=said):
            write_drafts(tmp_path / "drafts.csv", records, QUALITY, model=model)
