//! One bucket: taking, giving back, charging, believing headers.

use std::sync::{Arc, Mutex};

use junctor_core::limit::{BUCKET_WORDS, Bucket, Calendar, Held, Quota, Report};
use junctor_core::sync::AtomicU64;
use junctor_core::units::Nanos;

use crate::{MINUTE, T, in_every_order, outcomes, s, together};

/// A bucket, and what the threads hold of it already: each takes the hold at its place.
struct Bed {
    quota: Quota,
    words: [AtomicU64; BUCKET_WORDS],
    held: Mutex<[Option<Held>; 3]>,
}

impl Bed {
    fn new(quota: Quota) -> Self {
        Self { quota, words: Default::default(), held: Mutex::default() }
    }

    fn bucket(&self) -> Bucket<'_> {
        Bucket::new(&self.quota, &self.words)
    }

    /// A hold for the thread at `place`.
    fn give(&self, place: usize, units: u64, now: Nanos) {
        self.held.lock().unwrap()[place] = Some(self.bucket().take(units, now).unwrap());
    }

    fn held(&self, place: usize) -> Held {
        self.held.lock().unwrap()[place].take().unwrap()
    }
}

/// A quota of each kind that gives one unit at once: plainly paced, paced with a remainder, by the day, at once.
fn single(kind: usize) -> Quota {
    match kind {
        0 => Quota::paced(60, MINUTE, Some(s(1))),
        1 => Quota::paced(61, MINUTE, Some(s(1))),
        2 => Quota::calendar(1, Calendar::utc(0)),
        _ => Quota::concurrency(1),
    }
    .unwrap()
}

/// The same with three.
fn triple(kind: usize) -> Quota {
    match kind {
        0 => Quota::paced(60, MINUTE, Some(s(3))),
        1 => Quota::paced(61, MINUTE, Some(s(3))),
        2 => Quota::calendar(3, Calendar::utc(0)),
        _ => Quota::concurrency(3),
    }
    .unwrap()
}

const KINDS: usize = 4;

#[test]
fn of_three_takers_of_the_last_unit_one_gets_it() {
    for kind in 0..KINDS {
        let seen = outcomes(move || {
            let bed = Arc::new(Bed::new(single(kind)));
            let taken = together(&bed, 3, |bed, _| bed.bucket().take(1, T).is_ok());
            assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
            assert_eq!((bed.bucket().used(T), bed.bucket().headroom(T)), (1, 0));
            taken.iter().position(|taken| *taken)
        });
        assert_eq!(seen.len(), 3, "each of them can be the one");
    }
}

#[test]
fn what_is_given_back_while_another_takes_is_neither_lost_nor_doubled() {
    for kind in 0..KINDS {
        let seen = outcomes(move || {
            let bed = Bed::new(triple(kind));
            bed.give(0, 2, T);
            bed.give(1, 1, T);
            let bed = Arc::new(bed);
            let taken = together(&bed, 3, |bed, place| match place {
                0 => {
                    bed.bucket().cancel(bed.held(0));
                    0
                }
                1 => {
                    bed.bucket().settle(bed.held(1), 0, T);
                    0
                }
                _ => bed.bucket().take(2, T).map_or(0, |held| held.units()),
            });
            assert_eq!(bed.bucket().used(T), taken[2], "what is used is what somebody holds");
            assert_eq!(bed.bucket().headroom(T), 3 - taken[2]);
            taken[2]
        });
        assert_eq!(seen.len(), 2, "the taker comes before and after: {seen:?}");
    }
}

#[test]
fn a_debt_that_is_charged_while_another_takes_counts_in_full() {
    for kind in 0..3 {
        let seen = outcomes(move || {
            let bed = Bed::new(triple(kind));
            bed.give(0, 1, T);
            let bed = Arc::new(bed);
            let taken = together(&bed, 2, |bed, place| match place {
                0 => {
                    bed.bucket().settle(bed.held(0), 3, T);
                    0
                }
                _ => bed.bucket().take(1, T).map_or(0, |held| held.units()),
            });
            assert_eq!(bed.bucket().level(T), -i64::try_from(taken[1]).unwrap());
            taken[1]
        });
        assert_eq!(seen.len(), 2);
    }
}

