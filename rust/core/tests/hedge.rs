//! Hedges: when, where, and how many.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

mod common;

use common::{ALL, chosen, counter, deployment, failed, fleet, plain, pool, router, secs, state_of, verdicts};
use junctor_core::decision::Why;
use junctor_core::outcome::{Ending, Outcome};
use junctor_core::request::{Needs, Request};
use junctor_core::reservation::Reservation;
use junctor_core::router::Router;
use junctor_core::rules::Flag;
use junctor_core::units::Nanos;
use proptest::prelude::*;
use serde_json::{Value, json};

const T: Nanos = Nanos::from_secs(1_000);
const BEATEN: Outcome<'static> = Outcome { beaten: true, ..Outcome::bare(Ending::Cancelled { sent: true }) };

fn hedged(deployments: &[Value]) -> Router {
    let names: Vec<_> = deployments.iter().map(|deployment| deployment["name"].clone()).collect();
    let groups = json!([{"name": "all", "members": names, "hedge": true}]);
    router(deployments, json!({"groups": groups}))
}

/// A streamed request for the group.
fn streamed() -> Request<'static> {
    Request { needs: Needs::NONE.with(Flag::Streaming), ..ALL }
}

fn streaming(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| deployment(name, json!({"capabilities": ["streaming"]}))).collect()
}

/// Opens a breaker by five failures in a row.
fn trip(router: &Router, name: &'static str, now: Nanos) {
    (0..5).for_each(|seed| {
        router.reserve(&Request::plain(name), now, seed).unwrap().settle(failed(), now);
    });
    assert_eq!(state_of(router, name, now).breaker, "open");
}

fn answer(after: Nanos, tokens: u64) -> Outcome<'static> {
    Outcome {
        output_tokens: Some(tokens),
        input_tokens: Some(1),
        first_content: Some(after),
        ..Outcome::bare(Ending::Succeeded)
    }
}

/// Teaches the whole group that first contents come after `after_s`.
fn teach(router: &Router, after_s: f64, times: u64) {
    for seed in 0..times {
        let mut made = router.reserve(&streamed(), T, seed).unwrap();
        made.settle(answer(secs(after_s), 10), T + secs(after_s));
    }
}

fn wait(made: &Reservation) -> Option<f64> {
    made.hedge_after(made.decision().at).map(Nanos::as_secs_f64)
}

fn close(left: Option<f64>, right: f64) -> bool {
    left.is_some_and(|left| (left - right).abs() < 0.02 * right)
}

// ---- when ----

#[test]
fn only_a_group_that_asks_for_it_and_has_somebody_else_hedges() {
    let waits = |router: &Router, asked: &'static str| wait(&router.reserve(&Request::plain(asked), T, 0).unwrap());
    let two = hedged(&plain(&["a", "b"]));
    assert!(waits(&two, "all").is_some());
    assert_eq!(waits(&two, "a"), None, "asked for by its own name");
    assert_eq!(waits(&two, "acme/one"), None, "asked for by its model");
    assert_eq!(waits(&hedged(&plain(&["a"])), "all"), None, "nobody else");
    assert_eq!(waits(&router(&plain(&["a", "b"]), json!({})), "all"), None, "off by default");
}

#[test]
fn before_anything_is_known_the_wait_is_four_times_the_prior_between_half_a_second_and_ten() {
    for (prior_s, expected_s) in [(0.05, 0.5), (0.125, 0.5), (0.8, 3.2), (2.5, 10.0), (30.0, 10.0)] {
        let with = |name| deployment(name, json!({"capabilities": ["streaming"], "latency_prior_s": prior_s}));
        let made = hedged(&[with("a"), with("b")]).reserve(&streamed(), T, 0).unwrap();
        assert!(close(wait(&made), expected_s), "{:?} for a prior of {prior_s} s", wait(&made));
    }
}

#[test]
fn the_wait_follows_what_is_usual_at_the_deployment() {
    let router = hedged(&streaming(&["a", "b"]));
    teach(&router, 0.4, 200);
    let made = router.reserve(&streamed(), T + secs(1.0), 0).unwrap();
    assert!(close(wait(&made), 1.6), "{:?}", wait(&made));
}

#[test]
fn the_wait_is_at_least_what_nineteen_in_twenty_of_the_group_need() {
    // One in seven takes 9 s, too few to move the usual time that far and enough to be no surprise.
    let router = hedged(&streaming(&["a", "b"]));
    for round in 0..200_u64 {
        teach(&router, if round.is_multiple_of(7) { 9.0 } else { 0.3 }, 1);
    }
    let made = router.reserve(&streamed(), T + secs(10.0), 0).unwrap();
    assert!((8.0..=10.0).contains(&wait(&made).unwrap()), "{:?}", wait(&made));
}

