"""Reservations: what they carry, and that leaving one in whatever way gives back what it held."""

from __future__ import annotations

import threading
from typing import get_args

import msgspec
import pytest

from junctor import Router, _core
from junctor._core import ManualClock
from junctor.exceptions import ConfigError, InvalidRequest, NoCapacity, Refused, TooLarge
from junctor.failures import KINDS, Kind
from junctor.receipts import Decision, Receipt
from junctor.request import Endpoint
from tests.core.conftest import PRICED, A, B, RouterOf, fleet, pool


def test_a_reservation_says_where_to_go(router_of: RouterOf) -> None:
    router = router_of(
        {"name": "a", "model": "acme/big"},
        B,
        groups=[{"name": "top", "members": ["a"], "fallback": ["low"]}, {"name": "low", "members": ["b"]}],
        rules=[{"name": "short", "action": {"use": "top", "max_tokens": 64, "effort": "low"}}],
    )
    first = router.reserve()
    assert (first.deployment, first.provider, first.model) == ("a", "acme", "acme/big")
    assert (first.endpoint, first.group, first.downgrade) == ("endpoint of a", "top", False)
    assert (first.max_output_tokens, first.effort, first.held) == (64, "low", True)
    assert repr(first) == 'Reservation("a", group="top", held)'
    first.settle("rate_limit", retry_after_s=9.0)
    assert repr(first) == 'Reservation("a", group="top", settled)'
    second = router.reserve("auto")
    assert (second.deployment, second.endpoint, second.group, second.downgrade) == ("b", "endpoint of b", "low", True)
    second.cancel(sent=False)


def test_leaving_without_a_settlement_counts_as_abandoned(router_of: RouterOf) -> None:
    router = router_of(PRICED, pools=[pool("a", rpm=60, tpm=60_000)])
    with pytest.raises(KeyError), router.reserve("all", input_tokens=100, output_tokens=50) as reservation:
        raise KeyError("the caller's own")
    assert not reservation.held
    assert reservation.receipt.attempts[0].outcome == "abandoned"
    state = router.snapshot()
    assert state["deployments"]["a"]["in_flight"] == 0
    assert state["deployments"]["a"]["breaker"] == "closed"
    assert state["counters"]["abandoned"] == 1
    assert state["pools"]["a"]["tpm"]["level"] == 60_000 - 150, "it may have been sent"


def test_a_settlement_inside_the_block_stands(router_of: RouterOf) -> None:
    router = router_of(PRICED, pools=[pool("a", tpm=60_000)])
    with router.reserve("all", input_tokens=100, output_tokens=50) as reservation:
        assert reservation.settle(input_tokens=90, output_tokens=5) == 100
    assert reservation.receipt.attempts[0].outcome == "ok"
    assert router.snapshot()["counters"]["abandoned"] == 0


def test_only_the_first_settlement_counts(router_of: RouterOf) -> None:
    router = router_of(PRICED, pools=[pool("a", rpm=60, tpm=60_000)])
    reservation = router.reserve("all", input_tokens=100, output_tokens=50)
    assert reservation.settle(input_tokens=10, output_tokens=5) == 20
    before = router.snapshot()
    assert reservation.settle("server", input_tokens=999_999) == 20
    reservation.cancel(sent=False)
    assert router.snapshot() == before


def test_what_never_left_costs_nothing(router_of: RouterOf) -> None:
    router = router_of(PRICED, pools=[pool("a", rpm=60, tpm=60_000)])
    before = router.snapshot()["pools"]
    router.reserve("all", input_tokens=100, output_tokens=50).cancel(sent=False)
    assert router.snapshot()["pools"] == before


def test_forgetting_a_reservation_gives_it_up(router_of: RouterOf) -> None:
    router = router_of(A)
    reservation = router.reserve("all")
    assert router.snapshot()["deployments"]["a"]["in_flight"] == 1
    del reservation
    assert router.snapshot()["deployments"]["a"]["in_flight"] == 0


def test_refusals_carry_their_reasons_and_a_receipt(router_of: RouterOf) -> None:
    router = router_of({"name": "a", "region": "us"}, {"name": "b", "region": "us"})
    with pytest.raises(Refused) as caught:
        router.reserve("all", regions=["eu"])
    assert str(caught.value) == 'no deployment may take this request for "all" (2 × region)'
    assert caught.value.refusals == {"a": "region", "b": "region"}
    assert caught.value.receipt is not None
    assert caught.value.receipt.decision is not None
    assert {candidate.verdict for candidate in caught.value.receipt.decision.candidates} == {"region"}
    assert caught.value.receipt.attempts == ()


