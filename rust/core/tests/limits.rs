//! Limits through the whole walk, on manual time: clocks that jump, pauses, minute edges, other hosts on the same key,
//! and a million callers that leave.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

mod common;

use std::collections::VecDeque;
use std::sync::Arc;

use common::{ALL, counter, deployment, fleet, good, level, pool, router, secs, snapshot, state_of, throttled};
use junctor_core::decision::Why;
use junctor_core::draw::Draw;
use junctor_core::outcome::{Ending, LimitReport, Outcome};
use junctor_core::request::Request;
use junctor_core::reservation::Reservation;
use junctor_core::router::Router;
use junctor_core::spec::{Dimension, FleetSpec};
use junctor_core::units::Nanos;
use proptest::prelude::*;
use serde_json::{Value, json};

const T: Nanos = Nanos::from_secs(1_000);
const MINUTE: Nanos = Nanos::from_secs(60);
const HOUR: u64 = 3_600;

fn hours(hours: f64) -> Nanos {
    secs(hours * HOUR as f64)
}

/// One deployment `a` with these limits.
fn limited(limits: Value) -> Router {
    router(&[deployment("a", json!({"pools": ["a"]}))], json!({"pools": [{"name": "a", "limits": limits}]}))
}

fn sized(input_tokens: u64) -> Request<'static> {
    Request { input_tokens, output_tokens: Some(0), ..ALL }
}

/// How many requests pass at `now`; they end at once.
fn drain(router: &Router, asked: &Request<'_>, now: Nanos) -> u64 {
    let passes = |&seed: &u64| {
        let Ok(mut made) = router.reserve(asked, now, seed) else { return false };
        made.settle(good(asked.input_tokens, 0), now);
        true
    };
    (0..1_000_000).take_while(passes).count() as u64
}

fn until(router: &Router, asked: &Request<'_>, now: Nanos) -> Nanos {
    match router.reserve(asked, now, 1).err().unwrap().why {
        Why::NoCapacity { until } => until,
        why => panic!("{why:?}"),
    }
}

// ---- time that jumps ----

#[test]
fn after_twelve_hours_and_after_ten_years_a_key_gives_one_burst() {
    let router = limited(json!([{"dimension": "rpm", "limit": 600}, {"dimension": "tpm", "limit": 6_000_000}]));
    let mut now = T;
    for idle in [Nanos::ZERO, hours(12.0), hours(10.0 * 365.25 * 24.0)] {
        now = now + idle;
        assert_eq!(drain(&router, &sized(10), now), 100, "ten seconds of 600 a minute, after {idle:?}");
        assert_eq!(level(&router, "a", "tpm", now), 1_000_000 - 1_000);
    }
}

#[test]
fn a_pause_of_ten_minutes_is_followed_by_one_burst_and_loses_no_attempt() {
    let limits = json!([{"dimension": "rpm", "limit": 600}, {"dimension": "concurrency", "limit": 5}]);
    let router = limited(limits);
    let flying: Vec<Reservation> = (0..4).map(|seed| router.reserve(&ALL, T, seed).unwrap()).collect();
    let (mut now, mut admitted) = (T, 4 + drain(&router, &ALL, T));
    assert_eq!(admitted, 100);
    for _ in 0..3 {
        // The machine sleeps; then everybody comes at once, for a second.
        now = now + secs(600.0);
        for ms in 0..1_000 {
            admitted += drain(&router, &ALL, now + Nanos::from_millis(ms));
        }
        now = now + secs(1.0);
    }
    assert_eq!(
        admitted,
        100 + 3 * (100 + 10) - 3,
        "a burst and a second's worth each time, the last tenth not yet due"
    );
    assert_eq!(state_of(&router, "a", now).in_flight, 4);
    for mut made in flying {
        made.settle(good(1, 1), now);
    }
    assert_eq!((state_of(&router, "a", now).in_flight, level(&router, "a", "concurrency", now)), (0, 5));
}

/// A day's limit for `daily`, a minute's for `paced`, on a clock whose zero was at `wall_epoch_s`.
fn by_the_wall(wall_epoch_s: i64) -> FleetSpec {
    let deployments = ["daily", "paced"].map(|name| deployment(name, json!({"pools": [name]})));
    let pools = json!([
        {"name": "daily", "limits": [{"dimension": "rpd", "limit": 100, "calendar": []}]},
        {"name": "paced", "limits": [{"dimension": "rpm", "limit": 60}]},
    ]);
    fleet(&deployments, json!({"pools": pools, "wall_epoch_s": wall_epoch_s}))
}

