"""The demo's two sides agree: keys and fleet file, calls and rules, seed and traffic."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from junctor import config
from junctor.adapters import needs
from junctor.demo import fleet, recorded
from junctor.demo.fleet import KEYS
from junctor.demo.traffic import EU_MARK, PER_SECOND, Ask, traffic
from junctor.estimate import measure
from junctor.options import take_apart
from junctor.router import Router

NOWHERE = Path(__file__).parent / "no such folder"
"""Where no recording lies, so that the demo's own sample is used."""


def _base_url(dialect: str, region: str) -> str:
    return f"http://127.0.0.1:9/{dialect}/{region}"


def _asks(seed: int = 1, seconds: float = 5.0) -> list[Ask]:
    return traffic(seconds=seconds, seed=seed, folder=NOWHERE).asks


def test_ten_keys_of_three_providers_in_two_regions() -> None:
    assert len(KEYS) == 10
    assert {plan.dialect for plan in KEYS} == {"openai", "anthropic", "gemini"}
    assert {plan.region for plan in KEYS} == set(fleet.REGIONS)


def test_the_client_is_told_the_limits_that_the_providers_enforce() -> None:
    found = fleet.fleet(_base_url)
    for plan in KEYS:
        (item,) = [each for each in found.deployments if each.name == plan.name]
        told = {limit.dimension: limit.limit for pool in item.pools for limit in found.pools[pool].limits}
        enforced = plan.key.limits
        assert told == {name: value for name in told if (value := getattr(enforced, name)) is not None}
        assert {limit.burst_s for pool in item.pools for limit in found.pools[pool].limits} == {enforced.burst_s}


def test_each_deployment_sends_the_key_that_its_provider_knows() -> None:
    endpoints = {each.deployment: each for each in config.compile(fleet.fleet(_base_url)).endpoints}
    for plan in KEYS:
        endpoint = endpoints[plan.name]
        assert endpoint.key is not None
        assert endpoint.key.reveal() == plan.key.secret
        assert plan.secret not in repr(endpoint)
        assert endpoint.base_url == _base_url(plan.dialect, plan.region)


def test_the_same_seed_makes_the_same_traffic() -> None:
    assert _asks(seed=3) == _asks(seed=3)
    assert _asks(seed=3) != _asks(seed=4)


def test_calls_come_in_order_within_the_run() -> None:
    times = [ask.at_s for ask in _asks(seconds=5.0)]
    assert len(times) == PER_SECOND * 5
    assert times == sorted(times)
    assert 0.0 <= times[0] < times[-1] <= 5.0 + 1e-9


def test_a_third_is_streamed_and_every_kind_of_call_occurs() -> None:
    asks = _asks(seconds=20.0)
    assert 0.28 < sum(ask.streamed for ask in asks) / len(asks) < 0.39
    kinds = Counter(kind for ask in asks for kind in (*ask.options, ask.model))
    assert {"tools", "data", "user_tier", "task", "auto", "strong", "small"} <= set(kinds)


def test_the_rules_send_each_call_to_the_group_that_the_traffic_names() -> None:
    """Random choice goes by the traffic's word, so it must be the rules' word too."""
    router = Router.from_config(fleet.fleet(_base_url), seed=1)
    for ask in _asks(seconds=2.0):
        wish = take_apart(ask.messages, dict(ask.options), deadline_s=1.0, max_wait_s=0.0)
        input_tokens, prompt_chars = measure(wish.request)
        told = router.explain(
            ask.model, input_tokens=input_tokens, prompt_chars=prompt_chars, tags=wish.tags, needs=needs(wish.request)
        )
        assert told.group == ask.group
        assert not told.downgrade


def test_exactly_the_calls_bound_to_the_eu_carry_the_mark() -> None:
    for ask in _asks():
        marked = any(EU_MARK.decode() in message["content"] for message in ask.messages)
        assert marked == ask.eu_only == (ask.options.get("data") == fleet.EU_PERSONAL)


def test_without_recordings_the_traffic_is_the_project_s_own() -> None:
    assert "the project's own" in traffic(seconds=1.0, seed=1, folder=NOWHERE).origin


def test_recordings_are_used_where_they_are() -> None:
    """Prompts and arrivals come from the data folder, squeezed into the run."""
    data = recorded.folder(None)
    if data is None:
        pytest.skip(f"no recorded traffic: {recorded.TRACE_FILE} is neither in $JUNCTOR_DATA nor in ../shared/data")
    found = traffic(seconds=2.0, seed=1, folder=None)
    assert "MMLU" in found.origin
    assert len(found.asks) == PER_SECOND * 2
    assert any("Answer:" in ask.messages[-1]["content"] for ask in found.asks)


def test_a_data_folder_in_the_environment_is_the_only_one_looked_at(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JUNCTOR_DATA", os.fspath(tmp_path))
    assert recorded.folder(None) is None
