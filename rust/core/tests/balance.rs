//! Adaptive and weighted: what that means as shares of traffic, and what becomes of it when providers misbehave.
//!
//! The world of the scenarios is SPEC's: ten deployments with quotas 4 × 1.2, 3 × 0.6 and 3 × 0.3 million tokens a
//! minute, 60 % load, and the first one (16 % of the capacity) ails for two minutes. Time is virtual.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

mod common;

use std::collections::BTreeMap;

use common::{
    ALL, counter, deployment, failed, fleet, good, plain, reserve_at, router, secs, state_of, throttled, told, trip,
};
use junctor_core::draw::Draw;
use junctor_core::outcome::{Ending, Fault as Ill, Outcome};
use junctor_core::request::Request;
use junctor_core::reservation::Reservation;
use junctor_core::router::Router;
use junctor_core::units::Nanos;
use junctor_sim::scenario::{FAIR, ailing_from_60_to_180 as run, members, ten_even_keys};
use junctor_sim::{Fault, Provider, World};
use proptest::prelude::*;
use serde_json::{Value, json};

const T: Nanos = Nanos::from_secs(1_000);

// ---- shares ----

/// Shares of the next draw, by name, if nothing else happened.
fn shares(router: &Router, now: Nanos, draws: u64) -> BTreeMap<String, f64> {
    let mut shares = BTreeMap::new();
    for seed in 0..draws {
        let made = router.explain(&ALL, now, seed).unwrap();
        *shares.entry(told(router, &made, "all").deployment.unwrap()).or_insert(0.0) += 1.0 / draws as f64;
    }
    shares
}

fn share(router: &Router, name: &str, now: Nanos) -> f64 {
    shares(router, now, 1_000).get(name).copied().unwrap_or(0.0)
}

fn weighted(weights: &[f64]) -> Router {
    let named = |(at, weight): (usize, &f64)| deployment(&format!("d{at}"), json!({"weight": weight}));
    router(&weights.iter().enumerate().map(named).collect::<Vec<_>>(), json!({}))
}

/// Largest distance between the shares of `picks` picks and the weights, with so many attempts in flight.
fn share_error(weights: &[f64], in_flight: usize, picks: u64, gap: Nanos) -> f64 {
    let (router, mut draw) = (weighted(weights), Draw::new(5));
    let (mut flying, mut counts) = (Vec::<Reservation>::new(), vec![0.0; weights.len()]);
    for at in 0..picks {
        let now = T + Nanos(at * gap.0);
        if flying.len() >= in_flight.max(1) {
            let mut ended = flying.swap_remove(draw.below(flying.len() as u64) as usize);
            ended.settle(Outcome { first_content: Some(secs(0.8)), ..good(1, 1) }, now);
        }
        let reservation = router.reserve(&ALL, now, draw.next_u64()).unwrap();
        counts[reservation.decision().deployment.unwrap() as usize] += 1.0 / picks as f64;
        flying.push(reservation);
    }
    let total: f64 = weights.iter().sum();
    counts.iter().zip(weights).map(|(count, weight)| (count - weight / total).abs()).fold(0.0, f64::max)
}

const MIXED: [f64; 10] = [1.2, 1.2, 1.2, 1.2, 0.6, 0.6, 0.6, 0.3, 0.3, 0.3];

#[test]
fn shares_of_equals_converge_to_the_weights() {
    assert!(share_error(&[1.0; 10], 0, 10_000, Nanos(1)) < 0.02);
    assert!(share_error(&[1.0; 10], 0, 100_000, Nanos(1)) < 0.01);
}

#[test]
fn shares_under_load_converge_to_the_weights() {
    for (weights, in_flight) in [(&[1.0, 3.0][..], 100), (&[4.0, 2.0, 1.0], 200), (&MIXED, 400)] {
        let (short, long) = (10_000, 100_000);
        assert!(share_error(weights, in_flight, short, Nanos::from_millis(1)) < 0.02, "{weights:?}");
        assert!(share_error(weights, in_flight, long, Nanos::from_millis(1)) < 0.01, "{weights:?}");
    }
}

