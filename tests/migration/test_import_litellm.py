"""`junctor import-litellm`: what comes over works, what does not is told, and no secret is shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from junctor import config
from junctor.cli import main
from junctor.migration import from_litellm, written
from junctor.migration.hints import GENERAL, INFO, PARAMS, ROUTER, SETTINGS, TOP

CONFIGS = sorted(Path(__file__).with_name("configs").glob("*.yaml"))
TEAM, MINIMAL, CLOUDS = (Path(__file__).with_name("configs") / f"{name}.yaml" for name in ("team", "minimal", "clouds"))


class Ran(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    def ran(*argv: str) -> Ran:
        status = main(["import-litellm", *argv])
        said = capsys.readouterr()
        return Ran(status, said.out, said.err)

    return ran


def loaded(path: Path) -> dict[str, Any]:
    given: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return given


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_what_is_written_passes_check_and_says_what_was_meant(path: Path, tmp_path: Path) -> None:
    """The file has no error, and reading it gives the fleet that was imported."""
    imported = from_litellm(loaded(path))
    file = tmp_path / "fleet.yaml"
    file.write_text(written.write(imported.fleet, imported.notes, source=path.name), encoding="utf-8")
    assert imported.problems == ()
    assert [str(problem) for problem in config.check(file) if problem.severity == "error"] == []
    assert yaml.safe_load(file.read_text(encoding="utf-8")) == imported.fleet
    assert config.load(file).deployments


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_no_secret_in_clear_comes_out(path: Path, tmp_path: Path, run: Callable[..., Ran]) -> None:
    """Neither the file, nor the warnings, nor the JSON hold what stood in the old file in clear."""
    fleet = tmp_path / "fleet.yaml"
    shown = [*run(str(path)), *run(str(path), "--json"), *run(str(path), "-o", str(fleet)), fleet.read_text()]
    assert path == MINIMAL or "CANARY" in path.read_text()
    assert [text for text in map(str, shown) if "CANARY" in text] == []


def test_a_teams_configuration_means_what_it_meant() -> None:
    """Groups, order, limits, timeouts, fallbacks, aliases and Redis."""
    fleet = from_litellm(loaded(TEAM)).fleet
    assert fleet["deployments"]["azure-eu"] == {
        "model": "azure/gpt-4.1",
        "provider_model": "gpt-41-prod-eu",
        "key": "env:AZURE_EU_KEY",
        "rpm": 600,
        "tpm": 400_000,
        "weight": 3,
        "first_content_timeout_s": 15,
        "idle_timeout_s": 15,
    }
    assert fleet["deployments"]["azure-us"]["concurrency"] == 20
    assert fleet["deployments"]["claude-1"]["usd_per_day"] == 250
    assert fleet["deployments"]["local"]["price"] == {"input": 0, "output": 0}
    assert "key" not in fleet["deployments"]["local"]
    groups = fleet["groups"]
    assert groups["gpt-4.1"]["members"] == ["azure-eu", "azure-us"]
    assert groups["gpt-4.1"]["fallback"] == ["gpt-4.1-order-2", "gpt-4.1-or-claude"]
    assert groups["gpt-4.1-or-claude"]["members"] == ["claude-1", "claude-2", "azure-eu", "azure-us"]
    assert groups["gpt-4"] == groups["hidden-gpt"] == groups["gpt-4.1"]
    assert fleet["providers"]["openai"] == {"headers": {"openai-organization": "org-acme"}}
    assert fleet["dispatch"] == {"attempts": 3, "first_content_timeout_s": 30, "idle_timeout_s": 30}
    assert fleet["state"] == {"redis": "env:REDIS_URL"}


def test_a_teams_losses_are_told_one_by_one() -> None:
    """Every key that is not carried over, by its path and in order, and no other."""
    notes = from_litellm(loaded(TEAM)).notes
    left = {note.path for note in notes if note.fate == "left"}
    assert left >= {
        "model_list[2].litellm_params.max_retries",
        "model_list[4].litellm_params.max_tokens",
        "model_list[5].litellm_params.api_key",
        "model_list[6]",
        "litellm_settings.fallbacks[1].claude[1]",
        "router_settings.model_group_alias.hidden-gpt.hidden",
        "router_settings.allowed_fails",
        "router_settings.cooldown_time",
        "router_settings.retry_policy",
        "litellm_settings.success_callback",
        "litellm_settings.cache",
        "general_settings.master_key",
        "general_settings.database_url",
        "environment_variables",
    }
    assert {path for path in left if "drop_params" in path or "pre_call" in path or "routing_strategy" in path} == set()
    assert len({note.path for note in notes}) == len(notes)


def test_a_price_prefers_the_cheapest_and_weak_abilities_are_said() -> None:
    """cost-based-routing, per-token prices and `supports_*` have counterparts."""
    fleet = from_litellm(loaded(CLOUDS)).fleet
    auto = fleet["deployments"]["auto-model"]
    assert auto["price"] == {"input": 0.25, "output": 2}
    assert auto["context_tokens"] == 100_000
    assert "images" not in auto["capabilities"]
    assert "tools" in auto["capabilities"]
    assert fleet["groups"]["small"]["objective"] == "cheapest"


def test_an_address_that_cannot_be_used_never_becomes_the_providers_own() -> None:
    """Prompts go nowhere that the old file did not name."""
    fleet = from_litellm(loaded(CLOUDS)).fleet
    home = next(item for item in fleet["deployments"].values() if item["model"] == "openai/whatever")
    assert fleet["providers"][home["provider"]]["base_url"] == "env:HOME_8_BASE_URL"


PARAM_CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"model": "gpt-4.1"}, {"model": "openai/gpt-4.1", "key": "env:OPENAI_API_KEY"}),
    ({"model": "claude-haiku-4-5"}, {"model": "anthropic/claude-haiku-4-5", "key": "env:ANTHROPIC_API_KEY"}),
    ({"model": "openai/responses/gpt-5.6"}, {"model": "openai/gpt-5.6", "key": "env:OPENAI_API_KEY"}),
    ({"model": "gemini/gemini-3-flash", "api_key": "os.environ/G"}, {"model": "gemini/gemini-3-flash", "key": "env:G"}),
    (
        {"model": "openai/m", "itpm": 10, "otpm": 5, "rpd": 7, "tpd": 9, "api_key": "os.environ/K"},
        {"model": "openai/m", "key": "env:K", "input_tpm": 10, "output_tpm": 5, "rpd": 7, "tpd": 9},
    ),
    (
        {"model": "openai/m", "api_key": "os.environ/K", "timeout": 9, "rpm": "60", "region_name": "eu"},
        {
            "model": "openai/m",
            "key": "env:K",
            "rpm": 60,
            "first_content_timeout_s": 9,
            "idle_timeout_s": 9,
            "region": "eu",
        },
    ),
    ({"model": "deepseek-chat", "api_key": "os.environ/K"}, {"model": "deepseek/deepseek-chat", "key": "env:K"}),
    (
        {"model": "llama", "custom_llm_provider": "hosted_vllm", "api_base": "http://10.0.0.1:8000/v1"},
        {"model": "hosted-vllm/llama"},
    ),
]


@pytest.mark.parametrize(("params", "fields"), PARAM_CASES, ids=lambda case: str(case.get("model")))
def test_params_are_the_fields_that_they_mean(params: dict[str, Any], fields: dict[str, Any]) -> None:
    imported = from_litellm({"model_list": [{"model_name": "m", "litellm_params": params}]})
    assert imported.fleet["deployments"] == {"m": fields}
    assert (imported.notes, imported.problems) == ((), ())


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"rpm": 0}, "rpm"),
        ({"rpm": -3}, "rpm"),
        ({"tpm": "lots"}, "tpm"),
        ({"tpm": float("nan")}, "tpm"),
        ({"weight": "os.environ/W"}, "weight"),
        ({"timeout": 7200}, "timeout"),
        ({"max_budget": 10, "budget_duration": "30d"}, "max_budget"),
        ({"input_cost_per_token": 1e-6}, "input_cost_per_token"),
        ({"max_parallel_requests": True}, "max_parallel_requests"),
    ],
)
def test_a_value_that_a_fleet_cannot_have_is_told(params: dict[str, Any], path: str) -> None:
    """Out of range, no number, half a price, a month's budget: left out, never bent."""
    entry = {"model_name": "m", "litellm_params": {"model": "openai/gpt-4.1", **params}}
    imported = from_litellm({"model_list": [entry]})
    assert f"model_list[0].litellm_params.{path}" in {note.path for note in imported.notes if note.fate == "left"}
    assert imported.problems == ()


