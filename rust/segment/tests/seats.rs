//! Seats of real files: whoever lives keeps its own, whatever happens to names in the directory.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]
#![cfg(target_os = "linux")]

mod common;

use std::fs;

use common::{Folder, NEEDED};
use junctor_core::process::Counted;
use junctor_core::process::cells::{BLOCK_CELLS, BLOCKS};
use junctor_core::process::seats::SEATS;
use junctor_segment::{Place, Unshared, attach};

#[test]
fn whatever_is_removed_beside_a_segment_nobody_who_lives_is_taken_for_dead() {
    let folder = Folder::new("removed");
    let place = Place { directory: folder.path.clone(), fleet: "f".into() };
    let first = attach(&place, NEEDED).unwrap();
    let cell = first.state.list(Counted::Deployment(0), 0).unwrap();
    for entry in fs::read_dir(&folder.path).unwrap().map(|entry| entry.unwrap().path()) {
        if entry != first.path {
            fs::remove_file(entry).unwrap();
        }
    }
    let second = attach(&place, NEEDED).unwrap();
    assert_eq!(second.state.processes().len(), 2);
    assert_eq!(second.state.free_cells(), BLOCKS * BLOCK_CELLS - BLOCK_CELLS, "what it holds is still listed");
    drop((first, second, cell));
}

#[test]
fn a_seat_is_free_again_when_its_owner_leaves_and_the_256th_is_the_last() {
    let folder = Folder::new("full");
    let place = Place { directory: folder.path.clone(), fleet: "f".into() };
    let mut all: Vec<_> = (0..SEATS).map(|_| attach(&place, NEEDED).unwrap()).collect();
    assert!(matches!(attach(&place, NEEDED), Err(Unshared::Full { .. })));
    all.remove(7);
    assert_eq!(attach(&place, NEEDED).unwrap().state.seat().unwrap().number(), 7);
}
