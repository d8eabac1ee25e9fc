//! The words that a 429 writes: until when nobody asks, and how much of its share a deployment bears.

use std::sync::Arc;

use junctor_core::limit::{Capacity, HoldUntil};
use junctor_core::sync::AtomicU64;

use crate::{T, in_every_order, outcomes, s, together};

#[test]
fn a_hold_is_never_shortened() {
    in_every_order(2, || {
        let word = Arc::new(AtomicU64::new(0));
        let ends = together(&word, 3, |word, place| {
            let hold = HoldUntil::new(word);
            let end = match place {
                0 => hold.throttle(Some(s(30)), T),
                1 => hold.throttle(Some(s(5)), T),
                _ => hold.throttle(None, T),
            };
            let seen = hold.in_force(T).unwrap().until;
            assert!(seen >= end, "from {end:?} back to {seen:?}");
            end
        });
        assert_eq!(ends[0], T + s(30));
        assert_eq!(HoldUntil::new(&word).in_force(T).unwrap().until, T + s(30));
        ends
    });
}

#[test]
fn a_success_does_not_end_a_hold_that_comes_at_the_same_time() {
    in_every_order(2, || {
        let word = AtomicU64::new(0);
        HoldUntil::new(&word).throttle(None, T - s(2));
        let word = Arc::new(word);
        let ends = together(&word, 2, |word, place| {
            let hold = HoldUntil::new(word);
            if place == 0 {
                hold.ease(T);
                return T;
            }
            hold.throttle(None, T)
        });
        let hold = HoldUntil::new(&word).in_force(T).unwrap();
        assert_eq!((hold.until, hold.exhausted), (ends[1], false));
        ends[1]
    });
}

#[test]
fn a_spent_quota_stays_spent_whatever_is_throttled_beside_it() {
    in_every_order(1, || {
        let word = Arc::new(AtomicU64::new(0));
        together(&word, 3, |word, place| match place {
            0 => HoldUntil::new(word).exhaust(T + s(7_200), T),
            1 => HoldUntil::new(word).throttle(Some(s(60)), T),
            _ => HoldUntil::new(word).throttle(None, T),
        });
        let hold = HoldUntil::new(&word).in_force(T).unwrap();
        assert_eq!((hold.until, hold.exhausted), (T + s(7_200), true));
    });
}

#[test]
fn refusals_that_come_together_cut_the_capacity_once() {
    let seen = outcomes(|| {
        let word = Arc::new(AtomicU64::new(0));
        let cut = together(&word, 3, |word, _| Capacity::new(word).cut(T));
        assert_eq!(cut.iter().filter(|cut| **cut).count(), 1);
        assert_eq!(Capacity::new(&word).factor(T), 0.7);
        cut.iter().position(|cut| *cut)
    });
    assert_eq!(seen.len(), 3);
}

#[test]
fn a_second_apart_both_cut_or_the_older_reading_comes_too_late() {
    let seen = outcomes(|| {
        let word = Arc::new(AtomicU64::new(0));
        let cut = together(&word, 2, |word, place| Capacity::new(word).cut(T + s(place as u64)));
        assert!(cut[1], "the later one always cuts");
        let factor = Capacity::new(&word).factor(T + s(1));
        assert!(if cut[0] { (0.49..0.50).contains(&factor) } else { factor == 0.7 }, "{factor}");
        cut[0]
    });
    assert_eq!(seen.len(), 2);
}