#[test]
fn shares_of_a_quiet_group_follow_the_weights_too() {
    for weights in [&[1.0, 3.0][..], &[4.0, 2.0, 1.0], &MIXED] {
        let error = share_error(weights, 1, 10_000, secs(0.1));
        assert!(error < 0.02, "{weights:?}: {error}");
    }
}

/// What can be wrong with a member, each in steps that make it worse.
const WORSE: [&str; 5] = ["failing", "throttled", "slow", "busy", "hung"];

/// One step worse for `a`; what is in flight must be kept.
fn worsen(router: &Router, how: &str, now: Nanos) -> Option<Reservation> {
    let mut flight = reserve_at(router, &ALL, "a", now);
    match how {
        "failing" => flight.settle(failed(), now),
        "throttled" => flight.settle(throttled(Some(0.0)), now),
        "slow" => flight.settle(Outcome { first_content: Some(secs(9.0)), ..good(1, 1) }, now),
        // Unanswered, but not for long.
        _ => return Some(flight),
    };
    None
}

fn seasoned(seed: u64) -> Router {
    let (router, mut draw) = (router(&plain(&["a", "b", "c", "d"]), json!({})), Draw::new(seed));
    for at in 0..120 {
        let now = T - secs(60.0) + secs(f64::from(at) / 2.0);
        let Ok(mut reservation) = router.reserve(&ALL, now, draw.next_u64()) else { continue };
        let first_content = Some(secs(0.3 + draw.unit()));
        reservation.settle(Outcome { first_content, ..good(1, 1) }, now);
    }
    router
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn getting_worse_never_raises_a_share(seed: u64) {
        for how in WORSE {
            let router = seasoned(seed);
            let (mut before, mut flying) = (share(&router, "a", T), Vec::new());
            for _ in 0..4 {
                flying.extend(worsen(&router, how, T));
                // An unanswered attempt is noticed when it is old.
                let now = if how == "hung" { T + secs(6.0) } else { T };
                let after = share(&router, "a", now);
                prop_assert!(after <= before + 0.02, "{how}: {before} to {after}");
                before = after;
            }
        }
    }

    #[test]
    fn no_failure_lowers_the_score_of_whom_it_hit(seed: u64) {
        let endings = [
            Ending::Failed(Ill::Down), Ending::Failed(Ill::Broken), Ending::Failed(Ill::Silent), Ending::Throttled,
            Ending::Misconfigured, Ending::CallersFault,
        ];
        let router = seasoned(seed);
        let score = |now| {
            let seen = told(&router, &router.survey(&ALL, now), "all").candidates;
            seen.into_iter().find(|seen| seen.deployment == "a").unwrap()
        };
        for ending in endings {
            let before = score(T);
            if before.score == 0.0 {
                break;
            }
            reserve_at(&router, &ALL, "a", T).settle(Outcome::bare(ending), T);
            let after = score(T);
            prop_assert!(after.score >= before.score || after.until_ns.is_some(), "{ending:?}: {before:?} to {after:?}");
        }
    }
}

#[test]
fn what_is_known_expires_and_shares_are_the_configured_ones_again() {
    let router = router(&plain(&["a", "b", "c", "d"]), json!({}));
    for at in 0..60 {
        let now = T + secs(f64::from(at));
        let first_content = Some(secs(12.0));
        reserve_at(&router, &ALL, "a", now).settle(Outcome { first_content, ..good(1, 1) }, now);
        reserve_at(&router, &ALL, "b", now).settle(Outcome { first_content: Some(secs(0.3)), ..good(1, 1) }, now);
    }
    assert!(share(&router, "a", T + secs(61.0)) < 0.05);
    let later = shares(&router, T + secs(61.0 + 181.0), 10_000);
    assert!(later.values().all(|share| (share - 0.25).abs() < 0.02), "{later:?}");
}

#[test]
fn a_trace_of_an_old_failure_starves_nobody_in_a_quiet_group() {
    let router = router(&plain(&["a", "b", "c", "d"]), json!({}));
    reserve_at(&router, &ALL, "a", T).settle(failed(), T);
    let later = share(&router, "a", T + secs(200.0));
    assert!(later > 0.2, "{later}");
}

// ---- the breaker, through the walk ----

fn pair() -> Router {
    router(&plain(&["a", "b"]), json!({}))
}

