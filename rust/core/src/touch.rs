//! Reading ahead: the memory of two candidates at once, instead of line after line.
//!
//! **Problem.** A fleet of ten thousand fits into no cache near the processor. A walk reads some thirty lines of it, each
//! only once the one before it has said what is next, and so waits for thirty lines one after the other.
//!
//! **Choice.** Whom the draw will name first follows from the seed alone. Before anything is looked at, one word of every
//! line that the two will need is read, so that the processor waits for all of them together.
//!
//! **Rejected.** Prefetch instructions: unsafe code, and different ones on every machine. Doing it always: in a small
//! fleet everything is near, and the reads are only work.
//!
//! **Cost.** Some forty reads, in large fleets only. What they see decides nothing.

use std::hint::black_box;

use crate::balance::{DeploymentRecord, draw};
use crate::draw::Draw;
use crate::fleet::{Deployment, Fleet, Group, Member};
use crate::state::State;
use crate::sync::Ordering;

/// Fleets above this are large: with some 1.5 KiB for a deployment they outgrow a near cache of half a megabyte.
const LARGE: usize = 256;

/// Reads ahead what a walk will read of the two members of `group` that `draw` names first.
#[inline]
pub fn two(fleet: &Fleet, state: &State, group: &Group, draw: &Draw, seed: u64) {
    if fleet.deployments.len() > LARGE && group.objective.is_none() && !group.tickets.is_empty() {
        two_of_many(fleet, state, group, draw, seed);
    }
}

#[inline(never)]
fn two_of_many(fleet: &Fleet, state: &State, group: &Group, draw: &Draw, seed: u64) {
    let members = draw::ahead(group, draw).map(|place| group.members.get(place));
    let found = members.map(|member| fleet.deployment(member?.deployment));
    // First what says where the rest is, of both.
    let fixed = found.iter().flatten().fold(0, |read, deployment| read ^ fixed(deployment));
    let shared = found.iter().flatten().fold(0, |read, deployment| read ^ shared(state, deployment, seed));
    let learned = members.iter().flatten().fold(0, |read, member| read ^ learned(state, member));
    let group = state.group(group.slot).map_or(0, |[word, ..]| word.load(Ordering::Relaxed));
    black_box(fixed ^ shared ^ learned ^ group);
}

/// A word of each line of a deployment that a walk reads.
#[inline]
fn fixed(deployment: &Deployment) -> u64 {
    let head = deployment.satisfies ^ deployment.weight.to_bits() ^ deployment.identity;
    deployment.limits.iter().fold(head, |read, at| read ^ at.identity)
}

/// A word of each line of its records in the shared state.
#[inline]
fn shared(state: &State, deployment: &Deployment, seed: u64) -> u64 {
    let record = DeploymentRecord::of(state, deployment.slot).map_or(0, |record| record.touch(seed));
    let limits = deployment.limits.iter().filter_map(|at| state.bucket(at.slot));
    limits.fold(record, |read, [word, ..]| read ^ word.load(Ordering::Relaxed))
}

#[inline]
fn learned(state: &State, member: &Member) -> u64 {
    state.length(member.length_slot).map_or(0, |[word, ..]| word.load(Ordering::Relaxed))
}