#[test]
fn at_midnight_a_new_day_begins_once_and_yesterdays_units_do_not_come_back() {
    let seen = outcomes(|| {
        let bed = Bed::new(Quota::calendar(1, Calendar::utc(0)).unwrap());
        let (evening, morning) = (s(86_399), s(86_400));
        bed.give(0, 1, evening);
        let bed = Arc::new(bed);
        let taken = together(&bed, 3, move |bed, place| match place {
            0 => {
                bed.bucket().cancel(bed.held(0));
                false
            }
            _ => bed.bucket().take(1, morning).is_ok(),
        });
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "the day's one unit");
        assert_eq!(bed.bucket().used(morning), 1);
        taken.iter().position(|taken| *taken)
    });
    assert_eq!(seen.len(), 2);
}

#[test]
fn of_places_at_once_no_more_are_taken_than_there_are() {
    let seen = outcomes(|| {
        let bed = Bed::new(Quota::concurrency(1).unwrap());
        bed.give(0, 1, T);
        let bed = Arc::new(bed);
        let taken = together(&bed, 3, |bed, place| {
            if place == 0 {
                bed.bucket().settle(bed.held(0), 1, T);
                return false;
            }
            bed.bucket().take(1, T).is_ok()
        });
        let running = taken.iter().filter(|taken| **taken).count();
        assert!(running <= 1);
        assert_eq!(bed.bucket().used(T), running as u64);
        running
    });
    assert_eq!(seen.len(), 2, "the place is sometimes free in time");
}

#[test]
fn a_header_that_lowers_holds_whoever_takes_meanwhile() {
    in_every_order(2, || {
        let bed = Bed::new(Quota::paced(60, MINUTE, Some(MINUTE)).unwrap());
        bed.give(0, 1, T);
        let bed = Arc::new(bed);
        let report = Report { limit: Some(60), remaining: Some(3), rounding: 0 };
        let ends = together(&bed, 2, move |bed, place| {
            if place == 1 {
                return bed.bucket().take(1, T).map_or(0, |held| held.units());
            }
            let held = bed.held(0);
            let sent_after = bed.bucket().sent_after(&held);
            bed.bucket().settle(held, 1, T);
            bed.bucket().resync(report, T, sent_after, T);
            sent_after
        });
        let left = bed.bucket().headroom(T);
        assert!(left <= 3, "never more than the header says, {left}");
        assert!(left >= 3 - ends[1] - ends[0], "and what came later counts once as taken, once as unsure at most");
        (left, ends)
    });
}

#[test]
fn of_two_headers_the_later_one_is_believed() {
    in_every_order(2, || {
        let bed = Arc::new(Bed::new(Quota::paced(60, MINUTE, Some(MINUTE)).unwrap()));
        let levels = together(&bed, 2, |bed, place| {
            let remaining = if place == 0 { 40 } else { 20 };
            let report = Report { limit: Some(60), remaining: Some(remaining), rounding: 0 };
            bed.bucket().resync(report, T + s(place as u64), 0, T).level
        });
        assert_eq!(bed.bucket().headroom(T), 20);
        format!("{levels:?}")
    });
}

#[test]
fn while_it_is_held_back_a_taker_gets_nothing_that_came_after_the_hold() {
    let seen = outcomes(|| {
        let bed = Arc::new(Bed::new(triple(0)));
        let taken = together(&bed, 2, |bed, place| {
            if place == 1 {
                bed.bucket().hold_until().throttle(Some(s(5)), T);
            }
            let taken = bed.bucket().take(1, T).is_ok();
            assert!(!(place == 1 && taken), "its own hold is in force");
            taken
        });
        assert_eq!(bed.bucket().used(T), u64::from(taken[0]));
        taken[0]
    });
    assert_eq!(seen.len(), 2);
}
