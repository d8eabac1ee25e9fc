"""`over_keys`: one model over some keys, no file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from junctor import config
from junctor.exceptions import ConfigError


def fleet(**options: Any) -> dict[str, Any]:
    compiled = config.compile(config.over_keys("openai/gpt-5.6", **options), environ={"K": "from-env"})
    decoded: dict[str, Any] = json.loads(compiled.fleet)
    return decoded


def test_each_key_has_limits_of_its_own() -> None:
    made = fleet(keys=["one", "two"], rpm=500, tpm=30_000)
    assert [item["name"] for item in made["deployments"]] == ["gpt-5.6.1", "gpt-5.6.2"]
    assert [pool["name"] for pool in made["pools"]] == ["gpt-5.6.1", "gpt-5.6.2"]


def test_shared_keys_draw_from_one_pool() -> None:
    made = fleet(keys=["one", "two"], shared=True, rpm=500)
    assert [pool["name"] for pool in made["pools"]] == ["all-keys"]
    assert [item["pools"] for item in made["deployments"]] == [["all-keys"], ["all-keys"]]


def test_keys_are_kept_and_not_shown() -> None:
    made = config.over_keys("openai/gpt-5.6", keys=["sk-one-abcdef", "env:K"])
    endpoints = config.compile(made, environ={"K": "from-env"}).endpoints
    assert [endpoint.key.reveal() for endpoint in endpoints if endpoint.key] == ["sk-one-abcdef", "from-env"]
    assert "sk-one" not in repr(made) + repr(endpoints)


def test_another_host_speaks_openais_dialect() -> None:
    made = config.over_keys("vllm/llama-3.3-70b-instruct", keys=["x"], base_url="http://localhost:1/v1")
    endpoint = config.compile(made).endpoints[0]
    assert (endpoint.adapter, endpoint.base_url) == ("openai", "http://localhost:1/v1")
    known = config.over_keys("anthropic/claude-haiku-4-5", keys=["x"], base_url="http://localhost:1")
    assert config.compile(known).endpoints[0].adapter == "anthropic"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keys": "sk-one"}, "over_keys: keys: is not a list of texts; write keys=[key]"),
        ({"keys": []}, "over_keys: keys: is empty; name at least one key"),
        ({"keys": [""]}, "over_keys: keys[0]: is empty or holds characters that no HTTP header may carry"),
        ({"keys": ["a\nb"]}, "over_keys: keys[0]: is empty or holds characters that no HTTP header may carry"),
        ({"keys": ["a", "a"]}, "over_keys: keys[1]: is the same as keys[0]; name each key once"),
        ({"keys": ["a"], "rmp": 3}, "over_keys: deployments.gpt-5.6.rmp: unknown key; did you mean 'rpm'?"),
        ({"keys": ["a"], "shared": True, "rmp": 3}, "over_keys: pools.all-keys.rmp: unknown key; did you mean 'rpm'?"),
    ],
)
def test_mistakes_are_config_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.over_keys("openai/gpt-5.6", **options)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("model", ["openai/auto", "openai/!!", "openai/" + "x" * 150])
def test_any_model_name_gives_a_valid_label(model: str) -> None:
    assert config.over_keys(model, keys=["a"]).deployments[0].model == model