#[test]
fn an_answer_in_one_piece_is_given_the_time_to_write_it() {
    let router = hedged(&plain(&["a", "b"]));
    let waits = |output_tokens| wait(&router.reserve(&Request { output_tokens, ..ALL }, T, 0).unwrap());
    assert!(close(waits(Some(1)), 3.2), "{:?}", waits(Some(1)));
    assert!(close(waits(Some(100)), 3.2 + 0.8 * 2.0), "{:?}", waits(Some(100)));
    assert!(close(waits(None), 3.2 + 0.8 * 512.0 / 50.0), "{:?}", waits(None));
    for seed in 0..40 {
        router.reserve(&ALL, T, seed).unwrap().settle(answer(secs(0.8), 200), T + secs(4.0));
    }
    assert!(close(waits(None), 3.2 + 0.8 * 4.0), "the length is learned: {:?}", waits(None));
}

#[test]
fn losers_do_not_pull_the_wait_down() {
    // All that is slower than the wait is cut off: the percentile must not sink to where hedges begin.
    let router = hedged(&streaming(&["a", "b"]));
    teach(&router, 2.0, 100);
    let before = wait(&router.reserve(&streamed(), T + secs(3.0), 0).unwrap()).unwrap();
    for seed in 0..100 {
        let now = T + secs(3.0);
        let mut loser = router.reserve(&streamed(), now, seed).unwrap();
        loser.settle(BEATEN, now + secs(9.0));
    }
    let after = wait(&router.reserve(&streamed(), T + secs(13.0), 0).unwrap()).unwrap();
    assert!(after >= before, "{after} after {before}");
}

#[test]
fn a_fallback_group_and_a_hedge_are_not_hedged() {
    let groups = json!([
        {"name": "all", "members": ["a", "b"], "fallback": ["small"], "hedge": true},
        {"name": "small", "members": ["c", "d"], "hedge": true},
    ]);
    let router = router(&plain(&["a", "b", "c", "d"]), json!({"groups": groups}));
    let hedge = router.reserve(&Request { spare: true, ..ALL }, T, 0).unwrap();
    assert_eq!(wait(&hedge), None);
    trip(&router, "a", T);
    trip(&router, "b", T);
    let downgraded = router.reserve(&ALL, T, 0).unwrap();
    assert!(downgraded.decision().is_downgrade());
    assert_eq!(wait(&downgraded), None);
    assert!(wait(&router.reserve(&Request::plain("small"), T, 0).unwrap()).is_some(), "asked for, it is no downgrade");
}

// ---- where ----

#[test]
fn a_hedge_goes_to_another_deployment_of_the_asked_group_or_nowhere() {
    let groups = json!([
        {"name": "all", "members": ["a", "b"], "fallback": ["small"], "hedge": true},
        {"name": "small", "members": ["c"]},
    ]);
    let router = router(&plain(&["a", "b", "c"]), json!({"groups": groups}));
    for seed in 0..100 {
        let first = router.reserve(&ALL, T, seed).unwrap();
        let tried = [chosen(&first)];
        let tried = tried.each_ref().map(String::as_str);
        let hedge = router.reserve(&Request { spare: true, tried: &tried, ..ALL }, T, seed).unwrap();
        assert_ne!(chosen(&hedge), tried[0]);
        assert_ne!(chosen(&hedge), "c");
        assert!(hedge.decision().hedge && !first.decision().hedge);
    }
    let both = Request { spare: true, tried: &["a", "b"], ..ALL };
    let before = (counter(&router, "refused"), counter(&router, "no_capacity"));
    assert_eq!(router.reserve(&both, T, 0).err().unwrap().why, Why::Refused);
    assert_eq!((counter(&router, "refused"), counter(&router, "no_capacity")), before, "no request was turned away");
    assert!(router.reserve(&Request { tried: &["a", "b"], ..ALL }, T, 0).is_ok(), "another attempt may go to c");
}

#[test]
fn a_hedge_needs_room_for_two() {
    for dimension in ["rpm", "tpm", "concurrency"] {
        let limit = if dimension == "tpm" { 300 } else { 3 };
        let with = |name| deployment(name, json!({"pools": [name]}));
        let pools = [pool("a", &[(dimension, limit)]), pool("b", &[(dimension, limit)])];
        let router = router(&[with("a"), with("b")], json!({"pools": pools}));
        let spare = Request { input_tokens: 90, output_tokens: Some(10), spare: true, tried: &["a"], ..ALL };
        let plain = Request { spare: false, ..spare.clone() };
        let first = router.reserve(&spare, T, 0).unwrap();
        let second = router.reserve(&spare, T, 1).unwrap();
        assert!(router.reserve(&spare, T, 2).is_err(), "room for one {dimension} is left: for a request");
        let third = router.reserve(&plain, T, 3).unwrap();
        drop((first, second, third));
    }
}

