"""The binding of the simulation: equal jobs, equal reports; it can be stopped, and says what it cannot read."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest

from junctor import _core, config
from junctor.exceptions import InvalidRequest
from junctor.simulation import job, trace, world

FLEET = {
    "version": 1,
    "providers": {"near": {"adapter": "openai", "base_url": "http://127.0.0.1:9/v1"}},
    "deployments": {"a": {"model": "near/one"}, "b": {"model": "near/one"}},
    "groups": {"both": {"members": ["a", "b"]}},
}


def _given(traffic: str) -> tuple[bytes, bytes]:
    fleet = config.from_mapping(FLEET)
    data = job.job(fleet, trace.read(traffic), world.World(), policy="junctor", options=job.Options())
    return config.compile(fleet, secrets=False).fleet, data


def test_equal_jobs_give_equal_reports_in_any_thread() -> None:
    """No global state, and the interpreter is free: two run at once."""
    fleet, data = _given("poisson:50/s,60s")
    told: list[bytes] = []
    threads = [threading.Thread(target=lambda: told.append(_core.simulate(fleet, data))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told[0] == told[1] == _core.simulate(fleet, data)


def test_progress_is_told_and_never_goes_back() -> None:
    fleet, data = _given("poisson:100/s,300s")
    heard: list[tuple[float, float]] = []
    _core.simulate(fleet, data, tell=lambda now_s, last_s: heard.append((now_s, last_s)))
    assert len(heard) > 3
    assert heard == sorted(heard)
    assert all(0 <= now_s <= last_s for now_s, last_s in heard)


def test_what_tell_raises_ends_the_run() -> None:
    fleet, data = _given("poisson:100/s,300s")
    heard: list[float] = []

    def enough(now_s: float, _last_s: float) -> None:
        heard.append(now_s)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _core.simulate(fleet, data, tell=enough)
    assert len(heard) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"policy": "best"}, "the job cannot be read: unknown variant `best`"),
        ({"speed": 2}, "the job cannot be read: unknown field `speed`"),
        ({"providers": [{"name": "c"}]}, "the job cannot be read: missing field"),
    ],
)
def test_a_job_that_is_none_is_an_invalid_request(change: dict[str, Any], said: str) -> None:
    fleet, data = _given("poisson:1/s,1s")
    with pytest.raises(InvalidRequest) as told:
        _core.simulate(fleet, msgspec.json.encode(msgspec.json.decode(data) | change))
    assert said in str(told.value)


def test_columns_of_different_length_and_unknown_names_are_told() -> None:
    fleet, data = _given("poisson:1/s,1s")
    rows = {"arrival_s": [0.0], "input_tokens": [], "output_tokens": [1]}
    broken = msgspec.json.decode(data)
    broken["traffic"] |= {"rows": rows}
    with pytest.raises(InvalidRequest, match="differ in length; all have to have 1 rows"):
        _core.simulate(fleet, msgspec.json.encode(broken))
    strange = msgspec.json.decode(data)
    strange["providers"][0]["name"] = "c"
    with pytest.raises(InvalidRequest, match='no deployment is called "c"'):
        _core.simulate(fleet, msgspec.json.encode(strange))
    with pytest.raises(InvalidRequest, match="the fleet cannot be read"):
        _core.simulate(b"[", data)
