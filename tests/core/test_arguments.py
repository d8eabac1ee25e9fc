"""What the face refuses, word for word, before anything is decided."""

from __future__ import annotations

from typing import Any

import pytest

from junctor import _core
from junctor._core import ManualClock
from junctor.exceptions import ConfigError, InvalidRequest
from tests.core.conftest import PRICED, A, B, RouterOf, fleet, pool

CAPABILITIES = (
    "tools, parallel_tools, images, files, audio, structured_output, reasoning, streaming, logprobs, embeddings"
)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"needs": ["tools", "telepathy"]}, f'needs holds "telepathy"; allowed are {CAPABILITIES}'),
        ({"tags": {f"t{i}": "x" for i in range(33)}}, "a request carries 33 tags; allowed are up to 32: merge some"),
        ({"tags": {"task": 3}}, "tags map names to values, both text"),
        ({"tags": {3: "chat"}}, "tags map names to values, both text"),
        ({"tried": ["x"] * 17}, "tried holds 17 names; allowed are up to 16"),
        ({"regions": ["x"] * 17}, "regions holds 17 names; allowed are up to 16"),
        ({"model": "alll"}, 'nothing is called "alll"; did you mean "all"?'),
    ],
)
def test_a_wrong_call_is_told_what_is_allowed(router_of: RouterOf, asked: dict[str, Any], message: str) -> None:
    router = router_of(A)
    for call in (router.reserve, router.explain):
        with pytest.raises(InvalidRequest) as caught:
            call(**asked)
        assert str(caught.value) == message
        assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("asked", [{"input_tokens": -1}, {"output_tokens": -1}, {"prompt_chars": -1}, {"seed": -1}])
def test_negative_numbers_are_no_numbers_of_tokens(router_of: RouterOf, asked: dict[str, Any]) -> None:
    with pytest.raises(OverflowError):
        router_of(A).reserve("all", **asked)


@pytest.mark.parametrize("asked", [{"affinity": 1.5}, {"needs": [3]}, {"tried": [3]}, {"model": 3}, {"tags": ["a"]}])
def test_a_wrong_type_is_a_type_error(router_of: RouterOf, asked: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        router_of(A).reserve(**{"model": "all", **asked})


def test_the_most_that_is_allowed_is_accepted(router_of: RouterOf) -> None:
    tags = {f"t{i}": "x" for i in range(32)}
    needs = CAPABILITIES.split(", ")
    able = {"name": "a", "capabilities": needs}
    with router_of(able).reserve("all", tags=tags, needs=needs, tried=["x"] * 16, affinity="session") as reservation:
        assert reservation.receipt.attempts[0].decision.request["needs"] == needs


def test_an_unknown_outcome_is_refused_and_the_reservation_stays_held(router_of: RouterOf) -> None:
    reservation = router_of(A).reserve("all")
    with pytest.raises(InvalidRequest) as caught:
        reservation.settle("great")
    assert str(caught.value) == 'outcome is "great"; allowed are ok, cancelled and the failure kinds'
    assert reservation.held
    reservation.cancel(sent=False)


def test_an_unknown_dimension_of_a_header_is_left_out(router_of: RouterOf) -> None:
    router = router_of(PRICED, pools=[pool("a", tpm=60_000)])
    reservation = router.reserve("all", input_tokens=10, output_tokens=0)
    reservation.settle(
        input_tokens=10, output_tokens=0, rate_limits=[("images", 1, 1, None), ("tpm", 60_000, 900, 3.0)]
    )
    assert router.snapshot()["pools"]["a"]["tpm"]["level"] == 900


UNBOUND = "which does not exist; declare it or correct the name"

WRONG_FLEETS = [
    (b"{", "the compiled fleet is malformed: EOF while parsing an object at line 1 column 1"),
    (b"{}", "the fleet has no deployments; give it at least one under `deployments`"),
    (
        fleet({"name": "a", "weight": -1.0}),
        "deployments.a.weight is -1; allowed is 0 (drained) to 1,000,000; only the proportion between members matters",
    ),
    (fleet({"name": "a", "pools": ["x"]}), f'deployments.a.pools refers to pool "x", {UNBOUND}'),
    (fleet(A, A), 'deployment "a" is declared twice; names must be unique'),
    (
        fleet({"name": "a", "capabilities": ["magic"]}),
        f'deployments.a.capabilities is "magic"; allowed are {CAPABILITIES}',
    ),
    (
        fleet(A, pools=[pool("x", rpm=0)]),
        "pools.x.rpm: limit 0: a quota admits at least 1; to drain a deployment set its weight to 0",
    ),
    (fleet(A, groups=[{"name": "g", "members": []}]), "groups.g.members is []; allowed is at least one member"),
    (fleet(A, groups=[{"name": "g", "members": ["z"]}]), f'groups.g.members refers to deployment "z", {UNBOUND}'),
]


@pytest.mark.parametrize(("compiled", "message"), WRONG_FLEETS, ids=range(len(WRONG_FLEETS)))
def test_a_wrong_fleet_is_a_config_error_that_names_the_place(compiled: bytes, message: str) -> None:
    endpoints = ["e"] * compiled.count(b'"provider"')
    for make in (_core.check_fleet, lambda wrong: _core.Router(wrong, endpoints)):
        with pytest.raises(ConfigError) as caught:
            make(compiled)
        assert str(caught.value) == message
        assert caught.value.problems == (message,)


def test_an_unknown_key_of_a_fleet_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown field `colour`"):
        _core.check_fleet(fleet({"name": "a", "colour": "red"}))


def test_each_deployment_has_one_endpoint() -> None:
    with pytest.raises(ConfigError) as caught:
        _core.Router(fleet(A, B), ["only one"])
    assert str(caught.value) == "endpoints has 1 entries; allowed is one per deployment, 2"


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_a_manual_clock_never_goes_back(seconds: float) -> None:
    clock = ManualClock(5.0)
    with pytest.raises(ValueError, match="allowed is 0 or more: this clock never goes back"):
        clock.advance(seconds)
    clock.advance(1.5)
    assert clock.now_s() == 6.5


def test_a_breaker_is_set_by_words(router_of: RouterOf) -> None:
    router = router_of(A, B)
    with pytest.raises(ValueError, match=r'^no deployment is called "z"$'):
        router.set_breaker("z", "open")
    with pytest.raises(ValueError, match=r'^state is "ajar"; allowed are open, close, reset$'):
        router.set_breaker("a", "ajar")
    with pytest.raises(ValueError, match=r'^no deployment is called "z"$'):
        router.expected_first_content_s("z")
    router.set_breaker("a", "open")
    assert {router.reserve("all").deployment for _ in range(20)} == {"b"}