#[test]
fn a_stepped_wall_clock_opens_no_day_twice_and_touches_no_minute() {
    const MIDNIGHT: i64 = 20_000 * 86_400;
    let router = Router::new(&by_the_wall(MIDNIGHT)).unwrap();
    let days = |now| drain(&router, &Request::plain("daily"), now);
    let admitted: u64 = (0..72).map(|hour| days(hours(f64::from(hour)))).sum();
    assert_eq!(admitted, 300, "three days, three times a hundred");

    let now = hours(72.5);
    assert_eq!((days(now), drain(&router, &Request::plain("paced"), now)), (100, 10));
    let paced = level(&router, "paced", "rpm", now);
    // An hour back: the day that is over begins again by the wall, and not for us.
    router.reload(&by_the_wall(MIDNIGHT - 3_600), now).unwrap();
    assert_eq!(days(now), 0);
    assert_eq!(until(&router, &Request::plain("daily"), now), hours(97.0), "midnight by the stepped clock");
    // A day forward: one new day, once.
    router.reload(&by_the_wall(MIDNIGHT + 86_400), now).unwrap();
    assert_eq!((days(now), days(now + secs(1.0))), (100, 0));
    assert_eq!((level(&router, "paced", "rpm", now), drain(&router, &Request::plain("paced"), now)), (paced, 0));
    // And back again: that day has been seen.
    router.reload(&by_the_wall(MIDNIGHT), now).unwrap();
    assert_eq!(days(now), 0);
}

// ---- any window ----

#[test]
fn no_minute_holds_more_than_a_fixed_window_admits_wherever_it_begins() {
    for (dimension, limit, tokens) in [("rpm", 600, 1), ("tpm", 60_000, 700), ("tpm", 60_000, 7_000)] {
        let router = limited(json!([{"dimension": dimension, "limit": limit, "fixed_window": true}]));
        let units = if dimension == "rpm" { 1 } else { tokens };
        // Long idle, then from just before a minute's edge on whoever can, at once.
        let (mut now, mut taken) = (secs(3_599.0), VecDeque::new());
        let (mut inside, mut most, mut all, end) = (0, 0, 0, secs(3_599.0 + 600.0));
        while now < end {
            match router.reserve(&sized(tokens), now, 1) {
                Ok(mut made) => {
                    made.settle(good(tokens, 0), now);
                    taken.push_back(now);
                    (inside, all) = (inside + units, all + units);
                    while now.since(taken[0]) > MINUTE {
                        taken.pop_front();
                        inside -= units;
                    }
                    most = most.max(inside);
                }
                Err(denial) => match denial.why {
                    Why::NoCapacity { until } => now = until,
                    why => panic!("{why:?}"),
                },
            }
        }
        assert!(most <= limit, "{most} {dimension} in one minute, {tokens} at a time");
        assert!(all * 100 >= limit / units * units * 10 * 97, "and the limit is used: {all} in ten minutes");
    }
}

#[test]
fn more_demand_than_the_limit_uses_all_of_it() {
    let router = limited(json!([{"dimension": "tpm", "limit": 60_000}, {"dimension": "rpm", "limit": 600}]));
    let (mut now, mut draw, mut used) = (T, Draw::new(3), 0_u64);
    let mut asked = 1_000;
    while now < T + secs(7_200.0) {
        let (tokens, end) = (100 + draw.below(asked), now + secs(0.2));
        match router.reserve(&sized(tokens), now, draw.next_u64()) {
            // Half of the answers take less than was estimated, and that is used as well.
            Ok(mut made) => {
                let spent = tokens - draw.below(2) * (tokens / 2);
                made.settle(good(spent, 0), end);
                (used, asked) = (used + spent, 4_000);
            }
            Err(denial) => match denial.why {
                Why::NoCapacity { until } => now = now.max(until),
                why => panic!("{why:?}"),
            },
        }
    }
    let allowed = 60_000 * 120 + 10_000;
    assert!(used <= allowed, "{used} of {allowed}");
    assert!(used * 1_000 >= allowed * 995, "{used} of {allowed}");
}

