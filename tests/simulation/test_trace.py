"""Traces as people have them: by many names, in CSV and JSON lines, and what is said when one is none."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from junctor.demo import recorded
from junctor.simulation import trace
from junctor.simulation.trace import COLUMNS, Kind, TraceError
from scripts.markdown import ROOT


def _write(folder: Path, text: str, name: str = "trace.csv") -> str:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return str(path)


def _rows(found: trace.Trace) -> trace.Rows:
    assert found.rows is not None
    return found.rows


@pytest.mark.parametrize("name", ["trace.csv", "trace.csv.gz"])
def test_a_csv_is_read_plain_and_packed(tmp_path: Path, name: str) -> None:
    """Sessions and kinds are numbered in the order in which they come."""
    text = (
        "arrival_s,input_tokens,output_tokens,session,task\n5,10,2,bob,chat\n6.5,20,0,,\n7,30,1,ann,chat\n8,1,1,bob,\n"
    )
    found = trace.read(_write(tmp_path, text, name))
    rows = _rows(found)
    assert rows.arrival_s == [0.0, 1.5, 2.0, 3.0]
    assert (rows.input_tokens, rows.output_tokens) == ([10, 20, 30, 1], [2, 0, 1, 1])
    assert (rows.session, rows.kind, rows.blocks) == ([1, 0, 2, 1], [0, 1, 0, 1], [])
    assert found.kinds == [Kind(None, None, (("task", "chat"),)), Kind(None, None, ())]


@pytest.mark.parametrize("meaning", COLUMNS)
def test_every_name_of_a_column_is_known_in_any_case_and_with_any_gap(tmp_path: Path, meaning: str) -> None:
    for name in COLUMNS[meaning]:
        usual = {"arrival": "t_s", "input tokens": "in_tok", "output tokens": "out_tok"} | {meaning: name}
        header = ",".join(column.upper().replace("_", " ") for column in usual.values())
        found = trace.read(_write(tmp_path, f"{header}\n" + ",".join(["1"] * len(usual)) + "\n"))
        assert _rows(found).input_tokens == [1], name
        assert meaning != "model" or found.kinds[0].model == "1"
        assert meaning != "max_tokens" or found.kinds[0].max_tokens == 1


def test_times_are_seconds_or_milliseconds_by_name_or_iso(tmp_path: Path) -> None:
    for header, cells in [
        ("t_s", ("1", "3.5")),
        ("t_ms", ("1000", "3500")),
        ("TIMESTAMP", ("2023-11-16 18:15:46.6805900", "2023-11-16 18:15:49.1805900")),
        ("time", ("2026-01-01T00:00:00Z", "2026-01-01T01:00:02.5+01:00")),
    ]:
        text = f"{header},in_tok,out_tok\n{cells[0]},1,1\n{cells[1]},1,1\n"
        assert _rows(trace.read(_write(tmp_path, text))).arrival_s == pytest.approx([0.0, 2.5]), header


def test_json_lines_with_tags_and_blocks(tmp_path: Path) -> None:
    """Mooncake's own files: `timestamp` is milliseconds there, and blocks are a list."""
    text = (
        '{"timestamp": 1000, "input_length": 600, "output_length": 5, "hash_ids": [3, 4], "tag_team": "red"}\n\n'
        '{"timestamp": 3000, "input_length": 600, "output_length": 5, "hash_ids": [], "tag_team": ""}\n'
    )
    found = trace.read(_write(tmp_path, text, "trace.jsonl"))
    assert (_rows(found).arrival_s, _rows(found).blocks) == ([0.0, 2.0], [[3, 4], []])
    assert [kind.tags for kind in found.kinds] == [(("team", "red"),), ()]


