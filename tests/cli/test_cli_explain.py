"""`junctor explain`: the walk as text and as JSON, and what a request may look like."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

ASKED = """\
request     auto · 900 input tokens · at most 200 output tokens · needs tools · tenant=acme
gate        4 of 4 deployments may take it
rules       otherwise → group strong
candidates  two are drawn, less load is preferred
  deployment                load  in flight  weight  latency  success       cost
  big-eu      chosen       0.894          0    1.33   800 ms     100%  $0.009500
  big-us      passed over  0.894          0   0.667   800 ms     100%  $0.009500
  small-us    fallback     0.894          0       1   800 ms     100%  $0.001900
  small-eu    fallback     0.894          0       1   800 ms     100%  $0.001900
choice      big-eu of group strong
            at most 200 output tokens · about $0.009500
repeat      seed 7, config HASH
"""
LAWFUL = """\
request     auto · 15 input tokens · needs streaming · data=eu-personal
gate        2 of 4 deployments may take it
            big-us    compliance: EU personal data
            small-us  compliance: EU personal data
rules       otherwise → group strong
candidates  one is left
  deployment             load  in flight  weight  latency  success       cost
  big-eu      chosen    0.894          0    1.33   800 ms     100%    $0.0129
  small-eu    fallback  0.894          0       1   800 ms     100%  $0.002575
choice      big-eu of group strong
            about $0.0129
repeat      seed 0, config HASH
"""
TRIED = """\
request     auto · task=extraction · tried small-us
gate        2 of 2 deployments may take it
rules       extraction → group small
candidates  one is left
  deployment           load  in flight  weight  latency  success       cost
  small-eu    chosen  0.894          0       1   800 ms     100%  $0.000500
  small-us    tried                                               $0.000500
choice      small-eu of group small
            at most 100 output tokens · effort low · about $0.000500
repeat      seed 0, config HASH
"""
REFUSED = """\
request     auto · needs audio
gate        0 of 4 deployments may take it
            big-eu    capability: lacks audio
            big-us    capability: lacks audio
            small-eu  capability: lacks audio
            small-us  capability: lacks audio
rules       otherwise
choice      no deployment may take this request for "auto" (4 × capability: lacks audio)
repeat      seed 0, config HASH
"""
BY_RULE = """\
request     auto · user_tier=robot
gate        nobody to look at
rules       nothing for robots
choice      rule "nothing for robots" refuses: people only
repeat      seed 0, config HASH
"""
CACHED = """\
request     strong · 100,000 input tokens · affinity s
gate        4 of 4 deployments may take it
rules       not asked: the request names strong
candidates  one is left
  deployment              load  in flight  weight  latency  success     cost
  big-eu      chosen     0.894          0    1.33   800 ms     100%  $0.5128
  big-us      not drawn    2.3          0   0.667   800 ms     100%  $0.5128
  small-us    fallback     2.3          0       1   800 ms     100%  $0.1026
  small-eu    fallback     2.3          0       1   800 ms     100%  $0.1026
cache       90,000 tokens of the prompt at big-eu; elsewhere leaving them is charged
            big-eu  $0.5128  read there
choice      big-eu of group strong
            about $0.5128