/// Reserves `a` as its probe at `now`.
fn probe(router: &Router, now: Nanos) -> Reservation {
    let before = counter(router, "probe");
    let reservation = reserve_at(router, &ALL, "a", now);
    assert_eq!(counter(router, "probe"), before + 1, "not a probe");
    reservation
}

fn opens_for(router: &Router, now: Nanos) -> f64 {
    let state = state_of(router, "a", now);
    assert_eq!(state.breaker, "open");
    state.breaker_s
}

fn about(seconds: f64, expected: f64) -> bool {
    (seconds - expected).abs() <= 0.033
}

#[test]
fn half_of_ten_results_open_it_and_forty_nine_of_a_hundred_do_not() {
    let even = pair();
    for at in 0..10 {
        assert_eq!(state_of(&even, "a", T).breaker, "closed", "after {at} results");
        reserve_at(&even, &ALL, "a", T).settle(if at % 2 == 0 { failed() } else { good(1, 1) }, T);
    }
    assert_eq!(state_of(&even, "a", T).breaker, "open");
    let nearly = router(&plain(&["a", "b", "c", "d"]), json!({}));
    for at in 0..1_000_u64 {
        let now = T + Nanos::from_millis(at * 10);
        // The good one of two comes first, so that no beginning of the row is half bad.
        let bad = (at * 49 + 50) % 100 < 49;
        reserve_at(&nearly, &ALL, "a", now).settle(if bad { failed() } else { good(1, 1) }, now);
        assert_eq!(state_of(&nearly, "a", now).breaker, "closed", "after {at}");
    }
    assert!(share(&nearly, "a", T + secs(10.0)) < 0.25);
}

#[test]
fn failed_probes_double_the_open_time_up_to_five_minutes() {
    let router = pair();
    trip(&router, &ALL, "a", T);
    let mut now = T;
    for expected in [30.0, 60.0, 120.0, 240.0, 300.0, 300.0] {
        let open_s = opens_for(&router, now);
        assert!(about(open_s, expected), "{open_s} instead of {expected}");
        now = now + secs(open_s);
        probe(&router, now).settle(failed(), now);
    }
}

#[test]
fn flapping_every_forty_seconds_doubles_it_too() {
    let router = pair();
    let mut now = T;
    for expected in [30.0, 60.0, 120.0, 240.0, 300.0, 300.0] {
        trip(&router, &ALL, "a", now);
        let open_s = opens_for(&router, now);
        assert!(about(open_s, expected), "{open_s} instead of {expected}");
        now = now + secs(open_s);
        probe(&router, now).settle(good(1, 1), now);
        now = now + secs(40.0);
    }
}

#[test]
fn a_probe_without_a_verdict_is_followed_by_another_at_once() {
    for ending in [Ending::Cancelled { sent: true }, Ending::Cancelled { sent: false }, Ending::CallersFault] {
        let router = pair();
        trip(&router, &ALL, "a", T);
        let now = T + secs(30.1);
        probe(&router, now).settle(Outcome::bare(ending), now);
        probe(&router, now).settle(failed(), now);
        assert!(about(opens_for(&router, now), 60.0), "{ending:?}: as if the first had never been");
    }
}

#[test]
fn a_probe_that_is_dropped_is_followed_by_another_at_once() {
    let router = pair();
    trip(&router, &ALL, "a", T);
    let now = T + secs(30.1);
    drop(probe(&router, now));
    drop(probe(&router, now));
}

#[test]
fn only_one_probe_is_under_way() {
    let router = pair();
    trip(&router, &ALL, "a", T);
    let now = T + secs(30.1);
    let held = probe(&router, now);
    assert_eq!(state_of(&router, "a", now).breaker, "half_open");
    assert!((0..200).all(|seed| common::chosen(&router.reserve(&ALL, now + secs(19.0), seed).unwrap()) == "b"));
    // Its lease is the deployment's first-content timeout, 20 s.
    drop(probe(&router, now + secs(20.1)));
    assert_eq!(counter(&router, "probe_lost"), 1);
    drop(held);
}

