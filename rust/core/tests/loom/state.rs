//! Records: whose they are, and that a new owner finds them fresh.

use std::sync::Arc;

use junctor_core::state::{Room, Section, State};
use junctor_core::sync::Ordering;

use crate::{outcomes, together};

fn state(groups: usize) -> State {
    State::on_heap(Room { deployments: 0, buckets: 0, groups, lengths: 0 })
}

#[test]
fn two_that_name_the_same_thing_share_its_record_and_one_of_them_made_it() {
    let seen = outcomes(|| {
        let state = Arc::new(state(2));
        let claims = together(&state, 2, |state, _| state.claim(Section::Groups, 41, 41).unwrap());
        assert_eq!(claims[0].0, claims[1].0);
        assert_ne!(claims[0].1, claims[1].1, "one of them made it");
        assert_eq!(state.claimed(Section::Groups), 1);
        claims[0].1
    });
    assert_eq!(seen.len(), 2);
}

#[test]
fn two_that_meet_at_one_place_get_records_of_their_own() {
    let seen = outcomes(|| {
        let state = Arc::new(state(2));
        let claims =
            together(&state, 2, |state, place| state.claim(Section::Groups, 41 + 2 * place as u64, 41).unwrap());
        assert_ne!(claims[0].0, claims[1].0);
        assert!(claims[0].1 && claims[1].1);
        claims[0].0
    });
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_record_that_was_given_back_is_fresh_for_its_next_owner() {
    let seen = outcomes(|| {
        let state = state(1);
        let (slot, _) = state.claim(Section::Groups, 41, 41).unwrap();
        state.group(slot).unwrap()[3].store(7, Ordering::Relaxed);
        let ends = together(&Arc::new(state), 2, |state, place| {
            if place == 0 {
                state.give_back(Section::Groups, |identity, _| identity != 41);
                return None;
            }
            let (slot, fresh) = state.claim(Section::Groups, 43, 43)?;
            assert!(fresh);
            Some(state.group(slot).unwrap()[3].load(Ordering::Relaxed))
        });
        assert!(matches!(ends[1], None | Some(0)), "what the last owner left: {ends:?}");
        ends[1]
    });
    assert_eq!(seen.len(), 2, "there is room once the first one has given it back");
}
