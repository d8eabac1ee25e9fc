//! Unanswered attempts and the hint at the oldest, beside the count of attempts in flight.

use std::sync::Arc;

use junctor_core::balance::DeploymentRecord;
use junctor_core::state::{Room, Section, State};
use junctor_core::units::Nanos;

use crate::{T, in_every_order, outcomes, s, together};

/// State with one deployment's record, in slot 0.
fn state() -> State {
    let state = State::on_heap(Room { deployments: 1, buckets: 0, groups: 0, lengths: 0 });
    state.claim(Section::Deployments, 7, 7);
    state
}

fn record(state: &State) -> DeploymentRecord<'_> {
    DeploymentRecord::of(state, 0).unwrap()
}

/// An attempt from its start to its end.
fn attempt(state: &State, sent_at: Nanos, spread: u64) {
    let record = record(state);
    record.gauge().enter();
    let cell = record.pending().note(sent_at, 0, spread).unwrap();
    record.forget(cell);
    record.gauge().leave();
}

#[test]
fn an_attempt_that_is_left_alone_unanswered_is_seen() {
    in_every_order(1, || {
        let state = Arc::new(state());
        together(&state, 2, |state, place| {
            if place == 0 {
                return attempt(state, T, 0);
            }
            record(state).gauge().enter();
            record(state).pending().note(T + s(1), 0, 1).unwrap();
        });
        let pending = record(&state).pending();
        assert_eq!(record(&state).in_flight(), 1);
        assert!(pending.any(), "whoever hangs is not invisible");
        assert_eq!(pending.age(T + s(11), Nanos::ZERO), s(10));
    });
}

#[test]
fn a_third_that_is_in_flight_and_answered_does_not_hide_the_one_that_hangs() {
    in_every_order(1, || {
        let state = state();
        record(&state).gauge().enter();
        let state = Arc::new(state);
        together(&state, 2, |state, place| {
            if place == 0 {
                return attempt(state, T, 0);
            }
            record(state).gauge().enter();
            record(state).pending().note(T + s(1), 0, 1).unwrap();
        });
        let pending = record(&state).pending();
        assert!(pending.any(), "whoever hangs is not invisible");
        assert_eq!(pending.age(T + s(11), Nanos::ZERO), s(10));
    });
}

#[test]
fn when_all_have_ended_nothing_is_pending_and_nobody_is_in_flight() {
    in_every_order(1, || {
        let state = Arc::new(state());
        together(&state, 2, |state, place| attempt(state, T + s(place as u64), place as u64));
        let pending = record(&state).pending();
        assert_eq!((record(&state).in_flight(), record(&state).gauge().started()), (0, 2));
        assert_eq!(pending.age(T + s(100), Nanos::ZERO), Nanos::ZERO);
        assert!(!pending.any());
    });
}

#[test]
fn two_that_want_the_same_cell_get_two() {
    let seen = outcomes(|| {
        let state = Arc::new(state());
        let cells = together(&state, 2, |state, place| {
            record(state).gauge().enter();
            record(state).pending().note(T + s(place as u64), 0, 3).unwrap()
        });
        assert_ne!(format!("{:?}", cells[0]), format!("{:?}", cells[1]));
        let pending = record(&state).pending();
        assert_eq!(pending.age(T + s(10), Nanos::ZERO), s(10), "the age is that of the older one");
        cells.iter().map(|cell| format!("{cell:?}")).collect::<Vec<_>>()
    });
    assert_eq!(seen.len(), 2);
}
