use super::*;

type Words = [AtomicU64; BREAKER_WORDS];

const T: Nanos = Nanos::from_secs(1_000);
const LEASE: Nanos = Nanos::from_secs(20);

fn s(secs: u64) -> Nanos {
    Nanos::from_secs(secs)
}

fn ms(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

/// Admits and fails until it opens; returns how many it took and until when it refuses.
fn trip(breaker: &Breaker<'_>, now: Nanos) -> (u32, Nanos) {
    for failures in 1..=1_000 {
        let permit = breaker.admit(now, LEASE).unwrap();
        if let Effect::Opened { until } = breaker.fail(permit, now) {
            return (failures, until);
        }
    }
    panic!("it never opened");
}

fn probe(breaker: &Breaker<'_>, now: Nanos) -> Permit {
    let permit = breaker.admit(now, LEASE).unwrap();
    assert!(permit.probe);
    permit
}

/// "until" is never early and at most a tick late.
#[track_caller]
fn assert_span(until: Nanos, now: Nanos, span: Nanos) {
    let late = until.since(now + span);
    assert!(until >= now + span && late <= Tick::SPAN, "{:?}, expected {span:?}", until.since(now));
}

#[test]
fn a_fresh_breaker_is_closed_and_has_been_for_ever() {
    let words = Words::default();
    let breaker = Breaker::new(&words);
    assert_eq!(breaker.peek(T), Peek::Admits);
    assert_eq!(breaker.closed_since(Nanos(1)), Some(Nanos::MAX));
    assert_span(trip(&breaker, Nanos(1)).1, Nanos(1), s(30));
}

#[test]
fn five_failures_in_a_row_trip_at_any_rate() {
    for gap in [Nanos::ZERO, s(1), s(3_600)] {
        let words = Words::default();
        let breaker = Breaker::new(&words);
        let mut now = T;
        for _ in 0..4 {
            assert_eq!(breaker.fail(breaker.admit(now, LEASE).unwrap(), now), Effect::None);
            now = now + gap;
        }
        let effect = breaker.fail(breaker.admit(now, LEASE).unwrap(), now);
        assert!(matches!(effect, Effect::Opened { .. }), "{gap:?}");
    }
}

#[test]
fn a_success_ends_the_run() {
    let words = Words::default();
    let breaker = Breaker::new(&words);
    let mut now = T;
    for _ in 0..20 {
        for _ in 0..4 {
            assert_eq!(breaker.fail(breaker.admit(now, LEASE).unwrap(), now), Effect::None);
        }
        assert_eq!(breaker.succeed(breaker.admit(now, LEASE).unwrap(), now), Effect::None);
        now = now + s(11);
    }
}

/// Reports results, one every `gap`; returns after how many it opened.
fn opened_after(pattern: impl Fn(u64) -> bool, gap: Nanos, most: u64) -> Option<u64> {
    let words = Words::default();
    let breaker = Breaker::new(&words);
    (0..most)
        .position(|i| {
            let now = Nanos(T.0 + gap.0 * i);
            let permit = breaker.admit(now, LEASE).unwrap();
            let effect = if pattern(i) { breaker.fail(permit, now) } else { breaker.succeed(permit, now) };
            matches!(effect, Effect::Opened { .. })
        })
        .map(|i| i as u64 + 1)
}

#[test]
fn half_of_ten_results_trips_though_no_two_in_a_row_fail() {
    assert_eq!(opened_after(|i| i % 2 == 1, ms(100), 100), Some(10));
}

#[test]
fn forty_nine_percent_does_not_trip() {
    let evenly = |i: u64| (i + 1) * 49 / 100 > i * 49 / 100;
    assert_eq!(opened_after(evenly, ms(10), 100_000), None);
}

#[test]
fn a_burst_within_a_millisecond_trips_at_the_same_count_as_over_nine_seconds() {
    let two_of_three = |i: u64| !i.is_multiple_of(3);
    let slow = opened_after(two_of_three, ms(900), 1_000);
    assert_eq!(slow, Some(10));
    assert_eq!(opened_after(two_of_three, Nanos(1_000), 1_000), slow);
    assert_eq!(opened_after(|_| true, Nanos(1_000), 1_000), opened_after(|_| true, ms(900), 1_000));
}

#[test]
fn a_dead_deployment_is_probed_after_30_60_120_240_300_300_seconds() {
    let words = Words::default();
    let breaker = Breaker::new(&words);
    let (mut now, mut until) = (T, trip(&breaker, T).1);
    for span in [30, 60, 120, 240, 300, 300] {
        assert_span(until, now, s(span));
        assert_eq!(breaker.admit(Nanos(until.0 - 1), LEASE), Err(until), "not before");
        now = until;
        let Effect::Opened { until: next } = breaker.fail(probe(&breaker, now), now) else { panic!("it closed") };
        until = next;
    }
}

#[test]
fn a_flapping_deployment_stays_out_longer_each_time() {
    let words = Words::default();
    let breaker = Breaker::new(&words);
    let mut now = T;
    for span in [30, 60, 120, 240, 300, 300] {
        let (_, until) = trip(&breaker, now);
        assert_span(until, now, s(span));
        assert_eq!(breaker.succeed(probe(&breaker, until), until), Effect::Closed);
        now = until + s(40);
    }
    // Two minutes of health take back two doublings: 300 → 120.
    now = now - s(40) + s(120);
    assert_span(trip(&breaker, now).1, now, s(120));
}

#[test]
fn a_cancelled_or_ignorable_probe_hands_over_at_once_and_costs_nothing() {
    let words = Words::default();
    let breaker = Breaker::new(&words);
    let (_, now) = trip(&breaker, T);
    for _ in 0..20 {
        let permit = probe(&breaker, now);
        assert!(breaker.admit(now, LEASE).is_err());
        assert_eq!(breaker.abandon(permit, now), Effect::ProbeReturned);
        assert_eq!(breaker.peek(now), Peek::WouldProbe);
        assert_eq!(breaker.snapshot(now).exponent, 0);
    }
}

#[test]
fn a_probe_whose_holder_died_is_replaced_after_its_lease_and_counted() {
    let words = Words::default();
    let breaker = Breaker::new(&words);
    let (_, now) = trip(&breaker, T);
    let dead = breaker.admit(now, s(3_600)).unwrap();
    let Err(until) = breaker.admit(now, LEASE) else { panic!("two probes") };
    assert_span(until, now, s(60));
    let second = probe(&breaker, until);
    assert!(second.lost_probe && !dead.lost_probe);
    assert_eq!(breaker.succeed(dead, until), Effect::StaleReport);
    assert_eq!(breaker.succeed(second, until), Effect::Closed);
}

#[test]
fn news_from_before_the_trip_changes_nothing() {
    let words = Words::default();
    let breaker = Breaker::new(&words);
    let old: Vec<_> = (0..6).map(|_| breaker.admit(T, LEASE).unwrap()).collect();
    let (_, now) = trip(&breaker, T);
    let permit = probe(&breaker, now);
    let before = words.each_ref().map(|word| word.load(Ordering::Relaxed));
    let mut old = old.into_iter();
    let mut next = || old.next().unwrap();
    assert_eq!(breaker.succeed(next(), now), Effect::StaleReport);
    assert_eq!(breaker.fail(next(), now), Effect::StaleReport);
    assert_eq!(breaker.throttled(next(), now, None), Effect::StaleReport);
    assert_eq!(breaker.abandon(next(), now), Effect::StaleReport);
    assert_eq!(breaker.config_failure(next(), now), Effect::StaleReport);
    assert_eq!(words.each_ref().map(|word| word.load(Ordering::Relaxed)), before);
    assert_eq!(breaker.succeed(permit, now), Effect::Closed);
    assert_eq!(breaker.fail(next(), now), Effect::StaleReport, "nor after it has closed again");
    assert_eq!(breaker.snapshot(now).recent.total, 0);
}

#[test]
fn a_report_overtaken_by_a_trip_does_not_wipe_out_the_new_run() {
    let words = Words::default();
    let breaker = Breaker::new(&words);
    let (_, now) = trip(&breaker, T);
    breaker.succeed(probe(&breaker, now), now);
    assert_eq!(breaker.fail(breaker.admit(now, LEASE).unwrap(), now), Effect::None);
    // It had passed its generation check before the trip and comes to count only now.
    assert_eq!(breaker.extend_run(0, true), 0);
    assert_eq!(breaker.snapshot(now).run, 1);
}

#[test]
fn a_long_healthy_stream_closes_at_its_first_content() {
    let words = Words::default();
    let breaker = Breaker::new(&words);
    let (_, now) = trip(&breaker, T);
    let mut permit = probe(&breaker, now);
    assert_eq!(breaker.first_content(&mut permit, now), Effect::Closed);
    assert_eq!(breaker.peek(now), Peek::Admits);
    assert_eq!(breaker.first_content(&mut permit, now), Effect::None);
    // Its end counts in the new generation.
    assert_eq!(breaker.fail(permit, now + s(1)), Effect::None);
    assert_eq!(breaker.snapshot(now + s(1)).run, 1);
}

#[test]
fn first_content_after_the_lease_is_stale_and_so_is_its_end() {
    let words = Words::default();
    let breaker = Breaker::new(&words);
    let (_, now) = trip(&breaker, T);
    let mut late = probe(&breaker, now);
    let second = probe(&breaker, now + s(21));
    assert_eq!(breaker.first_content(&mut late, now + s(21)), Effect::StaleReport);
    assert_eq!(breaker.succeed(late, now + s(22)), Effect::StaleReport);
    assert_eq!(breaker.succeed(second, now + s(22)), Effect::Closed);
}

#[test]
fn a_throttled_probe_stays_out_for_the_hint_at_least() {
    for (hint, span) in [(None, 60), (Some(s(5)), 60), (Some(s(600)), 600), (Some(s(86_400)), 3_600)] {
        let words = Words::default();
        let breaker = Breaker::new(&words);
        let (_, now) = trip(&breaker, T);
        let Effect::Opened { until } = breaker.throttled(probe(&breaker, now), now, hint) else { panic!("it closed") };
        assert_span(until, now, s(span));
        assert_eq!(breaker.snapshot(now).exponent, 1);
    }
}

#[test]
fn throttling_while_closed_is_no_failure() {
    let words = Words::default();
    let breaker = Breaker::new(&words);
    for _ in 0..100 {
        assert_eq!(breaker.throttled(breaker.admit(T, LEASE).unwrap(), T, None), Effect::None);
    }
    assert_eq!(breaker.snapshot(T).recent.total, 0);
}

#[test]
fn a_refused_key_is_out_at_once_for_five_minutes_and_says_why() {
    let words = Words::default();
    let breaker = Breaker::new(&words);
    let Effect::Opened { until } = breaker.config_failure(breaker.admit(T, LEASE).unwrap(), T) else { panic!("open") };
    assert_span(until, T, s(300));
    assert_eq!(breaker.snapshot(T).reason, Reason::Config);
    let permit = probe(&breaker, until);
    assert_eq!(breaker.snapshot(until).reason, Reason::Failures);
    assert!(matches!(breaker.config_failure(permit, until), Effect::Opened { .. }));
    assert_eq!(breaker.snapshot(until).reason, Reason::Config);
}

#[test]
fn the_last_resort_probes_before_its_time_once_a_second() {
    let words = Words::default();
    let breaker = Breaker::new(&words);
    trip(&breaker, T);
    let forced = breaker.force_probe(T, LEASE).unwrap();
    assert!(forced.probe && !forced.lost_probe);
    assert_span(breaker.force_probe(T, LEASE).unwrap_err(), T, LEASE);
    breaker.abandon(forced, T);
    let due = breaker.force_probe(T + ms(10), LEASE);
    assert!(due.is_ok(), "an abandoned probe is free for the next caller, forced or not");
    breaker.fail(due.unwrap(), T + ms(10));
    assert_eq!(breaker.force_probe(T + ms(20), LEASE), Err(T + s(1)));
    let probes = (20..10_000)
        .filter(|&t| breaker.force_probe(T + ms(t), LEASE).map(|permit| breaker.fail(permit, T + ms(t))).is_ok());
    assert_eq!(probes.count(), 9);
    breaker.reset(T + s(11));
    assert!(!breaker.force_probe(T + s(11), LEASE).unwrap().probe, "closed: an ordinary permit");
}

#[test]
fn the_operator_is_obeyed() {
    let words = Words::default();
    let breaker = Breaker::new(&words);
    let old = breaker.admit(T, LEASE).unwrap();
    assert_eq!(breaker.force_open(T), Effect::Opened { until: Nanos::MAX });
    let years = T + s(5 * 365 * 86_400);
    assert_eq!(breaker.peek(years), Peek::Refuses(Nanos::MAX));
    assert_eq!(breaker.admit(years, LEASE), Err(Nanos::MAX));
    assert_eq!(breaker.force_probe(years, LEASE), Err(Nanos::MAX));
    assert_eq!(breaker.succeed(old, T), Effect::StaleReport);
    assert_eq!(breaker.snapshot(T).reason, Reason::Operator);
    assert_eq!(breaker.force_close(T), Effect::Closed);
    assert_eq!(breaker.closed_since(T + s(5)).map(|span| span + Tick::SPAN >= s(5)), Some(true));
    assert_span(trip(&breaker, T + s(1)).1, T + s(1), s(60));
    assert_eq!(breaker.reset(T + s(2)), Effect::Closed);
    assert_span(trip(&breaker, T + s(3)).1, T + s(3), s(30));
}

#[test]
fn the_slow_start_sees_when_it_closed() {
    let words = Words::default();
    let breaker = Breaker::new(&words);
    let (_, now) = trip(&breaker, T);
    assert_eq!(breaker.closed_since(now), None);
    breaker.succeed(probe(&breaker, now), now);
    let closed = breaker.closed_since(now + s(10)).unwrap();
    assert!(closed + Tick::SPAN >= s(10) && closed <= s(10) + Tick::SPAN, "{closed:?}");
}