repeat      seed 0, config HASH
"""


def _hashless(text: str) -> str:
    return re.sub(r"config [0-9a-f]{16}", "config HASH", text)


@pytest.mark.parametrize(
    ("request_json", "options", "status", "told"),
    [
        ('{"input_tokens": 900, "max_tokens": 200, "needs": ["tools"], "tenant": "acme"}', ("--seed", "7"), 0, ASKED),
        (
            '{"data": "eu-personal", "stream": true,'
            ' "messages": [{"role": "user", "content": "Where is the nearest exchange?"}]}',
            (),
            0,
            LAWFUL,
        ),
        ('{"task": "extraction", "tried": ["small-us"]}', (), 0, TRIED),
        (
            '{"model": "strong", "input_tokens": 100000, "session": "s", "warm": {"big-eu": 90000}}',
            (),
            0,
            CACHED,
        ),
        ('{"needs": ["audio"]}', (), 1, REFUSED),
        ('{"user_tier": "robot"}', (), 1, BY_RULE),
    ],
    ids=["asked", "lawful", "tried", "cached", "refused", "by rule"],
)
def test_the_walk_is_told_stage_by_stage(
    run: Run, fleet: Path, request_json: str, options: tuple[str, ...], status: int, told: str
) -> None:
    ran = run("explain", str(fleet), request_json, *options)
    assert _hashless(ran.out) == told
    assert (ran.status, ran.err) == (status, "")


def test_the_same_seed_makes_the_same_choice(run: Run, fleet: Path) -> None:
    def chosen(seed: int) -> str:
        return str(json.loads(run("explain", str(fleet), "{}", "--json", "--seed", str(seed)).out)["deployment"])

    assert [chosen(seed) for seed in range(20)] == [chosen(seed) for seed in range(20)]
    assert len({chosen(seed) for seed in range(20)}) == 2  # both members of an idle group get their share


def test_json_is_the_whole_explanation(run: Run, fleet: Path) -> None:
    told = json.loads(run("explain", str(fleet), '{"model": "small", "input_tokens": 5}', "--json").out)
    assert told["group"] == "small"
    assert told["asked"] == "small"
    assert {each["deployment"] for each in told["survey"]} >= {"small-us", "small-eu"}


def test_nothing_is_sent_and_no_secret_is_needed(run: Run, fleet: Path) -> None:
    fleet.write_text(fleet.read_text().replace("region: us,", "region: us, key: env:NO_SUCH_VARIABLE_HERE,"))
    assert run("explain", str(fleet), '{"model": "big-us"}').status == 0


def test_the_request_comes_from_a_file_or_from_standard_input(
    run: Run, fleet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = '{"task": "extraction"}'
    direct = run("explain", str(fleet), text)
    (tmp_path / "request.json").write_text(text)
    assert run("explain", str(fleet), f"@{tmp_path / 'request.json'}") == direct
    assert run("explain", str(fleet), f"{tmp_path / 'request.json'}") == direct
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert run("explain", str(fleet), "-") == direct


@pytest.mark.parametrize(
    ("request_json", "said"),
    [
        ("nonsense", "the request is not JSON ("),
        ('{"warm": {"big-us": -1}}', "the request: warm.big-us: -1 is not a whole number from 0 to 1,000,000,000"),
        ('{"warm": {"big-us": 1, "big-eu": 2}}', "the request: warm names 2 deployments; it may name one"),
        ("[1]", "the request is a JSON list, not an object"),
        ('{"mesages": []}', "the request: it has no field 'mesages'; did you mean 'messages'?"),
        ('{"input_tokens": "many"}', "the request: input_tokens: 'many' is not a whole number from 0 to 1,000,000,000"),
        ('{"input_tokens": -1}', "the request: input_tokens: -1 is not a whole number from 0 to 1,000,000,000"),
        ('{"messages": "hi"}', "the request: messages: 'hi' is not a list, each a mapping"),
        ('{"messages": [{}, 3]}', "the request: messages[1]: 3 is not a mapping"),
        ('{"temperature": "hot"}', "the request: temperature: 'hot' is not a number"),
        ('{"tags": {"a": 1}}', "the request: tags.a: 1 is not a text"),
        ('{"needs": ["tols"]}', 'the request: needs holds "tols"; allowed are tools,'),
        ('{"model": "nobody"}', 'the request: nothing is called "nobody"; ask for'),
        ("@missing.json", "missing.json cannot be read (No such file or directory)"),
        ("missing.json", "missing.json cannot be read (No such file or directory)"),
    ],
)
def test_an_unreadable_request_is_status_2(run: Run, fleet: Path, request_json: str, said: str) -> None:
    status, out, err = run("explain", str(fleet), request_json)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"junctor: {said}")


def test_a_fleet_with_problems_cannot_be_asked_and_names_the_first(run: Run, fleet: Path) -> None:
    fleet.write_text(fleet.read_text().replace("rpm: 60", "rmp: 60"))
    status, out, err = run("explain", str(fleet), "{}")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("junctor: fleet.yaml:6: deployments.big-us")
    assert err.endswith(f"(4 problems; see junctor check {fleet})\n")
