//! Equal seeds, equal decisions: in another process, in another order, with other worlds beside them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::process::Command;

use junctor_sim::{Policy, random};

fn hash(seed: u64) -> u64 {
    random::run(seed).unwrap().log_hash
}

#[test]
fn worlds_in_any_order_have_equal_logs() {
    let forwards: Vec<u64> = (0..40).map(hash).collect();
    let mut backwards: Vec<u64> = (0..40).rev().map(hash).collect();
    backwards.reverse();
    assert_eq!(forwards, backwards);
    let mut apart = forwards.clone();
    apart.sort_unstable();
    apart.dedup();
    assert_eq!(apart.len(), forwards.len(), "other seeds are other worlds");
}

#[test]
fn another_process_decides_the_same() {
    for seed in [0, 7, 23] {
        let told = Command::new(env!("CARGO_BIN_EXE_junctor-sim")).args(["hash", &seed.to_string()]).output().unwrap();
        assert!(told.status.success());
        assert_eq!(String::from_utf8(told.stdout).unwrap().trim(), format!("{:016x}", hash(seed)));
    }
}

#[test]
fn one_changed_draw_changes_the_log() {
    let usual = random::run(3).unwrap();
    let mut other = random::world(3).unwrap();
    other.deadline_s += 1.0;
    other.max_wait_s += 0.001;
    other.run();
    assert_ne!(usual.log_hash, other.log_hash);
    let mut simple = random::world(3).unwrap();
    simple.policy = Policy::Random;
    simple.run();
    assert_ne!(usual.log_hash, simple.log_hash);
}
