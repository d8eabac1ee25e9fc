"""Reading YAML and TOML: no surprises, no lost duplicates, bounded work, and lines that are right."""

from __future__ import annotations

import math
import pathlib

import pytest

from junctor import config
from junctor.config.documents import parse_toml, parse_yaml
from junctor.config.errors import Problems
from junctor.exceptions import ConfigError


def read(text: str) -> tuple[object, list[str]]:
    problems = Problems("f.yaml")
    return parse_yaml(text, problems), [str(problem) for problem in problems.found]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("off", "off"),
        ("Yes", "Yes"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("12:30", "12:30"),
        ("1:20:30", "1:20:30"),
        ("010", "010"),
        ("0x1F", "0x1F"),
        ("2_000_000", 2_000_000),
        ("-3", -3),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1_0.5", 10.5),
        ("2026-01-01", "2026-01-01"),
        ("'5'", "5"),
        ('"true"', "true"),
        ("=", "="),
        ("9" * 200, "9" * 200),
    ],
)
def test_scalars_mean_what_they_look_like(text: str, value: object) -> None:
    assert read(f"a: {text}\n") == ({"a": value}, [])


def test_nan_and_infinity_are_numbers_that_the_ranges_refuse() -> None:
    value, _ = read("a: [.nan, .inf, -.inf]")
    assert isinstance(value, dict)
    assert math.isnan(value["a"][0])
    assert value["a"][1:] == [math.inf, -math.inf]


def test_a_key_given_twice_is_an_error_with_both_lines() -> None:
    _, problems = read("a:\n  rpm: 1\n  b: 2\n  rpm: 3\n")
    assert problems == ["f.yaml:4: a.rpm: is given twice, first in line 2; remove one of the two"]


def test_the_same_key_through_two_quotings_is_still_twice() -> None:
    assert read("a: 1\n'a': 2\n")[1] == ["f.yaml:2: a: is given twice, first in line 1; remove one of the two"]


def test_anchors_and_merge_keys_work_and_own_keys_win() -> None:
    value, problems = read("base: &b {rpm: 1, tpm: 2}\nx: {<<: *b, rpm: 3}\ny: {<<: [{tpm: 9}, *b]}\n")
    assert not problems
    assert isinstance(value, dict)
    assert (value["x"], value["y"]) == ({"rpm": 3, "tpm": 2}, {"tpm": 9, "rpm": 1})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &a [*a]", "f.yaml: is nested deeper than 40 levels at a[0][0][0][0][0]…; a fleet file is flatter"),
        ("a: !run x", "f.yaml: line 1: the tag '!run' is not allowed; write plain values"),
        ("a: !!int 3", "f.yaml: line 1: the tag 'tag:yaml.org,2002:int' is not allowed; write plain values"),
        ("? [a]\n: b", "f.yaml: line 1: a key is a list or a mapping; keys are texts"),
        ("a: {<<: 3}", "f.yaml: line 1: << merges mappings only"),
        ("a: [", "f.yaml: is not valid YAML: did not find expected node content (line 2, column 1)"),
        ("a: *nobody", "f.yaml: is not valid YAML: found undefined alias (line 1, column 4)"),
        ("", "f.yaml: is empty; a fleet file begins with version: 1"),
        ("~", "f.yaml: is empty; a fleet file begins with version: 1"),
        ("# nothing", "f.yaml: is empty; a fleet file begins with version: 1"),
        ("a:\n\tb: 1", "f.yaml: is not valid YAML: found character that cannot start any token (line 2, column 1); "
         "indent with blanks, not with tabs"),
        ("a: 1\n---\nb: 2", "f.yaml: is not valid YAML: but found another document (line 2, column 1)"),
    ],
)  # fmt: skip
def test_what_is_no_plain_document_is_one_problem(text: str, problem: str) -> None:
    assert read(text) == (None, [problem])


def test_a_small_file_that_means_a_huge_one_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    value, problems = read("\n".join(lines))
    assert value is None
    assert problems == ["f.yaml: means more than 1,000,000 values; a fleet file is smaller"]


def test_deep_nesting_is_an_error_and_no_crash() -> None:
    value, problems = read("a: " + "[" * 5000 + "]" * 5000)
    assert value is None
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a = ", "Invalid value (at "),
        ("a = 1\na = 2", "Cannot overwrite a value (at "),
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("a = " + "9" * 5000, "a number has thousands of digits"),
    ],
)
def test_toml_that_cannot_be_read_is_one_problem(text: str, what: str) -> None:
    problems = Problems("f.toml")
    assert parse_toml(text, problems) is None
    assert [problem.unreadable for problem in problems.found] == [True]
    assert str(problems.found[0]).startswith(f"f.toml: is not valid TOML: {what}")


def test_what_was_found_in_an_endless_document_is_not_told() -> None:
    _, problems = read("a: 1\na: 2\nb: !run x\n")
    assert problems == ["f.yaml: line 3: the tag '!run' is not allowed; write plain values"]


@pytest.mark.parametrize(
    ("name", "raw", "problem"),
    [
        ("fleet.json", b"{}", "fleet.json: the ending '.json' is unknown; name the file *.yaml, *.yml or *.toml"),
        ("fleet.yaml", b"\xff\xfe", "fleet.yaml: is not UTF-8 text (line 1, byte 0); save it as UTF-8"),
        ("fleet.yaml", b"just text", "fleet.yaml: is 'just text', not a mapping of sections; begin with version: 1"),
        ("fleet.yaml", b"- 1\n- 2", "fleet.yaml: is a list, not a mapping of sections; begin with version: 1"),
    ],
)
def test_files_that_are_no_fleet_files(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, name: str, raw: bytes, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    pathlib.Path(name).write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        config.load(name)
    assert caught.value.problems == (problem,)


def test_a_file_that_is_not_there_is_a_config_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match=r"/none.yaml: cannot be read \(No such file or directory\); give the path"):
        config.load(tmp_path / "none.yaml")


def test_a_byte_order_mark_is_harmless(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(b"\xef\xbb\xbfversion: 1\ndeployments: {a: {model: openai/gpt-4.1}}\n")
    assert len(config.load(file).deployments) == 1
