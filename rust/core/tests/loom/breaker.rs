//! The breaker's word, its run and its slices.

use std::sync::{Arc, Mutex};

use junctor_core::breaker::{BREAKER_WORDS, Breaker, Effect, Permit, State};
use junctor_core::sync::AtomicU64;
use junctor_core::units::Nanos;

use crate::{T, in_every_order, outcomes, s, together};

const LEASE: Nanos = Nanos::from_secs(20);

/// A breaker, and permits that the threads come with: each takes the one at its place.
struct Bed {
    words: [AtomicU64; BREAKER_WORDS],
    permits: Mutex<[Option<Permit>; 3]>,
}

impl Bed {
    fn new() -> Self {
        Self { words: Default::default(), permits: Mutex::default() }
    }

    fn breaker(&self) -> Breaker<'_> {
        Breaker::new(&self.words)
    }

    /// Hands out a permit for the thread at `place`.
    fn give(&self, place: usize, permit: Permit) {
        self.permits.lock().unwrap()[place] = Some(permit);
    }

    /// Never contended: no thread is stopped while it holds the lock.
    fn permit(&self, place: usize) -> Permit {
        self.permits.lock().unwrap()[place].take().unwrap()
    }

    fn admit(&self, now: Nanos) -> Permit {
        self.breaker().admit(now, LEASE).unwrap()
    }

    /// So many failures in a row.
    fn fail(&self, times: u32, now: Nanos) -> Effect {
        (0..times).fold(Effect::None, |_, _| self.breaker().fail(self.admit(now), now))
    }
}

/// A breaker that opened at [`T`], and when its first probe is due.
fn open() -> (Arc<Bed>, Nanos) {
    let bed = Bed::new();
    let Effect::Opened { until } = bed.fail(5, T) else { panic!("five in a row trip") };
    (Arc::new(bed), until)
}

fn probes(permits: &[Result<Permit, Nanos>]) -> Vec<usize> {
    let probe = |permit: &Result<Permit, Nanos>| permit.as_ref().is_ok_and(|permit| permit.probe);
    permits.iter().enumerate().filter(|(_, permit)| probe(permit)).map(|(place, _)| place).collect()
}

#[test]
fn of_three_that_find_the_time_passed_exactly_one_probes() {
    let seen = outcomes(|| {
        let (bed, until) = open();
        let permits = together(&bed, 3, move |bed, place| match place {
            2 => bed.breaker().force_probe(until, LEASE),
            _ => bed.breaker().admit(until, LEASE),
        });
        assert_eq!(permits.iter().filter(|permit| permit.is_ok()).count(), 1);
        let snapshot = bed.breaker().snapshot(until);
        assert_eq!((snapshot.state, snapshot.generation), (State::HalfOpen, 2));
        probes(&permits)
    });
    assert_eq!(seen.into_keys().collect::<Vec<_>>(), [[0], [1], [2]], "each of them can be the one");
}

#[test]
fn before_its_time_one_of_two_last_resorts_probes() {
    let seen = outcomes(|| {
        let (bed, until) = open();
        let early = until - s(10);
        let permits = together(&bed, 2, move |bed, _| bed.breaker().force_probe(early, LEASE));
        assert_eq!(permits.iter().filter(|permit| permit.is_ok()).count(), 1);
        probes(&permits)
    });
    assert_eq!(seen.into_keys().collect::<Vec<_>>(), [[0], [1]]);
}

#[test]
fn a_lost_probe_is_followed_by_one_other_or_closes_it_after_all() {
    let seen = outcomes(|| {
        let (bed, until) = open();
        bed.give(0, bed.admit(until));
        let late = until + LEASE + s(1);
        let ends = together(&bed, 3, move |bed, place| match place {
            0 => Err(bed.breaker().succeed(bed.permit(0), late)),
            _ => Ok(bed.breaker().admit(late, LEASE)),
        });
        let (mut closed, mut permits) = (false, Vec::new());
        for end in ends {
            match end {
                Err(effect) => closed = effect == Effect::Closed,
                Ok(permit) => permits.push(permit),
            }
        }
        let probing = probes(&permits).len();
        assert_eq!(probing, usize::from(!closed), "either it was not lost, or one follows it");
        let snapshot = bed.breaker().snapshot(late);
        assert_eq!(snapshot.state, if closed { State::Closed } else { State::HalfOpen });
        assert_eq!(snapshot.generation, 3);
        for permit in permits.into_iter().flatten() {
            assert_eq!((permit.lost_probe, permit.generation), (!closed, 3));
        }
        closed
    });
    assert_eq!(seen.len(), 2, "the lost one is sometimes in time");
}

