//! What a group knows of its members' times to first content: the median, which they are compared with, and how late
//! the late ones are.

use super::averages::EXPIRY;
use super::record::DeploymentRecord;
use crate::fleet::{Fleet, Group};
use crate::quantile::Quantile;
use crate::state::State;
use crate::sync::{AtomicU64, Ordering};
use crate::units::{Nanos, Tick};

const MEDIAN: usize = 1;
const LATE: usize = 2;
/// Nineteen in twenty first contents come sooner than what is called late.
const LATE_SHARE: f32 = 0.95;
/// The median is taken anew at most this often: it is a reference, not a measurement.
const REFRESH: Nanos = Nanos::from_secs(1);
/// Members that the median is taken of; of a larger group, evenly spread ones.
const SAMPLE: usize = 64;

/// The group's median as last taken, a natural logarithm of seconds; `None` before anything was measured, and when the
/// last measurement is so old that its members' averages have expired as well.
#[must_use]
#[inline]
pub fn median(state: &State, group: &Group, now: Nanos) -> Option<f32> {
    let word = state.group(group.slot)?[MEDIAN].load(Ordering::Acquire);
    let taken = Tick(word as u32);
    (word != 0 && Tick::at(now).span_since(taken) <= EXPIRY).then(|| f32::from_bits((word >> 32) as u32))
}

/// The 95th percentile of the group's times to first content, in natural logarithms of seconds.
#[must_use]
pub fn first_content_p95<'s>(state: &'s State, group: &Group) -> Option<Quantile<'s>> {
    Some(Quantile::new(&state.group(group.slot)?[LATE], LATE_SHARE))
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

#[cold]
fn take(fleet: &Fleet, state: &State, group: &Group, now: Nanos) -> Option<f32> {
    let stride = group.members.len().div_ceil(SAMPLE).max(1);
    let known = group.members.iter().step_by(stride).filter_map(|member| {
        let deployment = fleet.deployment(member.deployment)?;
        DeploymentRecord::of(state, deployment.slot)?.latency().known(now)
    });
    let mut values: arrayvec::ArrayVec<f32, SAMPLE> = known.collect();
    values.sort_unstable_by(f32::total_cmp);
    let (low, high) = (values.get(values.len().saturating_sub(1) / 2)?, values.get(values.len() / 2)?);
    Some(f32::midpoint(*low, *high))
}
