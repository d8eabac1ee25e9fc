use super::*;
use crate::limit::Calendar;
use crate::limit::gcra;

const MINUTE: Nanos = Nanos::from_secs(60);
const T: Nanos = Nanos::from_secs(1_000);
type Words = [AtomicU64; BUCKET_WORDS];

fn s(secs: u64) -> Nanos {
    Nanos::from_secs(secs)
}

fn kinds(limit: u64) -> [Quota; 3] {
    [
        Quota::paced(limit, MINUTE, Some(MINUTE)).unwrap(),
        Quota::calendar(limit, Calendar::utc(0)).unwrap(),
        Quota::concurrency(limit).unwrap(),
    ]
}

#[test]
fn every_kind_gives_its_last_unit_and_takes_all_back() {
    for quota in kinds(7) {
        let words = Words::default();
        let bucket = Bucket::new(&quota, &words);
        let held: Vec<_> = (0..7).map(|_| bucket.take(1, T).unwrap()).collect();
        assert!(bucket.take(1, T).is_err(), "{:?}", quota.kind());
        assert_eq!((bucket.headroom(T), bucket.used(T), bucket.fraction(T)), (0, 7, 0.0));
        held.into_iter().for_each(|held| bucket.cancel(held));
        assert_eq!((bucket.headroom(T), bucket.used(T), bucket.fraction(T)), (7, 0, 1.0));
        assert_eq!(bucket.peek(8, T), Err(Denied::Never), "more than the limit is refused at once");
    }
}

#[test]
fn ten_times_the_estimate_becomes_debt_that_later_calls_wait_for() {
    let (quota, words) = (Quota::paced(60, MINUTE, None).unwrap(), Words::default());
    let bucket = Bucket::new(&quota, &words);
    let held = bucket.take(10, T).unwrap();
    bucket.settle(held, 100, T);
    assert_eq!((bucket.level(T), bucket.headroom(T)), (-90, 0));
    assert_eq!(bucket.peek(1, T), Err(Denied::NotUntil(T + s(91))));
    assert!(bucket.take(1, T + s(91)).is_ok());
}

#[test]
fn settling_below_the_estimate_gives_the_rest_back() {
    for quota in &kinds(100)[..2] {
        let words = Words::default();
        let bucket = Bucket::new(quota, &words);
        let held = bucket.take(40, T).unwrap();
        bucket.settle(held, 15, T);
        assert_eq!(bucket.headroom(T), 85);
    }
}

#[test]
fn parts_refunded_one_by_one_never_exceed_what_was_paid() {
    let (quota, words) = (Quota::paced(7, MINUTE, Some(MINUTE)).unwrap(), Words::default());
    let bucket = Bucket::new(&quota, &words);
    let mut held = bucket.take(7, T).unwrap();
    let paid = bucket.level_word().load(Ordering::Relaxed);
    for left in (0..7).rev() {
        bucket.refund(&mut held, 1);
        assert_eq!(held.units(), left);
    }
    bucket.refund(&mut held, 1_000);
    assert_eq!(bucket.level_word().load(Ordering::Relaxed), gcra::ticks(T));
    assert!(paid > gcra::ticks(T));
}

#[test]
fn usage_that_is_missing_keeps_the_estimate() {
    let (quota, words) = (Quota::paced(60, MINUTE, Some(MINUTE)).unwrap(), Words::default());
    let bucket = Bucket::new(&quota, &words);
    let held = bucket.take(20, T).unwrap();
    let estimate = held.units();
    bucket.settle(held, estimate, T);
    assert_eq!(bucket.headroom(T), 40);
}

#[test]
fn a_limit_changed_between_take_and_refund_creates_no_capacity() {
    let words = Words::default();
    let (before, after) = (Quota::paced(600, MINUTE, None).unwrap(), Quota::paced(60, MINUTE, None).unwrap());
    let held = Bucket::new(&before, &words).take(100, T).unwrap();
    let bucket = Bucket::new(&after, &words);
    assert_eq!(bucket.headroom(T), 0, "ten seconds are taken, which is the whole burst");
    bucket.cancel(held);
    assert_eq!((bucket.headroom(T), bucket.level(T)), (10, 10));
    // And upwards: never more than the new burst.
    let held = bucket.take(10, T).unwrap();
    let bucket = Bucket::new(&before, &words);
    assert_eq!(bucket.level(T), 0);
    bucket.cancel(held);
    assert_eq!(bucket.headroom(T), 100);
}

#[test]
fn a_lowered_limit_of_any_kind_neither_underflows_nor_grants() {
    for (large, small) in kinds(100).iter().zip(&kinds(10)) {
        let words = Words::default();
        drop(Bucket::new(large, &words).take(90, T));
        let bucket = Bucket::new(small, &words);
        assert_eq!(bucket.headroom(T), if large.kind() == crate::limit::Kind::Paced { 1 } else { 0 });
        assert!(bucket.take(2, T).is_err());
        assert!(bucket.level(T) <= 1);
    }
}

