"""Bad and extreme values: a config error that names the field, or bounded time; and no secret in any message."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from junctor import config
from junctor.config.documents import parse_yaml
from junctor.config.errors import Problems
from junctor.exceptions import ConfigError

Lines = Callable[[dict[str, Any]], list[str]]
CANARY = "sk-canary-7f3a9Qx0Lm"


@pytest.mark.parametrize("weight", [math.nan, math.inf, -math.inf, -1, -1e-9, 1e300, 10**400, "heavy", True])
def test_a_weight_that_is_none_names_its_field(small: dict[str, Any], problems_of: Lines, weight: object) -> None:
    small["deployments"]["opus"]["weight"] = weight
    (line,) = problems_of(small)
    assert line.startswith("fleet.yaml: deployments.opus.weight: ")
    assert "a number from 0 to 1,000,000" in line


def test_weight_zero_drains_one_deployment(small: dict[str, Any]) -> None:
    small["deployments"]["llama"]["weight"] = 0
    assert config.from_mapping(small).deployments[-1].weight == 0.0


def test_a_group_of_drained_deployments_is_an_error(small: dict[str, Any], problems_of: Lines) -> None:
    for name in ("haiku", "llama"):
        small["deployments"][name]["weight"] = 0
    hint = "all are drained (weight 0); give at least one a weight above 0"
    assert problems_of(small) == [
        f"fleet.yaml: groups.small.members: {hint}",
        f"fleet.yaml: deployments.haiku.weight: {hint}",
        f"fleet.yaml: deployments.haiku.weight: of the deployments of anthropic/claude-haiku-4-5, {hint}",
    ]
    small["deployments"]["opus"]["weight"] = 0
    assert problems_of(small) == [f"fleet.yaml: deployments: {hint}"]


def test_no_deployments_is_an_error(problems_of: Lines) -> None:
    assert problems_of({"version": 1, "deployments": {}}) == [
        "fleet.yaml: deployments: is empty; a fleet needs at least one deployment"
    ]


def test_ten_thousand_deployments_and_rules_compile_within_seconds(core_accepts: Callable[[bytes], None]) -> None:
    deployments = {f"d{n}": {"model": "openai/gpt-4.1", "rpm": 100 + n, "region": f"r{n % 9}"} for n in range(10_000)}
    rules = [{"when": {"tags": {"n": str(n)}}, "use": f"d{n}"} for n in range(10_000)]
    started = time.process_time()
    compiled = config.compile(
        config.from_mapping({"version": 1, "deployments": deployments, "rules": rules}), secrets=False
    )
    assert len(compiled.endpoints) == 10_000
    core_accepts(compiled.fleet)
    assert time.process_time() - started < 30, "a bound against quadratic work, not a benchmark"


@pytest.mark.parametrize(
    ("path", "count", "line"),
    [
        ("deployments", 20_001, "20,001 deployments are more than the 20,000"),
        ("rules", 20_001, "20,001 rules are more than the 20,000"),
        ("compliance", 65, "65 clauses are more than the 64"),
    ],
)
def test_more_than_a_fleet_may_have_is_an_error(problems_of: Lines, path: str, count: int, line: str) -> None:
    fleet: dict[str, Any] = {"version": 1, "deployments": {"a": {"model": "openai/gpt-4.1"}}}
    if path == "deployments":
        fleet["deployments"] = {f"d{n}": {"model": "openai/gpt-4.1"} for n in range(count)}
    else:
        one = {"require": {"region": "eu"}} if path == "compliance" else {"use": "a"}
        fleet[path] = [one] * count
    assert problems_of(fleet) == [f"fleet.yaml: {path}: {line} that one fleet may have; split the fleet"]


def test_more_than_sixty_four_regions_are_an_error(problems_of: Lines) -> None:
    deployments = {f"d{n}": {"model": "openai/gpt-4.1", "region": f"r{n}"} for n in range(65)}
    (line,) = problems_of({"version": 1, "deployments": deployments})
    assert line.startswith("fleet.yaml: deployments: 65 different regions are more than the 64")


@pytest.mark.parametrize("key", ["regex", "matches", "pattern", "python"])
def test_a_condition_knows_no_patterns(small: dict[str, Any], problems_of: Lines, key: str) -> None:
    small["rules"][1]["when"]["tags"]["env"] = {key: "(a+)+$"}
    (line,) = problems_of(small)
    assert line.startswith(f"fleet.yaml: rules[1].when.tags.env.{key}: unknown key; ")


@pytest.mark.parametrize("value", ["x" * 1_000_000, ["x"] * 1_000_000])
def test_a_megabyte_in_a_condition_is_refused_and_not_shown(
    small: dict[str, Any], problems_of: Lines, value: Any
) -> None:
    small["rules"][0]["when"]["task"] = value
    (line,) = problems_of(small)
    assert len(line) < 500


def test_a_condition_nested_too_deeply_is_an_error(small: dict[str, Any], problems_of: Lines) -> None:
    condition: dict[str, Any] = {"task": "x"}
    for _ in range(10_000):
        condition = {"not": condition}
    small["rules"][0]["when"] = condition
    (line,) = problems_of(small)
    assert line.endswith("is nested deeper than 40 levels; a fleet file is flatter and smaller")


SECRETS: list[tuple[str, Callable[[dict[str, Any]], object], str]] = [
    (
        "key",
        lambda f: f["deployments"]["opus"].update(key="hunter2"),
        "deployments.opus.key: is written in clear; secrets are references: write env:NAME or file:path instead",
    ),
    (
        "keys",
        lambda f: f["deployments"]["haiku"].update(keys=["env:A", "hunter2"]),
        "deployments.haiku.keys[1]: is written in clear; secrets are references: write env:NAME or file:path instead",
    ),
    (
        "no name of a variable",
        lambda f: f["deployments"]["opus"].update(key="env:hunter2-"),
        "deployments.opus.key: is written in clear; secrets are references: write env:NAME or file:path instead",
    ),
    (
        "literal is no scheme",
        lambda f: f["deployments"]["opus"].update(key="literal:hunter2"),
        "deployments.opus.key: is written in clear; secrets are references: write env:NAME or file:path instead",
    ),
    (
        "provider",
        lambda f: f["providers"]["vllm"].update(key="hunter2"),
        "providers.vllm.key: is written in clear; secrets are references: write env:NAME or file:path instead",
    ),
    (
        "header",
        lambda f: f["providers"]["vllm"]["headers"].update({"Authorization": "Bearer hunter2"}),
        "providers.vllm.headers.Authorization: is written in clear; secrets are references: "
        "write env:NAME or file:path instead",
    ),
    (
        "address",
        lambda f: f["providers"]["vllm"].update(base_url="http://me:hunter2@10.0.0.7/v1"),
        "providers.vllm.base_url: holds a user name or password in clear; write the address without it and give a key",
    ),
    (
        "redis",
        lambda f: f.update(state={"redis": "redis://:hunter2@host"}),
        "state.redis: holds a password in clear; write env:NAME or file:path for the whole address",
    ),
    (
        "wrong type beside it",
        lambda f: f["deployments"]["haiku"].update(keys="hunter2"),
        "deployments.haiku.keys: <hidden> is not a non-empty list, each a reference: env:NAME or file:path; "
        "write env:NAME or file:path instead",
    ),
    (
        "in the wrong place",
        lambda f: f["deployments"]["opus"].update(weight=CANARY),
        "deployments.opus.weight: <hidden> is not a number from 0 to 1,000,000",
    ),
    (
        "as a name",
        lambda f: f["deployments"]["opus"].update({CANARY: 1}),
        "deployments.opus.<hidden>: unknown key; it looks like a secret",
    ),
]


@pytest.mark.parametrize(("spoil", "line"), [row[1:] for row in SECRETS], ids=[row[0] for row in SECRETS])
def test_a_secret_in_clear_is_an_error_that_does_not_show_it(
    small: dict[str, Any], problems_of: Lines, spoil: Callable[[dict[str, Any]], object], line: str
) -> None:
    spoil(small)
    assert problems_of(small) == [f"fleet.yaml: {line}"]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value, sections included."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(leaf for step, item in items for leaf in leaves(item, (*path, step)))]


def put(mapping: dict[str, Any], path: tuple[Any, ...], value: Any) -> None:
    for step in path[:-1]:
        mapping = mapping[step]
    mapping[path[-1]] = value


def attempt(mapping: dict[str, Any]) -> config.Config | ConfigError:
    """What loading comes to; anything but these two is a fault."""
    try:
        return config.from_mapping(mapping)
    except ConfigError as error:
        return error


def test_a_secret_at_any_place_is_never_shown(small: dict[str, Any]) -> None:
    for path in leaves(small)[1:]:
        for spoiled in (CANARY, [CANARY], {CANARY: CANARY}, f"env:{CANARY}", f"https://u:{CANARY}@h/v1"):
            fleet = copy.deepcopy(small)
            put(fleet, path, spoiled)
            outcome = attempt(fleet)
            said = str(outcome) if isinstance(outcome, ConfigError) else repr(outcome.providers)
            assert CANARY not in said, path


def test_opened_secrets_are_in_no_repr(small: dict[str, Any]) -> None:
    environ = dict.fromkeys(("ANTHROPIC_KEY", "A", "B"), CANARY)
    compiled = config.compile(config.from_mapping(small), environ=environ)
    assert compiled.endpoints[0].key is not None
    assert compiled.endpoints[0].key.reveal() == CANARY
    assert CANARY not in repr(compiled)
    assert CANARY.encode() not in compiled.fleet


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**15, max_value=10**30)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["", "env:", "env:A", "file:x", "auto", "opus", "haiku.1", "<5", "5..1", "\0", "no", "UTC", "x" * 5000]
    )
    | st.binary(max_size=4)
    | st.dates()
)
SECTIONS = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_a_spoiled_file_is_a_config_error_or_a_fleet_that_the_core_takes(
    data: st.DataObject, small_json: bytes, core_accepts: Callable[[bytes], None]
) -> None:
    fleet = json.loads(small_json)
    for _ in range(data.draw(st.integers(1, 3))):
        paths = leaves(fleet)[1:]
        path = data.draw(st.sampled_from(paths)) if paths else ("version",)
        if data.draw(st.booleans()) and isinstance(path[-1], str):
            path = (
                *path[:-1],
                data.draw(st.sampled_from(["rpm", "when", "keys", "x", "not", ""]) | st.text(max_size=5)),
            )
        put(fleet, path, data.draw(SECTIONS))
    outcome = attempt(fleet)
    if isinstance(outcome, ConfigError):
        assert outcome.problems
        assert all("\n" not in line and len(line) < 2000 for line in outcome.problems)
    else:
        core_accepts(config.compile(outcome, secrets=False).fleet)


@given(text=st.text(alphabet=st.sampled_from("ab:-{}[],&*!|>\"'#\n \t<%@1.~?"), max_size=60))
def test_any_text_is_a_config_error_or_a_config_and_nothing_else(text: str) -> None:
    problems = Problems("f.yaml")
    value = parse_yaml(text, problems)
    assert value is None or isinstance(value, dict | list | str | int | float)
