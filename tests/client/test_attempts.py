"""The plan of attempts: arithmetic only."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from junctor import attempts
from junctor.failures import KINDS, Failure, Kind
from junctor.request import Endpoint

ENDPOINT = Endpoint(
    deployment="a", provider="p", adapter="openai", model="m", base_url="http://a.invalid", first_content_timeout_s=20.0
)


def test_every_kind_follows_the_one_table() -> None:
    """`next` of `failures.KINDS` decides while attempts and time are left."""
    for kind, meaning in KINDS.items():
        failure = Failure(kind=kind, message="")
        assert attempts.next_step(failure, made=1, remaining_s=10.0) == meaning.next


def test_no_attempt_after_the_third_or_without_time() -> None:
    """SPEC A5's bounds."""
    failure = Failure(kind="server", message="")
    assert attempts.next_step(failure, made=2, remaining_s=10.0) == "elsewhere"
    assert attempts.next_step(failure, made=3, remaining_s=10.0) == "stop"
    assert attempts.next_step(failure, made=1, remaining_s=0.09) == "stop"
    assert attempts.next_step(failure, made=1, remaining_s=10.0, limit=1) == "stop"


@given(st.floats(0, 100), st.floats(0, 1, exclude_max=True), st.floats(-1, 100))
def test_a_wait_for_capacity_never_exceeds_what_is_left(retry_after_s: float, draw: float, left_s: float) -> None:
    """B50: no wait outlives the deadline; and none is so short that it spins."""
    wait_s = attempts.capacity_wait_s(retry_after_s, draw=draw, left_s=left_s)
    if wait_s is None:
        assert retry_after_s > left_s or left_s < attempts.MIN_WAIT_S
    else:
        assert attempts.MIN_WAIT_S <= wait_s <= left_s


def test_waits_are_spread_by_a_quarter() -> None:
    """Callers that were refused together do not come back together."""
    ends = [attempts.capacity_wait_s(1.0, draw=draw, left_s=2.0) for draw in (0.0, 0.5, 1.0)]
    assert ends == [0.75, 1.0, 1.25]


def test_nonsense_from_elsewhere_does_not_become_a_wait() -> None:
    """NaN compares to nothing."""
    assert attempts.capacity_wait_s(float("nan"), draw=0.5, left_s=2.0) is None
    assert attempts.capacity_wait_s(float("inf"), draw=0.5, left_s=2.0) is None


def test_an_attempt_must_be_worth_its_delay() -> None:
    """C17: never sleep past the deadline."""
    assert attempts.affordable(1.0, remaining_s=1.1)
    assert not attempts.affordable(1.0, remaining_s=1.09)


def test_a_deployment_is_asked_only_while_it_may_still_answer() -> None:
    """At least half of what it usually needs, and never under 100 ms."""
    assert attempts.too_slow(0.8, remaining_s=0.39)
    assert not attempts.too_slow(0.8, remaining_s=0.4)
    assert attempts.too_slow(0.0, remaining_s=0.09)


def test_a_whole_answer_has_the_time_to_be_written() -> None:
    """First content plus the tokens at the slowest rate we believe in."""
    assert attempts.whole_answer_timeout_s(ENDPOINT, 100, remaining_s=1e9) == 25.0
    assert attempts.whole_answer_timeout_s(ENDPOINT, None, remaining_s=1e9) == 20.0 + 8192 / 20
    assert attempts.whole_answer_timeout_s(ENDPOINT, 10**9, remaining_s=1e9) == 20.0 + 8192 / 20


def test_a_silent_attempt_leaves_time_for_the_next_one() -> None:
    """Half of what is left, but never less than the deployment's own time, and all of it to the last attempt."""
    assert attempts.whole_answer_timeout_s(ENDPOINT, None, remaining_s=300.0) == 150.0
    assert attempts.whole_answer_timeout_s(ENDPOINT, None, remaining_s=300.0, last=True) == 300.0
    assert attempts.whole_answer_timeout_s(ENDPOINT, None, remaining_s=30.0) == 20.0
    assert attempts.whole_answer_timeout_s(ENDPOINT, None, remaining_s=2.0) == 2.0


def test_an_impatient_caller_is_nobodys_ill_health() -> None:
    """A deadline shorter than the deployment's own time says nothing about it."""
    assert attempts.deadline_outcome(19.9, ENDPOINT) == "cancelled"
    assert attempts.deadline_outcome(20.0, ENDPOINT) == "timeout"


def test_a_plan_remembers_each_deployment_once() -> None:
    """`tried` is what the gate leaves out next."""
    plan = attempts.Plan()
    kinds: list[Kind] = ["server", "timeout"]
    for kind in kinds:
        plan.failed(Failure(kind=kind, message=""), deployment="a", provider="p")
    assert plan.tried == ["a"]
    assert plan.last is not None
    assert plan.last.kind == "timeout"