// ---- a limit that changes ----

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_limit_that_changes_at_run_time_leaves_a_level_between_nothing_and_the_new_burst(
        steps in proptest::collection::vec((1..100_000_u64, 0..20_u64, 0..30_000_u64), 1..60),
    ) {
        let spec = |limit: u64| {
            let limits = json!([{"dimension": "tpm", "limit": limit}]);
            fleet(&[deployment("a", json!({"pools": ["a"]}))], json!({"pools": [{"name": "a", "limits": limits}]}))
        };
        let (router, mut now) = (Router::new(&spec(6_000)).unwrap(), T);
        let mut flying = VecDeque::new();
        for (limit, takes, pause_ms) in steps {
            router.reload(&spec(limit), now).unwrap();
            let burst = i64::try_from((limit / 6).max(1)).unwrap();
            for seed in 0..takes {
                // Within the burst, so that nothing runs it into the future.
                let tokens = (1 + seed * 97) % u64::try_from(burst).unwrap();
                flying.extend(router.reserve(&sized(tokens), now, seed).ok());
                let level = level(&router, "a", "tpm", now);
                prop_assert!((0..=burst).contains(&level), "{level} of {burst}");
            }
            now = now + Nanos::from_millis(pause_ms);
            while flying.len() > 5 {
                let mut made: Reservation = flying.pop_front().unwrap();
                made.settle(good(0, 0), now);
                let level = level(&router, "a", "tpm", now);
                prop_assert!((0..=burst).contains(&level), "{level} of {burst}");
            }
        }
    }
}

// ---- a provider that counts for itself ----

/// A key of 60,000 tokens a minute as its provider counts it, used by another host too.
struct Key {
    free: f64,
    others_per_s: f64,
}

/// When it ends, what is held for it, whether the provider admitted it, and what its headers say is left.
type Flight = (Nanos, Reservation, bool, Option<u64>);

/// What a run with such a key came to.
#[derive(Debug, Default)]
struct Told {
    attempts: u64,
    refused: u64,
    /// Most refusals one after the other.
    streak: u64,
}

impl Key {
    const LIMIT: u64 = 60_000;
    const STEP: Nanos = Nanos::from_millis(10);

    /// Five minutes of more demand than the key admits, `tokens` at a time; the headers of an answer tell what `tell`
    /// makes of what is left.
    fn run(mut self, tokens: u64, tell: impl Fn(f64) -> Option<u64>) -> Told {
        let router = limited(json!([{"dimension": "tpm", "limit": Self::LIMIT, "burst_s": 60.0}]));
        let (mut told, mut flying, mut streak) = (Told::default(), VecDeque::<Flight>::new(), 0);
        for step in 0..30_000_u64 {
            let now = T + Nanos(Self::STEP.0 * step);
            self.free = (self.free + 10.0).min(Self::LIMIT as f64) - self.others_per_s / 100.0;
            self.free = self.free.max(0.0);
            while flying.front().is_some_and(|&(due, ..)| due <= now) {
                let (_, mut made, admitted, left) = flying.pop_front().unwrap();
                let report = LimitReport { dimension: Dimension::Tpm, limit: Some(Self::LIMIT), remaining: left };
                let reports = if left.is_some() { vec![report] } else { Vec::new() };
                let outcome = if admitted { good(tokens, 0) } else { throttled(None) };
                made.settle(Outcome { reports: &reports, ..outcome }, now);
            }
            let Ok(made) = router.reserve(&sized(tokens), now, step) else { continue };
            let admitted = self.free >= tokens as f64;
            self.free -= if admitted { tokens as f64 } else { 0.0 };
            streak = if admitted { 0 } else { streak + 1 };
            told.attempts += 1;
            told.refused += u64::from(!admitted);
            told.streak = told.streak.max(streak);
            flying.push_back((now + Nanos::from_millis(300), made, admitted, tell(self.free)));
        }
        told
    }
}