KNOWN_PARAMS: dict[str, Any] = {
    "rpm": 5,
    "timeout": 3,
    "weight": 2,
    "api_key": "os.environ/K",
    "tags": ["a"],
    "order": 1,
}
PLACES: dict[tuple[str | int, ...], set[str]] = {
    (): {"model_list", "router_settings", "litellm_settings", "general_settings"} | TOP.keys(),
    ("router_settings",): {"num_retries", "timeout", "fallbacks"} | ROUTER.keys(),
    ("litellm_settings",): {"drop_params", "num_retries"} | SETTINGS.keys(),
    ("general_settings",): {*GENERAL},
    ("model_list", 0): {"model_name", "litellm_params", "model_info", "rpm", "tpm"},
    ("model_list", 0, "litellm_params"): KNOWN_PARAMS.keys() | PARAMS.keys(),
    ("model_list", 0, "model_info"): {"id", "mode", "base_model"} | INFO.keys(),
}
UNKNOWN = st.from_regex(r"x_[a-z_]{1,12}", fullmatch=True)
VALUES = st.sampled_from(["CANARY-text", 4711, True, ["CANARY"], {"CANARY": "CANARY"}, 0.5])


@given(data=st.data())
def test_each_unknown_key_is_warned_about_exactly_once(data: st.DataObject) -> None:
    """Wherever it stands and whatever its value, known keys beside it or not; the value is never shown."""
    params = data.draw(st.dictionaries(st.sampled_from(sorted(KNOWN_PARAMS)), st.none()))
    entry: dict[str, Any] = {
        "model_name": "m",
        "litellm_params": {"model": "openai/gpt-4.1", **{name: KNOWN_PARAMS[name] for name in params}},
        "model_info": {},
    }
    given_: dict[str, Any] = {
        "model_list": [entry],
        "router_settings": {"num_retries": 1},
        "litellm_settings": {},
        "general_settings": {},
    }
    added = data.draw(
        st.lists(st.tuples(st.sampled_from(sorted(PLACES, key=str)), UNKNOWN), unique=True, min_size=1, max_size=6)
    )
    for place, key in added:
        section: Any = given_
        for step in place:
            section = section[step]
        section[key] = data.draw(VALUES)
    imported = from_litellm(given_)
    paths = [note.path for note in imported.notes]
    for place, key in added:
        whole = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in (*place, key)).lstrip(".")
        assert paths.count(whole) == 1
    told = sum(1 for name in params if name == "tags")
    assert len(paths) == len(added) + told
    assert "CANARY" not in written.write(imported.fleet, imported.notes, source="x")
    assert imported.problems == ()