def test_no_capacity_says_when_and_keeps_its_word(router_of: RouterOf, clock: ManualClock) -> None:
    router = router_of(PRICED, pools=[pool("a", rpm=60)])
    held = [router.reserve("all") for _ in range(60)]
    with pytest.raises(NoCapacity) as caught:
        router.reserve("all")
    assert caught.value.retry_after_s == pytest.approx(1.0)
    assert caught.value.refusals == {"a": "limit: rpm of pool a, room in 1.0 s"}
    assert not isinstance(caught.value, Refused)
    clock.advance(caught.value.retry_after_s)
    held.append(router.reserve("all"))
    assert len(held) == 61


def test_too_large_is_said_at_once(router_of: RouterOf) -> None:
    router = router_of(PRICED, pools=[pool("a", tpm=1_000)])
    with pytest.raises(TooLarge) as caught:
        router.reserve("all", input_tokens=1_001, output_tokens=0)
    assert caught.value.refusals == {"a": "too_large: more than the whole tpm of pool a"}


def test_the_table_of_failures_and_the_core_agree() -> None:
    assert set(KINDS) == set(get_args(Kind))
    for kind, meaning in KINDS.items():
        assert _core.health_of(kind) == meaning.health, kind
    assert {_core.health_of(word) for word in ("ok", "cancelled", "abandoned")} == {"none"}
    with pytest.raises(ValueError, match=r'^"nope" is no outcome; allowed are ok, cancelled and the failure kinds$'):
        _core.health_of("nope")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_failure_does_to_the_deployment_what_the_table_says(router_of: RouterOf, kind: str) -> None:
    router = router_of(A, B)
    router.reserve("all", tried=["b"]).settle(kind)
    state = router.snapshot()["deployments"]["a"]
    health = _core.health_of(kind)
    assert (state["breaker"] == "open", state["failed"]) == (health == "config", int(health in ("hard", "config")))
    assert (state["held_s"] > 0, state["exhausted"]) == (health in ("throttled", "exhausted"), health == "exhausted")
    assert (state["success"] < 1) == (health == "hard")


def test_a_receipt_is_data_that_survives_json(router_of: RouterOf, clock: ManualClock) -> None:
    router = router_of(PRICED, B, pools=[pool("a", tpm=60_000)])
    reservation = router.reserve("all", input_tokens=100, output_tokens=50, tags={"task": "chat"}, tried=["b"])
    clock.advance(0.5)
    reservation.first_content()
    clock.advance(1.5)
    reservation.settle(input_tokens=90, output_tokens=5)
    receipt = reservation.receipt
    assert isinstance(receipt, Receipt)
    assert Receipt.from_json(receipt.to_json()) == receipt
    (attempt,) = receipt.attempts
    assert (attempt.deployment, attempt.outcome, attempt.started_s) == ("a", "ok", 1_000.0)
    assert (attempt.first_content_s, attempt.duration_s) == (0.5, 2.0)
    assert (attempt.settled, attempt.decision.held) == ({"a.tpm": 95}, {"a.tpm": 150})
    assert (receipt.cost_usd_micros, receipt.deployment, receipt.downgrade) == (100, "a", False)
    assert attempt.decision.config_hash == "c0ffee"


def test_a_receipt_from_a_log_is_replayed_by_another_router_of_the_same_fleet(router_of: RouterOf) -> None:
    with router_of(A, B).reserve("all", tags={"task": "chat"}, seed=7) as reservation:
        line = reservation.receipt.to_json()
    receipt = Receipt.from_json(line.decode())
    assert router_of(A, B).replay(receipt) == receipt.decision


