//! The averages' packed words: two results at once count as two.

use std::sync::Arc;

use junctor_core::balance::averages::{Latency, Reference, Success};
use junctor_core::limit::OutputLength;
use junctor_core::sync::AtomicU64;

use crate::{T, in_every_order, outcomes, s, together};

#[test]
fn two_failures_at_once_count_as_two() {
    in_every_order(1, || {
        let word = Arc::new(AtomicU64::new(0));
        together(&word, 2, |word, _| Success::new(word).add(false, T));
        let rate = Success::new(&word).rate(T);
        assert!((rate - 0.81).abs() < 1e-6, "{rate}");
    });
}

#[test]
fn a_success_and_a_failure_at_once_count_as_if_one_came_first() {
    let seen = outcomes(|| {
        let word = AtomicU64::new(0);
        Success::new(&word).add(false, T);
        let word = Arc::new(word);
        together(&word, 2, |word, place| Success::new(word).add(place == 0, T));
        let rate = Success::new(&word).rate(T);
        let (first, second) = ((rate - 0.819).abs() < 1e-6, (rate - 0.829).abs() < 1e-6);
        assert!(first || second, "{rate}");
        first
    });
    assert_eq!(seen.len(), 2);
}

#[test]
fn two_samples_at_once_both_move_the_average() {
    const LEVEL: Reference = Reference { median: 0.0, prior: 0.0 };
    let seen = outcomes(|| {
        let words = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        together(&words, 2, |words, place| {
            let latency = Latency::new(&words[0], &words[1]);
            latency.add([0.5, -0.5][place], T, LEVEL);
        });
        let latency = Latency::new(&words[0], &words[1]);
        let known = latency.known(T).unwrap();
        // 0.05 and then a tenth of the way to -0.5, or the other way round.
        let (one, other) = ((known + 0.005).abs() < 1e-6, (known - 0.005).abs() < 1e-6);
        assert!(one || other, "{known}");
        let later = T + s(10);
        assert!(latency.expected(later, LEVEL) != 0.0, "ten seconds after the first sample they are believed");
        one
    });
    assert_eq!(seen.len(), 2);
}

#[test]
fn no_length_of_an_answer_is_lost() {
    in_every_order(1, || {
        let word = Arc::new(AtomicU64::new(0));
        together(&word, 3, |word, place| OutputLength::new(word).observe(100 << place));
        assert_eq!(OutputLength::new(&word).samples(), 3);
    });
}
