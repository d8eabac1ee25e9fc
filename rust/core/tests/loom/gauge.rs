//! A gauge and whoever corrects it.

use std::sync::Arc;

use junctor_core::gauge::{Gauge, give_back, taken};
use junctor_core::sync::{AtomicU64, update};

use crate::{in_every_order, outcomes, together};

#[test]
fn of_three_that_take_the_last_two_places_two_get_one() {
    let seen = outcomes(|| {
        let word = Arc::new(AtomicU64::new(0));
        let took = together(&word, 3, |word, _| update(word, |word| taken(word, 1, 2)).is_ok());
        assert_eq!(took.iter().filter(|took| **took).count(), 2);
        assert_eq!((Gauge::new(&word).running(), Gauge::new(&word).started()), (2, 2));
        took
    });
    assert_eq!(seen.len(), 3);
}

#[test]
fn a_correction_never_takes_the_count_of_one_that_lives() {
    let seen = outcomes(|| {
        let word = AtomicU64::new(0);
        // Two that died at it.
        (0..2).for_each(|_| Gauge::new(&word).enter());
        let word = Arc::new(word);
        let ends = together(&word, 2, |word, place| {
            let gauge = Gauge::new(word);
            if place == 0 {
                // Nobody's cell was seen.
                let seen = gauge.word();
                return gauge.correct(seen, (seen & 0xfffff) - 2);
            }
            gauge.enter();
            assert!(gauge.running() >= 1, "it is at it, and counted");
            gauge.leave();
            true
        });
        let left = Gauge::new(&word).running();
        assert_eq!(left, if ends[0] { 0 } else { 2 }, "all of it, or nothing because somebody moved");
        ends[0]
    });
    assert_eq!(seen.len(), 2);
}

#[test]
fn places_that_are_given_back_at_once_come_back_once_each() {
    in_every_order(1, || {
        let word = AtomicU64::new(0);
        (0..3).for_each(|_| Gauge::new(&word).enter());
        let word = Arc::new(word);
        together(&word, 3, |word, place| give_back(word, [1, 1, 0][place]));
        assert_eq!(Gauge::new(&word).running(), 1);
    });
}
