//! Several buckets: all or nothing, and no residue.

use std::sync::Arc;

use junctor_core::limit::{BUCKET_WORDS, Bucket, Denied, Quota, hold_all};
use junctor_core::sync::AtomicU64;

use crate::{MINUTE, T, in_every_order, outcomes, s, together};

/// Two buckets.
struct Bed {
    quotas: [Quota; 2],
    words: [[AtomicU64; BUCKET_WORDS]; 2],
}

impl Bed {
    /// Of so many units at once each; `odd` takes the way of limits that divide with a remainder.
    fn new(units: [u64; 2], odd: bool) -> Self {
        let quota = |units| Quota::paced(60 + u64::from(odd), MINUTE, Some(s(units))).unwrap();
        Self { quotas: units.map(quota), words: Default::default() }
    }

    fn buckets(&self) -> [Bucket<'_>; 2] {
        [0, 1].map(|place| Bucket::new(&self.quotas[place], &self.words[place]))
    }

    /// Holds of both at once.
    fn hold(&self, amounts: [u64; 2]) -> Result<(), (usize, Denied)> {
        let [first, second] = self.buckets();
        hold_all(&[(first, amounts[0]), (second, amounts[1])], T).map(|_| ())
    }

    fn used(&self) -> [u64; 2] {
        self.buckets().map(|bucket| bucket.used(T))
    }
}

#[test]
fn of_two_that_have_room_for_one_exactly_one_holds_both_and_the_other_leaves_nothing() {
    for odd in [false, true] {
        let seen = outcomes(move || {
            let bed = Arc::new(Bed::new([2, 1], odd));
            let held = together(&bed, 2, |bed, _| bed.hold([1, 1]).is_ok());
            assert_eq!(held.iter().filter(|held| **held).count(), 1, "neither both nor none");
            assert_eq!(bed.used(), [1, 1]);
            held
        });
        assert_eq!(seen.len(), 2);
    }
}

#[test]
fn whoever_is_fuller_at_which_moment_one_of_two_gets_the_room_for_one() {
    for odd in [false, true] {
        in_every_order(2, move || {
            let bed = Bed::new([4, 10], odd);
            assert!(bed.hold([1, 9]).is_ok(), "three of four and one of ten are left");
            let bed = Arc::new(bed);
            let held = together(&bed, 2, |bed, _| bed.hold([2, 1]).is_ok());
            assert_eq!(held.iter().filter(|held| **held).count(), 1, "neither both nor none");
            assert_eq!(bed.used(), [3, 10]);
            held
        });
    }
}

#[test]
fn an_undo_leaves_what_a_third_took_meanwhile() {
    for odd in [false, true] {
        in_every_order(2, move || {
            let bed = Bed::new([2, 2], odd);
            let [_, second] = bed.buckets();
            drop(second.take(1, T));
            let bed = Arc::new(bed);
            let held = together(&bed, 3, |bed, place| match place {
                0 => bed.hold([1, 1]).is_ok(),
                1 => bed.buckets()[1].take(1, T).is_ok(),
                _ => bed.buckets()[0].take(1, T).is_ok(),
            });
            assert_ne!(held[0], held[1], "the second bucket had one unit");
            assert!(held[2], "the first one has room for both");
            assert_eq!(bed.used(), [1 + u64::from(held[0]), 2]);
            held
        });
    }
}
