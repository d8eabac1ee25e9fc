"""`check` finds what is legal and not meant, and says how bad it is."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from junctor import config

ENVIRON = {"ANTHROPIC_KEY": "a", "A": "a", "B": "b"}
Checked = Callable[[dict[str, Any]], list[str]]


@pytest.fixture
def checked(tmp_path: pathlib.Path) -> Checked:
    """What check says about a mapping, each line after its severity; the file is written as YAML (JSON is YAML)."""

    def lines(mapping: dict[str, Any]) -> list[str]:
        file = tmp_path / "f.yaml"
        file.write_bytes(msgspec.json.encode(mapping))
        found = config.check(file, environ=ENVIRON)
        return [f"{problem.severity} {problem.path}: {problem.message}" for problem in found]

    return lines


def quiet(**changed: Any) -> dict[str, Any]:
    """A fleet that nothing can be said about, with changes."""
    fleet = {
        "version": 1,
        "deployments": {
            "a": {"model": "openai/gpt-4.1", "key": "env:A", "region": "us"},
            "b": {"model": "openai/gpt-4.1", "key": "env:B", "region": "eu"},
            "c": {"model": "openai/gpt-4.1-mini", "key": "env:A"},
            "d": {"model": "openai/gpt-4.1-mini", "key": "env:B"},
        },
        "groups": {"strong": {"members": ["a", "b"], "fallback": ["small"]}, "small": {"members": ["c", "d"]}},
        "rules": [{"name": "first", "when": {"task": "x"}, "use": "small"}, {"use": "strong"}],
    }
    return {**fleet, **changed}


def spoiled(section: str, name: str, **changed: Any) -> dict[str, Any]:
    fleet = quiet()
    fleet[section] = {**fleet[section], name: {**fleet[section].get(name, {}), **changed}}
    return fleet


def test_a_file_that_says_what_it_means_has_no_problems(checked: Checked) -> None:
    assert checked(quiet()) == []


def test_a_file_that_cannot_be_loaded_is_told_as_loading_tells_it(checked: Checked) -> None:
    assert checked(quiet(versoin=2)) == ["error versoin: unknown key; did you mean 'version'?"]


def test_unreachable_rules_are_errors(checked: Checked, shadowed: list[tuple[int, list[int]]]) -> None:
    shadowed.extend([(1, [0]), (1, [0, 1]), (0, [])])
    assert checked(quiet()) == [
        "error rules[1]: is never reached: rules[0] (first) takes all of its requests; move it up or remove it",
        "error rules[1]: is never reached: rules[0] (first), rules[1] take all of its requests; "
        "move it up or remove it",
        "error rules[0]: is never reached: no request can be all that it asks for; loosen its condition or remove it",
    ]


@pytest.mark.parametrize(
    ("fleet", "lines"),
    [
        (
            spoiled("deployments", "a", rpm=100, pools=["p"]) | {"pools": {"p": {"rpm": 50}}},
            ["error deployments.a.rpm: binds nothing: the pool p allows 50 already; lower it or remove it"],
        ),
        (
            spoiled("deployments", "a", rpm=1, rpd=1440, tpm=5, input_tpm=5, output_tpm=4),
            [
                "warning deployments.a.rpd: binds nothing: rpm allows at most 1,440; lower it or remove it",
                "warning deployments.a.input_tpm: binds nothing: tpm allows at most 5; lower it or remove it",
            ],
        ),
        (
            spoiled("deployments", "c", capabilities=["streaming"])
            | {"groups": {**quiet()["groups"], "small": {"members": ["c"]}}},
            [
                "error groups.strong.fallback[0]: small cannot do files, images, logprobs, parallel_tools, "
                "structured_output, tools, which strong can; "
                "add a member that can, or another fallback for these requests",
                "warning groups.small: has one member, so there is nobody to fail over to; add one or a fallback",
            ],
        ),
        (
            quiet()
            | {"groups": {**quiet()["groups"], "small": {"members": ["c", "e"]}}}
            | {
                "deployments": {
                    **quiet()["deployments"],
                    "c": {"model": "openai/gpt-4o", "key": "env:A"},
                    "e": {"model": "openai/gpt-4o", "key": "env:B"},
                }
            },
            [
                "warning groups.strong.fallback[0]: small reads at most 128,000 tokens, strong 1,047,576: "
                "longer requests have no fallback"
            ],
        ),
        (
            quiet(compliance=[{"name": "law", "when": {"data": "x"}, "require": {"region": "eu"}}]),
            ["warning groups.strong.fallback[0]: no member of small meets law: requests under it have no fallback"],
        ),
        (
            quiet(compliance=[{"when": {"data": "x"}, "require": {"region": ["ue"], "agreements": "baa"}}]),
            [
                "warning compliance[0].require: no deployment meets it: all such requests are refused; "
                "region 'ue': known region names: eu, us; agreements 'baa': there are no agreements names"
            ],
        ),
        (
            spoiled("groups", "spare", members=["a", "c"]),
            ["warning groups.spare: is used by no rule and no fallback: only calls that name it reach it"],
        ),
        (
            spoiled("groups", "small", fallback=["strong"]),
            [
                "warning groups.strong.fallback: leads back to the group itself; each group is tried once",
                "warning groups.small.fallback: leads back to the group itself; each group is tried once",
            ],
        ),
        (
            quiet(providers={"anthropic": {}, "openai": {"base_url": "http://api.example.com/v1"}}),
            [
                "warning providers.anthropic: is used by no deployment; "
                "remove it or name it as a deployment's provider",
                "warning providers.openai.base_url: is http: keys and prompts cross the network unencrypted; use https",
            ],
        ),
        (
            spoiled("deployments", "x", model="openai/gpt-99", key="env:NOBODY"),
            [
                "warning deployments.x.model: openai/gpt-99 is not in the catalog, so it counts as free and able to "
                "tools, structured_output, streaming; give price, capabilities and context_tokens",
                "warning deployments.x.key: the environment variable NOBODY is not set; set it, or name another one "
                "(on this machine)",
            ],
        ),
        (
            spoiled("deployments", "x", model="anthropic/claude-opus-4-5", key="env:A", capabilities=["embeddings"]),
            [
                "warning deployments.x.capabilities: anthropic/claude-opus-4-5 is said to make embeddings, but "
                "anthropic has no embeddings; take it out, or use an adapter of openai, openai-responses, gemini"
            ],
        ),
        (
            spoiled("deployments", "x", model="openai/text-embedding-3-small", key="env:A"),
            [],
        ),
        (
            quiet(providers={"openai": {"base_url": "http://127.0.0.1:9/v1"}})
            | {"deployments": {**quiet()["deployments"], "b": {"model": "openai/gpt-4.1"}}},
            [
                "warning deployments.b: has no key, and base_url is not the provider's own; "
                "give key: env:NAME if it needs one"
            ],
        ),
        (
            quiet(state={"redis": "env:REDIS"}),
            [
                "warning state.redis: the environment variable REDIS is not set; "
                "set it, or name another one (on this machine)"
            ],
        ),
    ],
)
def test_each_finding_has_its_message(checked: Checked, fleet: dict[str, Any], lines: list[str]) -> None:
    assert checked(fleet) == lines


def test_an_expanded_deployment_is_told_once(checked: Checked) -> None:
    keys = ["env:A", "env:B"]
    fleet = spoiled("deployments", "x", model="openai/gpt-4.1", keys=keys, rpm=1, rpd=9999)
    assert checked(fleet) == [
        "warning deployments.x.rpd: binds nothing: rpm allows at most 1,440; lower it or remove it"
    ]


def test_problems_know_their_file_as_it_was_named_and_their_lines(
    fixtures: pathlib.Path, shadowed: list[tuple[int, list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shadowed.append((3, [2]))
    monkeypatch.chdir(fixtures)
    found = config.check("design.yaml", environ={})
    assert [str(problem) for problem in found if problem.severity == "error"] == [
        "design.yaml:24: rules[3]: is never reached: rules[2] (short) takes all of its requests; "
        "move it up or remove it"
    ]
    warned = {problem.path: problem.line for problem in found if problem.severity == "warning"}
    assert warned["providers.vllm"] == 6
    assert warned["deployments.gpt.key"] == 13
    assert warned["groups.small"] == 16


def test_unreachable_rules_are_found_by_the_core(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "f.yaml"
    first = {"name": "all", "use": "strong"}
    file.write_bytes(msgspec.json.encode(quiet(rules=[first, *quiet()["rules"]])))
    errors = [problem.path for problem in config.check(file, environ=ENVIRON) if problem.severity == "error"]
    assert errors == ["rules[1]", "rules[2]"]
