//! Buckets against a naive twin, and under threads.
//!
//! The twin keeps credit as an exact fraction, a day's count in a plain pair, and takes from many by checking all
//! first. It shares no arithmetic with the code under test.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

use std::sync::Barrier;

use junctor_core::limit::{
    BUCKET_WORDS, Bucket, Calendar, Denied, Held, Kind, Level, Quota, Report, Transition, hold_all,
};
use junctor_core::sync::{AtomicU64, Ordering};
use junctor_core::units::Nanos;
use proptest::prelude::*;

type Words = [AtomicU64; BUCKET_WORDS];

const MINUTE: Nanos = Nanos::from_secs(60);
const START: Nanos = Nanos::from_secs(50_000);
/// Ten hours east of UTC, so that a day ends within the times that the sequences reach.
const OFFSET_S: i64 = 36_000;

fn bits(words: &[Words]) -> Vec<u64> {
    words.iter().flatten().map(|word| word.load(Ordering::Relaxed)).collect()
}

#[derive(Clone, Debug)]
enum Twin {
    /// Credit in nanoseconds × units: a unit costs `window_ns`, each nanosecond brings `limit`.
    Paced {
        credit: i128,
        limit: i128,
        burst: i128,
        at: u64,
    },
    Daily {
        day: i64,
        used: i64,
        limit: i64,
    },
    AtOnce {
        running: i64,
        limit: i64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Passes,
    Waits,
    Never,
}

const NS_PER_MINUTE: i128 = 60_000_000_000;

fn day(now: Nanos) -> i64 {
    (i64::try_from(now.0 / 1_000_000_000).unwrap() + OFFSET_S).div_euclid(86_400)
}

impl Twin {
    fn of(quota: &Quota) -> Self {
        let limit = quota.limit();
        match quota.kind() {
            Kind::Calendar => Self::Daily { day: 0, used: 0, limit: limit as i64 },
            Kind::Concurrency => Self::AtOnce { running: 0, limit: limit as i64 },
            _ => {
                let burst = i128::from(quota.burst());
                Self::Paced { credit: burst * NS_PER_MINUTE, limit: i128::from(limit), burst, at: 0 }
            }
        }
    }

    fn advance(&mut self, now: Nanos) {
        match self {
            Self::Paced { credit, limit, burst, at } => {
                let refilled = *credit + i128::from(now.0 - *at) * *limit;
                (*credit, *at) = (refilled.min(*burst * NS_PER_MINUTE), now.0);
            }
            Self::Daily { day: held, used, .. } => {
                if day(now) > *held {
                    (*held, *used) = (day(now), 0);
                }
            }
            Self::AtOnce { .. } => {}
        }
    }

    fn judge(&self, n: u64) -> Verdict {
        let n = i64::try_from(n).unwrap();
        let (never, passes) = match *self {
            Self::Paced { credit, limit, burst, .. } => {
                // Above the burst only from a full bucket.
                let need = i128::from(n).min(burst) * NS_PER_MINUTE;
                (i128::from(n) > limit, credit >= need)
            }
            Self::Daily { used, limit, .. } => (n > limit, used + n <= limit),
            Self::AtOnce { running, limit } => (n > limit, running + n <= limit),
        };
        if never {
            Verdict::Never
        } else if passes {
            Verdict::Passes
        } else {
            Verdict::Waits
        }
    }

    fn spend(&mut self, n: u64) {
        match self {
            Self::Paced { credit, .. } => *credit -= i128::from(n) * NS_PER_MINUTE,
            Self::Daily { used: count, .. } | Self::AtOnce { running: count, .. } => *count += n as i64,
        }
    }

    fn give(&mut self, n: u64, day_taken: i64) {
        match self {
            Self::Paced { credit, burst, .. } => {
                *credit = (*credit + i128::from(n) * NS_PER_MINUTE).min(*burst * NS_PER_MINUTE);
            }
            Self::Daily { day, used, .. } => *used -= if *day == day_taken { n as i64 } else { 0 },
            Self::AtOnce { running, .. } => *running -= n as i64,
        }
    }

    fn settle(&mut self, held: u64, actual: u64, day_taken: i64) {
        match self {
            Self::AtOnce { running, .. } => *running -= held as i64,
            _ if actual > held => self.spend(actual - held),
            _ => self.give(held - actual, day_taken),
        }
    }