#[test]
fn what_another_host_burns_is_learned_from_the_headers() {
    let busy = || Key { free: Key::LIMIT as f64, others_per_s: 500.0 };
    let (heard, deaf) = (busy().run(700, |left| Some(left as u64)), busy().run(700, |_| None));
    // Nobody says how fast the other host is: a call now and then finds out. It holds the key for a second.
    assert!(heard.streak <= 1 && heard.refused <= 300, "{heard:?} in 300 s");
    assert!(deaf.refused > 10 * heard.refused, "without headers it is worse: {deaf:?}");
    let left = 60_000 + 300 * 500;
    assert!((heard.attempts - heard.refused) * 700 * 100 >= left * 95, "and what is left is used: {heard:?}");
}

#[test]
fn a_provider_that_allows_more_than_the_operator_lifts_nothing() {
    for (limit, remaining) in
        [(Some(5_000), 4_999), (Some(1 << 53), 1 << 53), (Some(101), 101), (None, 5_000), (None, 99)]
    {
        let router = limited(json!([{"dimension": "rpm", "limit": 100}]));
        let reports = [LimitReport { dimension: Dimension::Rpm, limit, remaining: Some(remaining) }];
        let admitted = (0..60_000_u64).filter(|step| {
            let now = T + Nanos::from_millis(10 * step);
            let Ok(mut made) = router.reserve(&ALL, now, *step) else { return false };
            made.settle(Outcome { reports: &reports, ..good(1, 1) }, now);
            true
        });
        let admitted = admitted.count();
        assert!(admitted <= 1_000 + 17, "{admitted} in ten minutes of 100 a minute, told {limit:?} and {remaining}");
    }
}

#[test]
fn a_rounded_remaining_near_zero_leads_to_no_run_of_refusals() {
    let busy = || Key { free: Key::LIMIT as f64, others_per_s: 500.0 };
    // To the nearest thousand; the adapter reads that as its lower bound.
    let rounded = |left: f64| (left / 1_000.0).round() as u64 * 1_000;
    let careful = busy().run(700, |left| Some(rounded(left).saturating_sub(500)));
    let trusting = busy().run(700, |left| Some(rounded(left)));
    assert!(careful.streak <= 1 && trusting.streak > 1, "{careful:?} {trusting:?}");
    assert!(careful.refused * 2 < trusting.refused, "{careful:?} {trusting:?}");
}

// ---- callers that leave ----

#[test]
fn a_million_callers_that_leave_give_everything_back() {
    const THREADS: u64 = 4;
    const EACH: u64 = 250_000;
    let daily = json!({"dimension": "usd_per_day", "limit": 1_000_000_000, "calendar": []});
    let mut pools = pool("a", &[("rpm", 1_000_000_000), ("tpm", 100_000_000_000), ("concurrency", 64)]);
    pools["limits"].as_array_mut().unwrap().push(daily);
    let router = router(&[deployment("a", json!({"pools": ["a"]}))], json!({"pools": [pools]}));
    let (fresh, fleet) = (snapshot(&router, T), router.fleet());
    let holders = Arc::strong_count(&fleet);
    let leave = |thread: u64| {
        for seed in 0..EACH {
            let mut made = router.reserve(&sized(100), T, thread * EACH + seed).unwrap();
            match seed % 4 {
                // Before anything was sent: every bit comes back.
                0 | 1 => {
                    made.settle(Outcome::bare(Ending::Cancelled { sent: false }), T);
                }
                2 => made.first_content(T),
                _ => {}
            }
        }
    };
    std::thread::scope(|scope| {
        (0..THREADS).for_each(|thread| drop(scope.spawn(move || leave(thread))));
    });
    let (now, all) = (T + secs(120.0), THREADS * EACH);
    let state = state_of(&router, "a", now);
    assert_eq!((state.in_flight, state.age_s, state.attempts, state.failed), (0, 0.0, all, 0));
    assert_eq!(counter(&router, "abandoned"), all / 2);
    assert_eq!(level(&router, "a", "concurrency", T), 64);
    assert_eq!(
        level(&router, "a", "tpm", T),
        100_000_000_000 - 100 * i64::try_from(all / 2).unwrap(),
        "what may have been sent"
    );
    let levels = |snapshot: &junctor_core::snapshot::Snapshot| {
        snapshot.pools["a"].iter().map(|(&dimension, limit)| (dimension, limit.level)).collect::<Vec<_>>()
    };
    assert_eq!(levels(&snapshot(&router, now)), levels(&fresh), "a minute later every limit is full");
    assert_eq!(Arc::strong_count(&fleet), holders, "nobody holds on to the fleet");
}