#[test]
fn answers_from_before_the_trip_change_nothing() {
    let router = pair();
    let mut early: Vec<_> = (0..4).map(|_| reserve_at(&router, &ALL, "a", T)).collect();
    trip(&router, &ALL, "a", T);
    early.pop().unwrap().settle(good(1, 1), T + secs(1.0));
    early.pop().unwrap().settle(failed(), T + secs(2.0));
    assert!(about(opens_for(&router, T + secs(2.0)), 28.0));
    let now = T + secs(30.1);
    let mut held = probe(&router, now);
    early.pop().unwrap().settle(good(1, 1), now);
    early.pop().unwrap().settle(failed(), now);
    assert_eq!(state_of(&router, "a", now).breaker, "half_open");
    assert_eq!(counter(&router, "stale_report"), 4);
    held.settle(good(1, 1), now);
    assert_eq!(state_of(&router, "a", now).breaker, "closed");
}

#[test]
fn a_probe_closes_it_at_first_content_and_not_at_the_end_of_a_long_stream() {
    let router = pair();
    trip(&router, &ALL, "a", T);
    let now = T + secs(30.1);
    let mut held = probe(&router, now);
    held.first_content(now + secs(1.0));
    assert_eq!(state_of(&router, "a", now + secs(1.0)).breaker, "closed");
    assert!((0.09..0.11).contains(&state_of(&router, "a", now + secs(1.0)).share), "and it starts slowly");
    assert_eq!(state_of(&router, "a", now + secs(31.1)).share, 1.0);
    held.settle(Outcome::bare(Ending::Failed(Ill::Broken)), now + secs(300.0));
    assert_eq!(state_of(&router, "a", now + secs(300.0)).breaker, "closed", "one failure of the new count");
}

#[test]
fn a_probe_that_is_throttled_keeps_it_open_for_the_hint_at_least() {
    for (hint, open_s) in [(None, 60.0), (Some(10.0), 60.0), (Some(200.0), 200.0)] {
        let router = pair();
        trip(&router, &ALL, "a", T);
        let now = T + secs(30.1);
        probe(&router, now).settle(throttled(hint), now);
        assert!(about(opens_for(&router, now), open_s), "{hint:?}");
    }
}

#[test]
fn a_burst_of_failures_trips_at_the_same_count_as_slow_ones() {
    let trips_at = |bad: fn(u64) -> bool, gap: Nanos| {
        let router = pair();
        let mut flying: Vec<_> = (0..1_000).map(|_| reserve_at(&router, &ALL, "a", T)).collect();
        (0..1_000_u64).find(|&at| {
            let now = T + Nanos(at * gap.0);
            flying.pop().unwrap().settle(if bad(at) { failed() } else { good(1, 1) }, now);
            state_of(&router, "a", now).breaker == "open"
        })
    };
    for bad in [|_| true, |at| at % 2 == 1, |at| at % 5 != 0] {
        let counts = [Nanos(1_000), Nanos::from_millis(9)].map(|gap| trips_at(bad, gap));
        assert!(counts[0].is_some() && counts[0] == counts[1], "{counts:?}");
    }
}

// ---- a world ----

const SEEDS: std::ops::RangeInclusive<u64> = 1..=4;

fn share_of_429(world: &World, from: f64, to: f64) -> f64 {
    let throttled = world.endings(from, to, |ending| matches!(ending, Ending::Throttled));
    throttled as f64 / world.between(from, to).count() as f64
}

/// Shares of the healthy nine while the first ails, as multiples of their fair share.
fn most_of_its_fair_share(world: &World) -> f64 {
    let weight = |at: usize| world.router.fleet().deployments[at].weight / 7.5;
    (1..10).map(|at| world.share(at, 60.0, 180.0) / weight(at)).fold(0.0, f64::max)
}

fn failures_of_the_first(world: &World, from: f64, to: f64) -> usize {
    let failed =
        |attempt: &&junctor_sim::Attempt| attempt.provider == 0 && matches!(attempt.ending, Some(Ending::Failed(_)));
    world.between(from, to).filter(failed).count()
}

#[test]
fn a_healthy_fleet_fails_nobody_and_is_never_refused() {
    for seed in SEEDS {
        let world = run(seed, None);
        assert_eq!((world.failures(0.0, 200.0), share_of_429(&world, 0.0, 200.0)), (0.0, 0.0));
        assert_eq!(counter(&world.router, "opened"), 0);
    }
}