    fn level(&self) -> i64 {
        match *self {
            Self::Paced { credit, .. } => credit.div_euclid(NS_PER_MINUTE) as i64,
            Self::Daily { used, limit, .. } => limit - used,
            Self::AtOnce { running, limit } => limit - running,
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Hold([u64; 4]),
    Settle(usize, [u64; 4]),
    Cancel(usize),
    Charge(usize, u64),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let amounts = || [0..4_u64, 0..900_u64, 0..4_u64, 0..3_u64];
    prop_oneof![
        6 => amounts().prop_map(Step::Hold),
        1 => (50..7_000_u64).prop_map(|tokens| Step::Hold([1, tokens, 0, 1])),
        3 => (any::<usize>(), [0..8_u64, 0..3_000_u64, 0..8_u64, 0..3_u64]).prop_map(|(i, n)| Step::Settle(i, n)),
        2 => any::<usize>().prop_map(Step::Cancel),
        1 => (0..4_usize, 0..50_u64).prop_map(|(place, n)| Step::Charge(place, n)),
        3 => prop_oneof![0..2_000_u64, 0..20_000_000_000_u64, 0..7_200_000_000_000_u64].prop_map(Step::Pass),
    ]
}

fn quotas() -> [Quota; 4] {
    let zone = Transition { from_wall_s: 0, utc_offset_s: i32::try_from(OFFSET_S).unwrap() };
    [
        Quota::paced(60, MINUTE, None).unwrap(),
        Quota::paced(6_000, MINUTE, Some(Nanos::from_secs(20))).unwrap(),
        Quota::calendar(200, Calendar::new(0, vec![zone]).unwrap()).unwrap(),
        Quota::concurrency(12).unwrap(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_agrees_with_the_naive_twin(steps in proptest::collection::vec(step(), 1..120)) {
        let (quotas, words): (_, [Words; 4]) = (quotas(), Default::default());
        let buckets: Vec<Bucket<'_>> = quotas.iter().zip(&words).map(|(q, w)| Bucket::new(q, w)).collect();
        let mut twins: Vec<Twin> = quotas.iter().map(Twin::of).collect();
        let mut open: Vec<(Vec<Held>, [u64; 4], i64)> = Vec::new();
        let mut now = START;
        twins.iter_mut().for_each(|twin| twin.advance(now));
        for step in steps {
            match step {
                Step::Hold(amounts) => {
                    let verdicts: Vec<_> = twins.iter().zip(amounts).map(|(twin, n)| twin.judge(n)).collect();
                    let before = bits(&words);
                    let wanted: Vec<_> = buckets.iter().copied().zip(amounts).collect();
                    match hold_all(&wanted, now) {
                        Ok(held) => {
                            prop_assert!(verdicts.iter().all(|&v| v == Verdict::Passes), "{verdicts:?}");
                            twins.iter_mut().zip(amounts).for_each(|(twin, n)| twin.spend(n));
                            open.push((held.into_iter().collect(), amounts, day(now)));
                        }
                        Err((place, denied)) => {
                            prop_assert_eq!(bits(&words), before, "a refusal leaves every bit");
                            let never = verdicts.contains(&Verdict::Never);
                            prop_assert_eq!(denied == Denied::Never, never);
                            prop_assert_ne!(verdicts[place], Verdict::Passes);
                            if let (Denied::NotUntil(at), Twin::Paced { .. } | Twin::Daily { .. }) = (denied, &twins[place]) {
                                let judge = |at| { let mut twin = twins[place].clone(); twin.advance(at); twin.judge(amounts[place]) };
                                prop_assert_eq!(judge(at), Verdict::Passes, "passes when it said");
                                prop_assert_eq!(judge(Nanos(at.0 - 1)), Verdict::Waits, "and not earlier");
                            }
                        }
                    }
                }
                Step::Settle(i, actual) if !open.is_empty() => {
                    let (held, amounts, taken) = open.swap_remove(i % open.len());
                    for (place, held) in held.into_iter().enumerate() {
                        buckets[place].settle(held, actual[place], now);
                        twins[place].settle(amounts[place], actual[place], taken);
                    }
                }
                Step::Cancel(i) if !open.is_empty() => {
                    let (held, amounts, taken) = open.swap_remove(i % open.len());
                    for (place, held) in held.into_iter().enumerate() {
                        buckets[place].cancel(held);
                        twins[place].give(amounts[place], taken);
                    }
                }
                Step::Charge(place, n) if place < 3 => {
                    buckets[place].charge(n, now);
                    twins[place].spend(n);
                }
                Step::Pass(ns) => {
                    now = now + Nanos(ns);
                    twins.iter_mut().for_each(|twin| twin.advance(now));
                }
                _ => {}
            }
            for (bucket, twin) in buckets.iter().zip(&twins) {
                prop_assert_eq!(bucket.level(now), twin.level(), "{:?}", twin);
            }
        }
    }

    #[test]
    fn no_limit_ever_admits_more_than_rate_and_burst(
        limit in prop_oneof![1..1_000_u64, 1_000..50_000_000_u64],
        span in 1..61_u64,
        asks in proptest::collection::vec((1..500_u64, 0..3_000_000_000_u64), 1..300),
    ) {
        let quota = Quota::paced(limit, MINUTE, Some(Nanos::from_secs(span))).unwrap();
        let words = Words::default();
        let bucket = Bucket::new(&quota, &words);
        let (mut now, mut admitted, mut singles, mut largest) = (START, 0_u128, true, 0);
        for (ask, gap) in asks {
            let n = 1 + (ask * limit / 700).min(limit - 1);
            if let Ok(held) = bucket.take(n, now) {
                (admitted, singles, largest) = (admitted + u128::from(held.units()), singles && n == 1, largest.max(n));
            }
            // Everything × window: admitted ≤ limit · t / window + max(burst, largest), and for mixed sizes of a limit
            // that does not divide the window less than one unit of rounding.
            let emitted = u128::from(limit) * u128::from((now - START).0);
            let burst = u128::from(quota.burst().max(largest));
            let bound = emitted + (burst + u128::from(!singles)) * u128::from(MINUTE.0);
            prop_assert!(admitted * u128::from(MINUTE.0) <= bound, "{admitted} of {limit} with burst {burst}");
            now = now + Nanos(gap);
        }
    }

    #[test]
    fn headers_never_lift_a_bucket_above_its_config(
        reports in proptest::collection::vec(
            (proptest::option::of(0..200_000_u64), proptest::option::of(any::<u64>()), 0..2_000_u64, any::<u32>()), 1..60),
    ) {
        for quota in quotas() {
            let words = Words::default();
            let bucket = Bucket::new(&quota, &words);
            for (i, (limit, remaining, sent_after, ask)) in reports.iter().enumerate() {
                let now = START + Nanos::from_millis(i as u64 * 700);
                drop(bucket.take(u64::from(ask % 400), now));
                let remaining = remaining.map(|n| if n % 3 == 0 { n } else { n % 100_000 });
                let report = Report { limit: *limit, remaining, rounding: u64::from(ask % 7) };
                let before = bucket.level(now);
                let resynced = bucket.resync(report, now, *sent_after, now);
                prop_assert!(bucket.limit() >= 1 && bucket.limit() <= quota.limit());
                prop_assert!(bucket.level(now) <= i64::try_from(quota.burst()).unwrap());
                if resynced.limit_changed.is_none() && resynced.level != Level::Raised {
                    prop_assert!(bucket.level(now) <= before);
                }
                if let (Level::Lowered, Some(remaining)) = (resynced.level, remaining) {
                    prop_assert!(bucket.headroom(now) <= remaining.saturating_sub(*sent_after));
                }
            }
        }
    }
}

const THREADS: usize = 8;

/// Runs `work` on eight threads that start together, and returns what each brought back.
fn together<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        let (barrier, work) = (&barrier, &work);
        let threads: Vec<_> = (0..THREADS)
            .map(|i| {
                scope.spawn(move || {
                    barrier.wait();
                    work(i)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn a_thousand_concurrent_takes_on_a_limit_of_a_hundred_admit_exactly_a_hundred() {
    let quotas = [
        Quota::paced(100, MINUTE, Some(MINUTE)).unwrap(),
        Quota::paced(101, MINUTE, Some(MINUTE)).unwrap(),
        Quota::calendar(100, Calendar::utc(0)).unwrap(),
        Quota::concurrency(100).unwrap(),
    ];
    let mut shared = 0;
    // Giving way after each take lets the others in even on one core.
    let take = |bucket: Bucket<'_>| {
        let taken = bucket.take(1, START).map(drop).is_ok();
        std::thread::yield_now();
        taken
    };
    for _ in 0..50 {
        for quota in &quotas {
            let words = Words::default();
            let bucket = Bucket::new(quota, &words);
            let admitted = together(|_| (0..125).filter(|_| take(bucket)).count() as u64);
            assert_eq!(admitted.iter().sum::<u64>(), quota.limit(), "{:?}", quota.kind());
            shared += usize::from(admitted.iter().filter(|&&n| n > 0).count() > 1);
        }
    }
    assert!(shared > 0, "at least one round was really shared between threads");
}

#[test]
fn after_a_storm_of_holds_and_cancels_nothing_is_left_behind() {
    let (quotas, words): (_, [Words; 4]) = (quotas(), Default::default());
    let buckets: Vec<Bucket<'_>> = quotas.iter().zip(&words).map(|(q, w)| Bucket::new(q, w)).collect();
    let outcomes = together(|i| {
        let (mut granted, mut refused) = (0_u64, 0_u64);
        for round in 0..20_000_u64 {
            let tokens = 100 + (round * 37 + i as u64 * 911) % 900;
            let wanted = [(buckets[0], 1), (buckets[1], tokens), (buckets[2], 40), (buckets[3], 2)];
            match hold_all(&wanted, START) {
                Ok(held) => {
                    granted += 1;
                    std::thread::yield_now();
                    held.into_iter().zip(&buckets).for_each(|(held, bucket)| bucket.cancel(held));
                }
                Err(_) => refused += 1,
            }
        }
        (granted, refused)
    });
    for (bucket, quota) in buckets.iter().zip(&quotas) {
        assert_eq!((bucket.level(START), bucket.used(START)), (quota.burst() as i64, 0), "{:?}", quota.kind());
    }
    let refused: u64 = outcomes.iter().map(|&(_, refused)| refused).sum();
    let took_part = outcomes.iter().filter(|&&(granted, _)| granted > 0).count();
    assert!(refused > 0 && took_part > 1, "threads stood in each other's way: {outcomes:?}");
}

#[test]
fn of_two_limits_the_roomy_one_is_charged_only_for_what_the_tight_one_admits() {
    for _ in 0..200 {
        let words: [Words; 2] = Default::default();
        let roomy = Quota::paced(60_000, MINUTE, Some(MINUTE)).unwrap();
        let tight = Quota::concurrency(17).unwrap();
        let (roomy, tight) = (Bucket::new(&roomy, &words[0]), Bucket::new(&tight, &words[1]));
        let admitted: usize =
            together(|_| (0..50).filter(|_| hold_all(&[(roomy, 7), (tight, 1)], START).is_ok()).count())
                .into_iter()
                .sum();
        assert_eq!((admitted, tight.used(START), roomy.used(START)), (17, 17, 17 * 7));
    }
}

#[test]
fn threads_on_a_running_clock_never_exceed_rate_and_burst() {
    let quota = Quota::paced(600_000, MINUTE, Some(Nanos::from_secs(1))).unwrap();
    let (words, clock) = (Words::default(), AtomicU64::new(START.0));
    let bucket = Bucket::new(&quota, &words);
    // Each call moves the clock by 20 µs, a fifth of what a unit costs.
    let admitted: u64 = together(|_| {
        let ask = |_: &u32| bucket.take(1, Nanos(clock.fetch_add(20_000, Ordering::Relaxed))).map(drop).is_ok();
        (0..100_000_u32).filter(ask).count() as u64
    })
    .into_iter()
    .sum();
    let elapsed_ns = clock.load(Ordering::Relaxed) - START.0;
    let bound = elapsed_ns / 100_000 + quota.burst();
    assert!(admitted <= bound, "{admitted} of {bound}");
    assert!(admitted * 1_000 >= bound * 995, "and at least 99.5 % is used: {admitted} of {bound}");
}