#[test]
fn news_from_before_the_trip_neither_closes_nor_prolongs() {
    in_every_order(2, || {
        let bed = Bed::new();
        (0..2).for_each(|place| bed.give(place, bed.admit(T)));
        let Effect::Opened { until } = bed.fail(5, T) else { panic!("five in a row trip") };
        bed.give(2, bed.admit(until));
        let effects = together(&Arc::new(bed), 3, move |bed, place| {
            let breaker = bed.breaker();
            let effect = match place {
                0 => breaker.succeed(bed.permit(0), until),
                1 => breaker.fail(bed.permit(1), until),
                _ => breaker.fail(bed.permit(2), until),
            };
            (effect, breaker.snapshot(until).generation, bed.words[1].load(junctor_core::sync::Ordering::Acquire))
        });
        assert_eq!([effects[0].0, effects[1].0], [Effect::StaleReport; 2]);
        let Effect::Opened { until: reopened } = effects[2].0 else { panic!("the probe failed: {effects:?}") };
        assert_eq!(reopened.since(until), s(60), "one doubling, for one failed probe");
        effects.into_iter().map(|(_, generation, run)| (generation, run)).collect::<Vec<_>>()
    });
}

#[test]
fn of_two_failures_that_are_both_the_fifth_one_opens_it() {
    let seen = outcomes(|| {
        let bed = Bed::new();
        bed.fail(4, T);
        (0..2).for_each(|place| bed.give(place, bed.admit(T)));
        let bed = Arc::new(bed);
        let effects = together(&bed, 2, |bed, place| bed.breaker().fail(bed.permit(place), T));
        let opened = |effect: &Effect| matches!(effect, Effect::Opened { .. });
        assert_eq!(effects.iter().filter(|effect| opened(effect)).count(), 1);
        let snapshot = bed.breaker().snapshot(T);
        assert_eq!((snapshot.state, snapshot.generation, snapshot.exponent), (State::Open, 1, 0));
        effects.iter().map(|effect| (opened(effect), *effect == Effect::StaleReport)).collect::<Vec<_>>()
    });
    assert!(seen.len() >= 3, "either opens it, and the other finds it done or comes too late: {seen:?}");
}

#[test]
fn a_success_and_a_failure_at_once_are_counted_as_if_one_came_first() {
    let seen = outcomes(|| {
        let bed = Bed::new();
        bed.fail(4, T);
        (0..2).for_each(|place| bed.give(place, bed.admit(T)));
        let bed = Arc::new(bed);
        let effects = together(&bed, 2, |bed, place| match place {
            0 => bed.breaker().succeed(bed.permit(0), T),
            _ => bed.breaker().fail(bed.permit(1), T),
        });
        let snapshot = bed.breaker().snapshot(T);
        let opened = matches!(effects[1], Effect::Opened { .. });
        assert_eq!(snapshot.state, if opened { State::Open } else { State::Closed });
        if !opened {
            assert_eq!(snapshot.run, 1, "the success came first, and this failure is the first again");
            assert_eq!((snapshot.recent.total, snapshot.recent.failed), (6, 5));
        }
        opened
    });
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_slice_of_an_old_second_is_replaced_and_no_result_is_lost() {
    in_every_order(1, || {
        let bed = Bed::new();
        bed.fail(3, T);
        let later = T + s(10);
        (0..3).for_each(|place| bed.give(place, bed.admit(later)));
        let bed = Arc::new(bed);
        together(&bed, 3, move |bed, place| match place {
            0 => bed.breaker().succeed(bed.permit(0), later),
            _ => bed.breaker().fail(bed.permit(place), later),
        });
        let recent = bed.breaker().snapshot(later).recent;
        assert_eq!((recent.total, recent.failed), (3, 2), "the three of ten seconds ago are gone");
    });
}

#[test]
fn a_report_overtaken_by_a_trip_and_a_recovery_leaves_the_new_count_alone() {
    let seen = outcomes(|| {
        let bed = Bed::new();
        bed.fail(4, T);
        (0..2).for_each(|place| bed.give(place, bed.admit(T)));
        let bed = Arc::new(bed);
        let ends = together(&bed, 2, |bed, place| {
            let breaker = bed.breaker();
            let effect = breaker.fail(bed.permit(place), T);
            let Effect::Opened { until } = effect else { return None };
            let mut probe = breaker.admit(until, LEASE).unwrap();
            assert_eq!(breaker.first_content(&mut probe, until), Effect::Closed);
            Some(breaker.fail(probe, until))
        });
        assert_eq!(ends.iter().flatten().collect::<Vec<_>>(), [&Effect::None], "one trips, recovers and fails once");
        let snapshot = bed.breaker().snapshot(T + s(31));
        assert_eq!((snapshot.state, snapshot.generation), (State::Closed, 3));
        assert_eq!(snapshot.run, 1);
        ends.iter().position(Option::is_some)
    });
    assert_eq!(seen.len(), 2, "either of them trips it");
}

#[test]
fn an_operator_is_obeyed_and_no_probe_overrules_it() {
    let seen = outcomes(|| {
        let (bed, until) = open();
        bed.give(0, bed.admit(until));
        let ends = together(&bed, 2, move |bed, place| match place {
            0 => bed.breaker().succeed(bed.permit(0), until),
            _ => bed.breaker().force_open(until),
        });
        let snapshot = bed.breaker().snapshot(until);
        assert_eq!(snapshot.state, State::ForcedOpen);
        ends[0] == Effect::StaleReport
    });
    assert_eq!(seen.len(), 2, "the probe comes first or too late");
}