#[test]
fn a_hundred_thousand_picks_by_weight_and_latency_are_misplaced_by_at_most_six_in_a_hundred() {
    let (pools, deployments, providers) = members();
    let mut world = World::new(router(&deployments, json!({"pools": pools})), providers, 1);
    world.traffic(54.0, 0.0, 1_900.0);
    world.run();
    assert!(world.attempts.len() > 100_000);
    let weight = |at: usize| world.router.fleet().deployments[at].weight / 7.5;
    let misplaced: f64 = (0..10).map(|at| (world.share(at, 0.0, 1_900.0) - weight(at)).abs()).sum::<f64>() / 2.0;
    assert!(misplaced <= 0.06, "{misplaced} of the traffic is elsewhere than the weights say");
}

#[test]
fn one_that_fails_fast_attracts_nobody_and_no_caller_notices() {
    for seed in SEEDS {
        let world = run(seed, Some(Fault::Errors { after_s: 0.02, share: 1.0 }));
        assert!(world.failures(60.0, 70.0) <= 0.001);
        assert_eq!(world.failures(70.0, 180.0), 0.0);
        for (from, to) in [(62.0, 89.0), (62.0, 180.0)] {
            assert!(world.share(0, from, to) <= FAIR / 10.0, "{} from {from} s", world.share(0, from, to));
        }
        assert!(most_of_its_fair_share(&world) < 2.0);
        let under_way = |attempt: &&junctor_sim::Attempt| attempt.provider == 0 && attempt.ended > Some(secs(60.0));
        let in_flight = world.between(0.0, 60.0).filter(under_way).count();
        let wasted = failures_of_the_first(&world, 60.0, 89.0);
        assert!(wasted <= 5 + in_flight, "{wasted} with {in_flight} in flight when it began");
    }
}

#[test]
fn one_that_fails_fast_is_out_after_at_most_twenty_wasted_attempts() {
    for seed in SEEDS {
        let world = run(seed, Some(Fault::Errors { after_s: 0.02, share: 1.0 }));
        let wasted = failures_of_the_first(&world, 60.0, 89.0);
        assert!(wasted <= 20, "{wasted}");
    }
}

#[test]
fn half_of_the_answers_failing_opens_it_within_a_window_and_no_caller_notices() {
    for seed in SEEDS {
        let world = run(seed, Some(Fault::Errors { after_s: 0.02, share: 0.5 }));
        assert_eq!(world.failures(60.0, 180.0), 0.0);
        assert!(counter(&world.router, "opened") > 0);
        assert!(world.share(0, 61.0, 72.0) < FAIR / 2.0, "{}", world.share(0, 61.0, 72.0));
        assert!(world.share(0, 70.0, 180.0) <= FAIR / 5.0, "{}", world.share(0, 70.0, 180.0));
    }
}

#[test]
fn one_that_answers_429_at_once_gets_less_than_its_share_and_hardly_a_call() {
    for seed in SEEDS {
        let world = run(seed, Some(Fault::Throttles { after_s: 0.005, hint_s: None }));
        assert!(share_of_429(&world, 60.0, 180.0) <= 0.002);
        assert!((60..180).all(|at| world.share(0, f64::from(at), f64::from(at) + 5.0) <= FAIR));
        assert_eq!((world.failures(60.0, 180.0), counter(&world.router, "opened")), (0.0, 0));
        assert!(most_of_its_fair_share(&world) < 2.0);
    }
}

#[test]
fn one_that_never_answers_loses_its_share_within_five_seconds() {
    for seed in SEEDS {
        let world = run(seed, Some(Fault::Hangs));
        assert!(world.time_to_shift(0, 60.0, FAIR) <= 5.0);
        assert!(world.share(0, 65.0, 180.0) <= FAIR / 10.0);
        assert_eq!(world.failures(60.0, 180.0), 0.0);
        assert!(most_of_its_fair_share(&world) < 2.0);
    }
}