@pytest.mark.parametrize("line", ["", "{", "[]", '{"attempts": 3}'])
def test_what_is_no_receipt_is_a_value_error(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the decoder's own words
        Receipt.from_json(line)


def decision_of(receipt: Receipt | None) -> Decision:
    assert receipt is not None
    assert receipt.decision is not None
    return receipt.decision


def decisions(router_of: RouterOf, clock: ManualClock) -> tuple[Router, list[Decision]]:
    """A hundred decisions of a router with everything: limits, holds, open breakers, sessions, denials."""
    router = router_of(
        {"name": "a", "pools": ["org", "a"], "accounting": {"output": "learned"}, "price": {"output": 1_000_000}},
        {"name": "b", "pools": ["org"]},
        {"name": "c", "region": "eu"},
        pools=[pool("org", rpm=600), pool("a", tpm=60_000, rpm=30)],
    )
    made = []
    outcomes = ["ok", "ok", "server", "rate_limit", "ok", "timeout", "auth"]
    for at in range(100):
        clock.advance(0.7)
        try:
            reservation = router.reserve(
                "all",
                # Now and then nearly all of one pool, so that the next such call finds its second limit full.
                input_tokens=59_000 if at % 9 < 2 else at * 20,
                tried=["b", "c"] if at % 9 < 2 else None,
                affinity=f"s{at % 7}" if at % 3 else None,
                regions=["eu"] if at % 11 == 0 else None,
            )
        except (NoCapacity, Refused) as denied:
            made.append(decision_of(denied.receipt))
            continue
        made.append(decision_of(reservation.receipt))
        reservation.settle(outcomes[at % 7], output_tokens=10, first_token_s=0.1 + at / 100)
    return router, made


def test_every_decision_is_made_again_from_its_receipt(router_of: RouterOf, clock: ManualClock) -> None:
    router, made = decisions(router_of, clock)
    assert [router.replay(decision) for decision in made] == made
    denied = sum(decision.deployment is None for decision in made)
    assert 0 < denied < len(made)


def test_a_denial_can_be_made_again_from_its_receipt(router_of: RouterOf) -> None:
    router = router_of(A, B)
    with pytest.raises(Refused) as caught:
        router.reserve("all", tried=["a", "b"])
    made = decision_of(caught.value.receipt)
    assert router.replay(made) == made


def test_a_replay_under_another_config_is_refused(router_of: RouterOf) -> None:
    router = router_of(A)
    with router.reserve("all") as reservation:
        receipt = reservation.receipt
    router.reload(fleet(A, config_hash="beef"), ["e"])
    with pytest.raises(InvalidRequest, match=r"^the decision was made under config c0ffee; this router has beef$"):
        router.replay(receipt)
    with pytest.raises(InvalidRequest, match=r"^this receipt holds no decision to replay"):
        router.replay(Receipt())


def test_equal_seeds_make_equal_decisions(router_of: RouterOf) -> None:
    def names() -> list[str]:
        router = router_of(A, B, {"name": "c"})
        return [router.reserve("all").deployment for _ in range(50)]

    assert names() == names()
    router = router_of(A, B, {"name": "c"})
    assert len({router.explain("all", seed=7).deployment for _ in range(20)}) == 1


def test_a_reload_swaps_endpoints_and_keeps_levels(router_of: RouterOf) -> None:
    router = router_of(PRICED, B, pools=[pool("a", tpm=60_000)])
    held = router.reserve("a", input_tokens=100, output_tokens=0)
    router.reload(fleet(PRICED, {"name": "new"}, pools=[pool("a", tpm=60_000)]), ["fresh a", "fresh new"])
    assert router.snapshot()["pools"]["a"]["tpm"]["level"] == 60_000 - 100
    assert held.endpoint == "endpoint of a", "what is in flight keeps its own"
    assert held.settle(input_tokens=100, output_tokens=0) == 100
    assert router.reserve("a").endpoint == "fresh a"
    assert router.reserve("new").endpoint == "fresh new"
    with pytest.raises(InvalidRequest, match='nothing is called "b"'):
        router.reserve("b")
    with pytest.raises(ValueError, match="no deployments"):
        router.reload(b"{}", [])
    assert router.config_hash == "c0ffee"


def test_threads_admit_exactly_the_limit(router_of: RouterOf) -> None:
    router = router_of(PRICED, pools=[pool("a", rpm=100, tpm=600_000)])
    admitted: list[_core.Reservation] = []
    barrier = threading.Barrier(8)

    def storm() -> None:
        barrier.wait()
        for _ in range(125):
            try:
                admitted.append(router.reserve("all", input_tokens=10, output_tokens=0))
            except NoCapacity:
                continue

    run_threads(storm)
    assert len(admitted) == 100
    assert router.snapshot()["deployments"]["a"]["in_flight"] == 100


def test_threads_leave_nothing_in_flight(router_of: RouterOf) -> None:
    router = router_of(PRICED, B, pools=[pool("a", concurrency=1_000, tpm=6_000_000)])
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        for at in range(500):
            with router.reserve("all", input_tokens=10, output_tokens=10) as reservation:
                if at % 5:
                    reservation.settle(input_tokens=0, output_tokens=0)
                else:
                    reservation.cancel(sent=False)

    run_threads(work)
    state = router.snapshot()
    assert [deployment["in_flight"] for deployment in state["deployments"].values()] == [0, 0]
    assert sum(deployment["attempts"] for deployment in state["deployments"].values()) == 8 * 500
    assert {name: limit["level"] for name, limit in state["pools"]["a"].items()} == {
        "concurrency": 1_000,
        "tpm": 6_000_000,
    }


def run_threads(work: object) -> None:
    assert callable(work)
    raised: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raised == []


def test_the_retry_budget_is_a_fifth_and_shared(router_of: RouterOf, clock: ManualClock) -> None:
    router = router_of(A)
    for _ in range(1_000):
        clock.advance(0.001)
        router.note_call()
    taken = sum(router.try_retry() for _ in range(1_000))
    # A fifth of a thousand, less the tenth by which past seconds fade.
    assert 175 <= taken <= 203
    counters = router.snapshot()["counters"]
    assert (counters["retried"], counters["retry_denied"]) == (taken, 1_000 - taken)


def test_delays_keep_their_bounds(router_of: RouterOf) -> None:
    router = router_of(A)
    elsewhere = [router.retry_delay_s(same_deployment=False, attempt=0, seed=seed) for seed in range(200)]
    here = [router.retry_delay_s(same_deployment=True, attempt=1, seed=seed) for seed in range(200)]
    hinted = [router.retry_delay_s(same_deployment=True, attempt=0, hint_s=4.0, seed=seed) for seed in range(200)]
    assert 0 <= min(elsewhere) < max(elsewhere) < 0.05
    assert 0.75 <= min(here) < max(here) <= 1.25
    assert 4.0 <= min(hinted) < max(hinted) <= 5.0


def test_an_estimate_becomes_tokens_of_each_deployment(router_of: RouterOf) -> None:
    """A tokenizer that makes 1.43 times as many tokens holds as many; a count is held as it is."""
    router = router_of(
        {**A, "pools": ["a"]},
        {**B, "pools": ["b"], "tokens_permille": 1_430},
        pools=[pool("a", input_tpm=10_000), pool("b", input_tpm=10_000)],
    )
    for deployment, estimated, held in (("a", True, 1_000), ("b", True, 1_430), ("b", False, 1_000)):
        with router.reserve(deployment, input_tokens=1_000, estimated=estimated) as reservation:
            decision = decision_of(reservation.receipt)
            assert decision.held == {f"{deployment}.input_tpm": held}
            assert router.replay(decision) == decision


def test_an_estimate_is_gated_by_the_tokens_it_is_there(router_of: RouterOf) -> None:
    """Of two deployments with the same context, the one whose tokenizer makes more of the prompt is ruled out."""
    context = {"context_tokens": 1_000}
    router = router_of({**A, **context}, {**B, **context, "tokens_permille": 1_430})
    with router.reserve("all", input_tokens=800, estimated=True) as reservation:
        assert reservation.deployment == "a"
    with pytest.raises(Refused) as caught:
        router.reserve("b", input_tokens=800, estimated=True)
    assert "b" in caught.value.refusals
    with router.reserve("b", input_tokens=800) as reservation:
        assert reservation.deployment == "b"


def test_a_tokenizer_makes_something_of_every_text(router_of: RouterOf) -> None:
    """A factor of nothing would admit any prompt anywhere."""
    with pytest.raises(ConfigError, match=r"deployments\.a\.tokens_permille is 0; allowed is 1 to 65,535"):
        router_of({**A, "tokens_permille": 0})


def test_a_receipt_names_the_end_of_a_model_that_its_endpoint_knows_of(router_of: RouterOf) -> None:
    ending = Endpoint(
        deployment="a", provider="acme", adapter="openai", model="m", base_url="http://127.0.0.1:1",
        model_status="deprecated: retires 2026-12-01",
    )  # fmt: skip
    told = [ending, msgspec.structs.replace(ending, model_status=""), "an object of one's own"]
    router = router_of(A, B, {"name": "c"}, endpoints=told)
    found = {}
    for name in ("a", "b", "c"):
        reservation = router.reserve(name)
        reservation.settle()
        found[name] = reservation.receipt.attempts[0].model_status
    assert found == {"a": "deprecated: retires 2026-12-01", "b": "", "c": ""}