def test_traffic_can_be_drawn() -> None:
    found = trace.read("bursts:300/min,2h,input=2000,sessions=7")
    assert found.drawn is not None
    assert found.rows is None
    assert (found.drawn["pattern"], found.drawn["per_s"], found.drawn["seconds"]) == ("bursts", 5.0, 7_200.0)
    assert (found.drawn["input_tokens"], found.drawn["sessions"], found.drawn["output_tokens"]) == (2_000.0, 7, 250.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("poisson:fast,600s", "the rate is 'fast'; allowed is above 0 to 100,000/s, such as 50/s or 300/min"),
        ("poisson:5/s", "the length is ''; allowed is above 0 s to a year, such as 600s, 10min or 2h"),
        ("poisson:0/s,1s", "the rate is '0/s'"),
        ("constant:1000/s,10h", "makes 36,000,000 calls; allowed is up to 2,000,000: shorten it"),
        ("poisson:5/s,9s,inptu=3", "'inptu=3' is not known; allowed are input, input_spread, output"),
        ("poisson:5/s,9s,input=0", "input is '0'; allowed is a number from 1 to 1e+07"),
        ("poisson:5/s,9s,input=nan", "input is 'nan'; allowed is a number"),
        ("absent.csv", "absent.csv cannot be read (No such file or directory); give a CSV or JSONL file, or poisson:"),
    ],
)
def test_what_is_no_traffic_is_told_with_what_would_be(text: str, said: str) -> None:
    with pytest.raises(TraceError) as told:
        trace.read(text)
    assert said in str(told.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no calls; give a header and a row per call"),
        ("t_s,in_tok,out_tok\n", "holds no calls"),
        ("t_s,in_tok,length\n1,1,1\n", "has no column for output tokens; call it one of output_tokens, out_tok"),
        ("t_s,in_tok,out_tok\n1,-5,1\n", ":2: in_tok is '-5'; allowed are whole numbers from 0 to 10,000,000"),
        ("t_s,in_tok,out_tok\n1,5,1.5\n", ":2: out_tok is '1.5'; allowed are whole numbers"),
        ("t_s,in_tok,out_tok\n1,5\n", ":2: out_tok is None; allowed are whole numbers"),
        ("t_s,in_tok,out_tok\nsoon,5,1\n", ":2: t_s is 'soon'; allowed are seconds, milliseconds under a name in _ms"),
        ("t_s,in_tok,out_tok\nnan,5,1\n", ":2: t_s is 'nan'"),
        ("t_s,in_tok,out_tok\n0,5,1\n1e12,5,1\n", "spans 1,000,000,000,000 s; allowed is up to a year"),
        ("t_s,in_tok,out_tok,block_ids\n1,5,1,x y\n", ":2: block_ids is 'x y'; allowed are ids of blocks"),
        ('{"t_s": 1, "in_tok": 1, "out_tok": 1}\n{"t_s"\n', ":2: "),
    ],
)
def test_what_is_no_trace_names_the_line_the_value_and_what_is_allowed(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TraceError) as told:
        trace.read(_write(tmp_path, text))
    assert said in str(told.value)


def test_neither_text_nor_gzip_is_told(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"\x1f\x8b\xff\x00")
    with pytest.raises(TraceError, match="neither text nor gzip"):
        trace.read(str(tmp_path / "noise"))
    (tmp_path / "noise").write_bytes(b"\xff\xfe\x00t")
    with pytest.raises(TraceError, match="neither text nor gzip"):
        trace.read(str(tmp_path / "noise"))


@pytest.mark.parametrize(
    ("file", "calls", "blocks"),
    [
        ("azure_llm_2023/conv.csv.gz", 13_556, False),
        ("azure_llm_2023/code.csv.gz", 6_173, False),
        ("mooncake/conversation.csv.gz", 8_421, True),
    ],
)
def test_the_published_traces_are_read_as_they_are(file: str, calls: int, blocks: bool) -> None:
    data = recorded.folder(None)
    if data is None or not (data / file).is_file():
        pytest.skip(f"{file} is neither in $JUNCTOR_DATA nor in ../shared/data")
    rows = _rows(trace.read(str(data / file)))
    assert len(rows.arrival_s) == calls
    assert 1_000 < max(rows.arrival_s) < 3_700
    assert bool(rows.blocks) == blocks


def test_the_guide_names_every_column() -> None:
    page = (ROOT / "docs" / "guides" / "cli.md").read_text(encoding="utf-8")
    named = {name for names in COLUMNS.values() for name in names} | set(trace.KNOWN_TAGS)
    assert {name for name in named if f"`{name}`" not in page} == set()
