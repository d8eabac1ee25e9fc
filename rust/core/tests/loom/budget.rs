//! The retry budget.

use std::sync::Arc;

use junctor_core::retry::{Allowance, BUDGET_WORDS, RetryBudget};
use junctor_core::sync::{AtomicU64, Ordering};

use crate::{T, in_every_order, outcomes, s, together};

type Words = [AtomicU64; BUDGET_WORDS];

/// No floor, so that every token was paid for; five hundredths per call.
const fn budget(words: &Words) -> RetryBudget<'_> {
    RetryBudget::new(Allowance::HEDGE, words)
}

fn paid(calls: u32) -> Words {
    let words = Words::default();
    (0..calls).for_each(|_| budget(&words).deposit(T));
    words
}

#[test]
fn of_three_that_spend_the_last_token_one_does() {
    let seen = outcomes(|| {
        let words = Arc::new(paid(20));
        let spent = together(&words, 3, |words, _| budget(words).withdraw(T));
        assert_eq!(spent.iter().filter(|spent| **spent).count(), 1);
        assert_eq!(budget(&words).balance(T), 0.0);
        spent.iter().position(|spent| *spent)
    });
    assert_eq!(seen.len(), 3);
}

#[test]
fn never_more_is_withdrawn_than_was_paid_in() {
    let seen = outcomes(|| {
        let words = Arc::new(paid(19));
        let spent = together(&words, 3, |words, place| match place {
            0 => {
                budget(words).deposit(T);
                false
            }
            _ => budget(words).withdraw(T),
        });
        let spent = spent.iter().filter(|spent| **spent).count();
        assert!(spent <= 1, "twenty calls pay for one");
        assert_eq!(budget(&words).balance(T), 1.0 - spent as f64);
        spent
    });
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_second_is_closed_once_whoever_comes_first_in_the_next_one() {
    in_every_order(2, || {
        let words = Arc::new(paid(60));
        let next = T + s(1);
        let spent = together(&words, 3, move |words, place| match place {
            0 => {
                budget(words).deposit(next);
                false
            }
            _ => budget(words).withdraw(next),
        });
        assert_eq!(words[1].load(Ordering::Acquire), 54, "sixty calls, less a tenth, once");
        let spent = spent.iter().filter(|spent| **spent).count();
        let left = budget(&words).balance(next);
        assert!(spent as f64 + left <= 3.05, "{spent} spent and {left} left of what 61 calls paid in");
        (spent, (left * 100.0) as u64)
    });
}