#[test]
fn one_that_is_eight_times_slower_loses_most_of_its_share_within_four_seconds_and_not_all() {
    let mut shifts: Vec<f64> = (1..=9)
        .map(|seed| {
            let world = run(seed, Some(Fault::Slow(8.0)));
            let share = world.share(0, 64.0, 180.0);
            assert!((FAIR / 100.0..FAIR / 2.0).contains(&share), "{share}");
            assert!(most_of_its_fair_share(&world) < 2.0, "nobody drowns because another is slow");
            assert_eq!(world.failures(60.0, 180.0), 0.0);
            world.time_to_shift(0, 60.0, FAIR)
        })
        .collect();
    // It keeps a third of its share, so when a half second without it comes is chance too: the usual run counts.
    shifts.sort_unstable_by(f64::total_cmp);
    assert!(shifts[4] <= 4.0, "{shifts:?}");
}

#[test]
fn a_quota_that_was_cut_is_learned_within_half_a_minute_whatever_is_left_of_it() {
    for (left, seed) in [(0.5, 1), (0.2, 1), (0.2, 2), (0.2, 3), (0.2, 4), (0.1, 1)] {
        let world = run(seed, Some(Fault::Quota(left)));
        let late = share_of_429(&world, 90.0, 180.0);
        assert!(late <= 0.002, "{left} left: {late}");
        // At 60 % load what is left is used whole, and the first ten seconds of burst too.
        let usable = left / 0.6;
        let used = world.share(0, 90.0, 180.0) / FAIR;
        assert!((usable * 0.8..usable * 1.1).contains(&used), "{left} left: {used} of its fair share");
        assert_eq!(world.failures(60.0, 180.0), 0.0);
    }
}

#[test]
fn one_slow_and_one_dead_key_of_ten_are_not_in_the_99th_percentile_at_any_pace() {
    for (per_s, seed) in [(5.0, 1), (25.0, 1), (25.0, 2), (100.0, 1), (100.0, 2), (400.0, 1)] {
        let world = ten_even_keys(seed, per_s, 100.0);
        let (healthy, ailing) = (world.p99_s(0.0, 60.0), world.p99_s(60.0, f64::INFINITY));
        assert!(ailing <= 1.5 * healthy, "{per_s} calls a second: {healthy} s, then {ailing} s");
        assert_eq!(world.failures(0.0, f64::INFINITY), 0.0);
    }
}

#[test]
fn after_the_fault_the_share_comes_back() {
    for fault in [Fault::Errors { after_s: 0.02, share: 1.0 }, Fault::Hangs, Fault::Slow(8.0), Fault::Quota(0.2)] {
        let (pools, deployments, mut providers) = members();
        providers[0] = providers[0].clone().ailing(60.0, 120.0, fault);
        let mut world = World::new(router(&deployments, json!({"pools": pools})), providers, 7);
        world.traffic(54.0, 0.0, 420.0);
        world.run();
        let share = world.share(0, 330.0, 420.0);
        assert!((FAIR * 0.6..FAIR * 1.5).contains(&share), "{fault:?}: {share}");
    }
}

#[test]
fn in_a_total_outage_retries_stay_within_a_fifth_and_nobody_waits_in_vain() {
    // Enough deployments that the breakers alone would let every call try three of them.
    let names: Vec<String> = (0..2_000).map(|at| format!("d{at}")).collect();
    let deployments: Vec<Value> = names.iter().map(|name| deployment(name, json!({}))).collect();
    let down =
        |name: &String| Provider::new(name, 0.5, 1e9).ailing(0.0, 1e9, Fault::Errors { after_s: 0.02, share: 1.0 });
    let mut world = World::new(router(&deployments, json!({})), names.iter().map(down).collect(), 3);
    world.traffic(500.0, 0.0, 10.0);
    world.run();
    let (calls, attempts) = (world.calls.len() as f64, world.attempts.len() as f64);
    let retries = counter(&world.router, "retried") as f64;
    // A fresh purse holds what ten quiet seconds leave in it: thirty.
    assert!(retries <= 0.2 * calls + 30.0 && retries > 0.15 * calls, "{retries} retries of {calls}");
    assert!(attempts <= 1.2 * calls + 30.0, "{attempts} attempts for {calls} calls");
    assert!(world.calls.iter().all(|call| call.ended.unwrap().since(call.arrived) < secs(0.5)));
    assert!(counter(&world.router, "retry_denied") > 0 && world.is_at_rest());
}