def test_a_key_with_a_hint_is_left_once_with_its_reason() -> None:
    """What is listed as having no counterpart is told with the reason that is listed."""
    for section, hints in (("router_settings", ROUTER), ("litellm_settings", SETTINGS), ("general_settings", GENERAL)):
        for key, (why, hint) in hints.items():
            (note,) = from_litellm({section: {key: "CANARY"}}).notes
            assert (note.path, note.why, note.hint, note.fate) == (f"{section}.{key}", why, hint, "left")


def test_warnings_are_status_0_and_strict_makes_them_1(run: Callable[..., Ran], tmp_path: Path) -> None:
    status, out, err = run(str(TEAM))
    assert (status, out.startswith("# Made by")) == (0, True)
    assert "warning: model_list[6] (a mapping of 2): not carried over: it is a wildcard" in err
    assert run(str(TEAM), "--strict").status == 1
    plain = tmp_path / "plain.yaml"
    plain.write_text("model_list: [{model_name: m, litellm_params: {model: gpt-4.1}}]", encoding="utf-8")
    status, out, err = run(str(plain), "--strict")
    assert (status, err) == (0, "2 keys carried over, 0 not, 0 in another form\n")
    assert "# Every key was carried over." in out


def test_a_fleet_without_deployments_is_status_1(run: Callable[..., Ran], tmp_path: Path) -> None:
    """Nothing to route is nothing to run."""
    wild = tmp_path / "wild.yaml"
    wild.write_text("model_list: [{model_name: '*', litellm_params: {model: '*'}}]", encoding="utf-8")
    status, _, err = run(str(wild))
    assert status == 1
    assert "error: imported: deployments" in err


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "a: 1\na: 2", "\xff"])
def test_what_is_no_configuration_is_status_2(text: str, run: Callable[..., Ran], tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(text.encode("latin-1"))
    status, out, err = run(str(file))
    assert (status, out) == (2, "")
    assert err.startswith("junctor: ")
    assert len(err.splitlines()) == 1


def test_a_file_that_is_there_is_kept_unless_forced(run: Callable[..., Ran], tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text("mine", encoding="utf-8")
    assert run(str(TEAM), "-o", str(fleet)).status == 2
    assert fleet.read_text() == "mine"
    assert run(str(TEAM), "-o", str(fleet), "--force") == (0, "", run(str(TEAM)).err)
    assert config.load(fleet).groups


def test_json_tells_all_of_it(run: Callable[..., Ran]) -> None:
    status, out, err = run(str(TEAM), "--json")
    told = json.loads(out)
    assert (status, err, told["ok"], told["problems"]) == (0, "", True, [])
    assert told["fleet"].startswith("# Made by")
    (wild,) = [warning for warning in told["warnings"] if warning["path"] == "model_list[6]"]
    assert (wild["value"], wild["fate"]) == ("a mapping of 2", "left")