#[test]
fn a_hedge_is_never_a_probe() {
    let router = hedged(&plain(&["a", "b"]));
    trip(&router, "b", T);
    let spare = Request { spare: true, tried: &["a"], ..ALL };
    assert!(router.reserve(&spare, T, 0).is_err(), "no last resort");
    assert_eq!(counter(&router, "forced_probe"), 0);
    let later = T + secs(31.0);
    let denied = router.reserve(&spare, later, 0).err().unwrap();
    assert_eq!(verdicts(&router, &denied.decision)["b"], "breaker_open");
    assert_eq!(state_of(&router, "b", later).breaker, "open", "the probe is left to a request");
    let probe = router.reserve(&Request { tried: &["a"], ..ALL }, later, 0).unwrap();
    assert_eq!(state_of(&router, "b", later).breaker, "half_open");
    assert!(router.reserve(&spare, later, 0).is_err(), "nor beside a probe");
    drop(probe);
}

#[test]
fn the_law_holds_for_hedges() {
    let clause = json!([{"when": {"attribute": "data", "one_of": ["eu"]}, "require": {"region": ["eu"]}}]);
    let with = |name, region| deployment(name, json!({"region": region}));
    let groups = json!([{"name": "all", "members": ["a", "b", "c"], "hedge": true}]);
    let deployments = [with("a", "eu"), with("b", "us"), with("c", "eu")];
    let router = router(&deployments, json!({"compliance": clause, "groups": groups}));
    for seed in 0..50 {
        let spare = Request { spare: true, tried: &["a"], tags: &[("data", "eu")], ..ALL };
        assert_eq!(chosen(&router.reserve(&spare, T, seed).unwrap()), "c");
    }
}

#[test]
fn a_hedges_decision_can_be_made_again() {
    let router = hedged(&plain(&["a", "b", "c"]));
    let spare = Request { spare: true, tried: &["a"], ..ALL };
    let made = router.reserve(&spare, T, 5).unwrap();
    let again = router.replay(&spare, T, 5, &made.decision().log).unwrap();
    assert_eq!((again.deployment, again.hedge), (made.decision().deployment, true));
}

// ---- how many, and what they cost ----

#[test]
fn hedges_are_one_in_twenty_calls_and_start_with_none() {
    let router = hedged(&plain(&["a", "b"]));
    assert!(!router.try_hedge(T), "nothing to start with");
    let hedges = (0..2_000_u64).filter(|call| {
        let now = T + Nanos::from_millis(call * 100);
        router.note_call(now);
        router.try_hedge(now)
    });
    assert_eq!(hedges.count(), 100);
    assert_eq!(counter(&router, "hedged"), 100);
    assert_eq!(counter(&router, "hedge_denied"), 1_901);
    let fresh = Router::new(&fleet(&plain(&["a", "b"]), json!({}))).unwrap();
    (0..2_000).for_each(|_| _ = fresh.note_call(T));
    assert!(!fresh.try_hedge(T), "no group hedges, so nothing is saved up for it");
}

#[test]
fn what_a_beaten_attempt_used_is_waste_and_its_deployment_is_shown_the_next_less() {
    let with = |name| deployment(name, json!({"price": {"input": 1_000_000, "output": 10_000_000}}));
    let router = hedged(&[with("a"), with("b")]);
    let request = Request { input_tokens: 100, output_tokens: Some(50), tried: &["b"], ..ALL };
    let mut beaten = router.reserve(&request, T, 0).unwrap();
    let mut won = router.reserve(&Request { spare: true, tried: &["a"], ..request }, T + secs(3.0), 0).unwrap();
    won.first_content(T + secs(4.0));
    assert_eq!(counter(&router, "hedge_won"), 1);
    let cost = beaten.settle(Outcome { output_tokens: Some(0), ..BEATEN }, T + secs(4.0)).cost;
    beaten.settle(BEATEN, T + secs(5.0));
    won.settle(answer(secs(1.0), 5), T + secs(5.0));
    assert_eq!(cost, 100);
    assert_eq!((counter(&router, "hedge_waste_tokens"), counter(&router, "hedge_waste_usd_micros")), (100, 100));
    assert_eq!(counter(&router, "hedge_won"), 1, "counted at its first content, not again at its end");
    let (a, b) = (state_of(&router, "a", T + secs(5.0)), state_of(&router, "b", T + secs(5.0)));
    assert!(a.success < b.success && a.failed == 0 && a.breaker == "closed");
    assert_eq!((a.in_flight, b.in_flight), (0, 0));
}

proptest! {
    /// C16: whatever the traffic, hedges are at most one in twenty calls.
    #[test]
    fn no_traffic_pays_for_more_than_one_hedge_in_twenty_calls(gaps in prop::collection::vec(0..3_000_u64, 1..400)) {
        let router = hedged(&plain(&["a", "b"]));
        let (mut now, mut hedges) = (T, 0);
        for gap in &gaps {
            now = now + Nanos::from_millis(*gap);
            router.note_call(now);
            hedges += usize::from(router.try_hedge(now)) + usize::from(router.try_hedge(now));
        }
        prop_assert!(hedges * 20 <= gaps.len(), "{hedges} of {}", gaps.len());
    }
}