#[test]
fn when_a_whole_group_is_down_calls_fail_fast_with_a_time_or_are_served_by_the_fallback() {
    let all: Vec<_> = ["a", "b", "c"].map(|name| deployment(name, json!({}))).into();
    let down =
        |name: &str| Provider::new(name, 0.5, 1e9).ailing(10.0, 1e9, Fault::Errors { after_s: 0.02, share: 1.0 });
    let outage = |groups: Value| {
        let providers = vec![down("a"), down("b"), Provider::new("c", 0.5, 1e9)];
        let mut world = World::new(router(&all, json!({"groups": groups})), providers, 3);
        world.traffic(20.0, 0.0, 40.0);
        world.run();
        assert!(world.is_at_rest());
        world
    };
    let alone = outage(json!([{"name": "all", "members": ["a", "b"]}]));
    let came: Vec<_> = alone.calls.iter().filter(|call| call.arrived >= secs(12.0)).collect();
    let waited = came.iter().map(|call| call.ended.unwrap().since(call.arrived)).max().unwrap();
    assert!(waited < secs(6.0) && came.iter().all(|call| !call.well), "one waited {waited:?}");
    let attempts = alone.between(12.0, 40.0).count();
    assert!(attempts <= came.len() * 12 / 10, "{attempts} attempts for {} calls", came.len());
    assert!(counter(&alone.router, "no_capacity") > 0);
    let probes: Vec<_> = alone.between(12.0, 40.0).filter(|attempt| attempt.last_resort).collect();
    assert!(
        (0..2).all(|at| {
            let mine: Vec<_> = probes.iter().filter(|probe| probe.provider == at).collect();
            mine.windows(2).all(|two| two[1].at.since(two[0].at) >= secs(1.0))
        }),
        "at most one forced probe per deployment and second"
    );
    let backed = outage(
        json!([{"name": "all", "members": ["a", "b"], "fallback": ["last"]}, {"name": "last", "members": ["c"]}]),
    );
    assert!(backed.failures(12.0, 40.0) <= 0.001, "{}", backed.failures(12.0, 40.0));
    assert!(backed.between(12.0, 40.0).filter(|attempt| attempt.provider == 2).all(|attempt| attempt.downgrade));
}

#[test]
fn a_region_that_joins_at_run_time_is_warmed_up_slowly() {
    let (pools, deployments, providers) = members();
    let nine = fleet(&deployments[1..], json!({"pools": pools}));
    let mut world = World::new(Router::new(&nine).unwrap(), providers, 4);
    world.traffic(54.0, 0.0, 60.0);
    world.run();
    let joined = world.now;
    world.router.reload(&fleet(&deployments, json!({"pools": pools})), joined).unwrap();
    let at = joined.as_secs_f64();
    world.traffic(54.0, at, at + 120.0);
    world.run();
    let share = |from: f64, to: f64| world.share(0, at + from, at + to);
    assert!(
        share(0.0, 5.0) < FAIR / 2.0 && share(60.0, 120.0) > FAIR / 2.0,
        "{} {}",
        share(0.0, 5.0),
        share(60.0, 120.0)
    );
    assert_eq!(world.failures(0.0, at + 120.0), 0.0);
}

#[test]
fn equal_seeds_give_equal_worlds_to_the_last_decision() {
    let logs: Vec<u64> = [1, 1, 2].map(|seed| run(seed, Some(Fault::Slow(8.0))).log_hash).into();
    assert!(logs[0] == logs[1] && logs[0] != logs[2]);
}

#[test]
fn a_hung_attempt_shows_by_its_age_before_it_times_out() {
    let router = router(&plain(&["a", "b", "c"]), json!({}));
    let held = reserve_at(&router, &ALL, "a", T);
    let age = |at: f64| state_of(&router, "a", T + secs(at)).age_s;
    assert_eq!((age(1.0), age(9.0)), (1.0, 9.0));
    assert!(share(&router, "a", T + secs(15.0)) <= share(&router, "a", T + secs(1.0)));
    let idle = Request { tried: &[], ..ALL };
    assert!(router.explain(&idle, T, 1).is_ok());
    drop(held);
    assert_eq!(age(20.0), 0.0);
}