#[test]
fn a_refund_across_midnight_is_dropped() {
    let (quota, words) = (Quota::calendar(10, Calendar::utc(0)).unwrap(), Words::default());
    let bucket = Bucket::new(&quota, &words);
    let (today, tomorrow) = (s(86_399), s(86_400));
    let held = bucket.take(10, today).unwrap();
    assert_eq!(bucket.peek(1, today), Err(Denied::NotUntil(tomorrow)));
    drop(bucket.take(10, tomorrow));
    bucket.cancel(held);
    assert_eq!(bucket.headroom(tomorrow), 0);
}

#[test]
fn a_hold_stops_takes_until_it_ends() {
    let (quota, words) = (Quota::paced(60, MINUTE, None).unwrap(), Words::default());
    let bucket = Bucket::new(&quota, &words);
    bucket.hold_until().exhaust(T + s(3_600), T);
    let refused = Denied::NotUntil(T + s(3_600));
    assert_eq!(bucket.take(1, T).err(), Some(refused));
    assert_eq!(bucket.peek(61, T), Err(Denied::Never));
    assert_eq!((bucket.headroom(T), bucket.fraction(T), bucket.level(T)), (0, 0.0, 10));
    assert!(bucket.take(1, T + s(3_600)).is_ok());
    // The later of hold and rate counts.
    bucket.charge(500, T + s(3_600));
    bucket.hold_until().throttle(Some(s(5)), T + s(3_600));
    assert_eq!(bucket.peek(1, T + s(3_600)), Err(Denied::NotUntil(T + s(3_600 + 492))));
}

#[test]
fn a_learned_limit_slows_the_rate_and_a_lower_config_voids_it() {
    let words = Words::default();
    let quota = Quota::paced(600, MINUTE, None).unwrap();
    let bucket = Bucket::new(&quota, &words);
    words[4].store(60, Ordering::Relaxed);
    assert_eq!((bucket.limit(), bucket.headroom(T)), (60, 10));
    assert_eq!(bucket.peek(61, T), Err(Denied::Never));
    let lower = Quota::paced(30, MINUTE, None).unwrap();
    assert_eq!(Bucket::new(&lower, &words).limit(), 30);
}

#[test]
fn a_pause_of_ten_minutes_is_followed_by_one_burst() {
    let (quota, words) = (Quota::paced(600, MINUTE, None).unwrap(), Words::default());
    let bucket = Bucket::new(&quota, &words);
    let drain = |now| (0..2_000).take_while(|_| bucket.take(1, now).map(drop).is_ok()).count();
    assert_eq!(drain(T), 100);
    assert_eq!(drain(T + s(600)), 100);
}

/// Polls a drained bucket once a microsecond for `seconds`; how many units came, and what each of them cost in ticks.
fn polled(quota: &Quota, seconds: u64) -> (u64, f64) {
    let words = Words::default();
    let bucket = Bucket::new(quota, &words);
    drop(bucket.take(quota.burst(), T));
    let before = bucket.level_word().load(Ordering::Relaxed);
    let polls = 0..seconds * 1_000_000;
    let admitted = polls.filter(|us| bucket.take(1, T + Nanos(us * 1_000)).map(drop).is_ok()).count() as u64;
    let paid = bucket.level_word().load(Ordering::Relaxed) - before;
    (admitted, paid as f64 / admitted as f64)
}

#[test]
fn polling_at_a_megahertz_loses_no_fraction() {
    // A hundred thousand a second, in slices of a tenth of a unit: the millionth comes when it should.
    let (admitted, _) = polled(&Quota::paced(6_000_000, MINUTE, None).unwrap(), 10);
    assert!(admitted.abs_diff(1_000_000) <= 1, "{admitted}");
    // Rates that do not divide the minute: what a unit costs is right to a millionth.
    for limit in [7, 61, 11_003, 480_001, 700_003, 900_001] {
        let (admitted, paid) = polled(&Quota::paced(limit, MINUTE, None).unwrap(), if limit < 100 { 9 } else { 2 });
        let exact = gcra::ticks(MINUTE) as f64 / limit as f64;
        assert!(admitted > 0 && (paid / exact - 1.0).abs() <= 1e-6, "{limit}: {paid} ticks instead of {exact}");
    }
    let (admitted, exact) = (polled(&Quota::paced(7_000_003, MINUTE, None).unwrap(), 2).0, 7_000_003.0 / 30.0);
    assert!((admitted as f64 - exact).abs() <= 1.0, "{admitted} of {exact}");
}

#[test]
fn an_older_reading_of_the_clock_is_harmless() {
    for quota in kinds(10) {
        let words = Words::default();
        let bucket = Bucket::new(&quota, &words);
        drop(bucket.take(5, T));
        assert!(bucket.take(4, T - s(1)).is_ok(), "{:?}", quota.kind());
        assert!(bucket.take(2, T).is_err(), "{:?}", quota.kind());
        assert!(bucket.take(1, T).is_ok(), "{:?}", quota.kind());
    }
}
