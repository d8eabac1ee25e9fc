//! The median of a group's expected times to first content: what its members are compared with.

use super::record::DeploymentRecord;
use crate::fleet::{Fleet, Group};
use crate::state::State;
use crate::sync::{AtomicU64, Ordering};
use crate::units::{Nanos, Tick};

const MEDIAN: usize = 1;
/// The median is taken anew at most this often: it is a reference, not a measurement.
const REFRESH: Nanos = Nanos::from_secs(1);
/// Members that the median is taken of; of a larger group, evenly spread ones.
const SAMPLE: usize = 64;

/// The group's median as last taken, a natural logarithm of seconds; `None` before anything was measured.
#[must_use]
#[inline]
pub fn median(state: &State, group: &Group) -> Option<f32> {
    let word = state.group(group.slot)?[MEDIAN].load(Ordering::Acquire);
    (word != 0).then(|| f32::from_bits((word >> 32) as u32))
}

/// Takes the median anew if the last one is old. One caller per interval does the work.
pub fn refresh_median(fleet: &Fleet, state: &State, group: &Group, now: Nanos) {
    let Some(words) = state.group(group.slot) else { return };
    let word = &words[MEDIAN];
    let seen = word.load(Ordering::Acquire);
    let taken = Tick(seen as u32);
    if seen != 0 && Tick::at(now).span_since(taken) < REFRESH {
        return;
    }
    if let Some(median) = take(fleet, state, group, now) {
        publish(word, seen, median, now);
    }
}

fn publish(word: &AtomicU64, seen: u64, median: f32, now: Nanos) {
    // A lost race means that somebody else has just taken it.
    let packed = u64::from(median.to_bits()) << 32 | u64::from(Tick::at(now).0);
    let _ = word.compare_exchange(seen, packed, Ordering::AcqRel, Ordering::Relaxed);
}

fn take(fleet: &Fleet, state: &State, group: &Group, now: Nanos) -> Option<f32> {
    let stride = group.members.len().div_ceil(SAMPLE).max(1);
    let known = group.members.iter().step_by(stride).filter_map(|member| {
        let deployment = fleet.deployment(member.deployment)?;
        DeploymentRecord::of(state, deployment.slot)?.latency().known(now)
    });
    let mut values: arrayvec::ArrayVec<f32, SAMPLE> = known.collect();
    values.sort_unstable_by(f32::total_cmp);
    values.get(values.len() / 2).copied()
}
