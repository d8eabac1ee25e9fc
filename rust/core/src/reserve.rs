//! Stage 5, reserve: may it be held? All of it, or nothing.
//!
//! Up to eight limits and a breaker's permit are held for one attempt. The limits come first, because they can be given
//! back exactly; the breaker's permit last, because a probe is the scarcest thing there is.

use arrayvec::ArrayVec;

use crate::balance::DeploymentRecord;
use crate::breaker::Permit;
use crate::fleet::{Deployment, Fleet, LimitRef, MAX_LIMITS};
use crate::limit::{Bucket, Denied, Held, hold_all};
use crate::refusal::Refusal;
use crate::score::Estimate;
use crate::spec::Dimension;
use crate::state::State;
use crate::units::Nanos;

/// How the breaker is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// As its state allows.
    Asked,
    /// Only while it is closed: never as a probe.
    Closed,
    /// Even though it is open: the last resort, at most once per deployment and second.
    Forced,
}

/// What is held for one attempt. It must be settled; see [`crate::settle`].
#[derive(Debug)]
pub struct Hold {
    /// One entry per limit of the deployment, in its order.
    pub limits: ArrayVec<Held, MAX_LIMITS>,
    /// The breaker's permit.
    pub permit: Permit,
}

/// How much of a limit an attempt takes.
#[must_use]
#[inline]
pub const fn amount(dimension: Dimension, estimate: &Estimate) -> u64 {
    match dimension {
        Dimension::Rpm | Dimension::Rpd | Dimension::Concurrency => 1,
        Dimension::Tpm | Dimension::Tpd => estimate.input_tokens.saturating_add(estimate.held_output_tokens),
        Dimension::InputTpm => estimate.input_tokens,
        Dimension::OutputTpm => estimate.held_output_tokens,
        Dimension::UsdPerDay => estimate.cost,
    }
}

/// The bucket behind a limit, if its record is still the limit's own.
#[must_use]
#[inline]
pub fn bucket<'s>(fleet: &'s Fleet, state: &'s State, at: LimitRef) -> Option<(Dimension, Bucket<'s>)> {
    let words = state.bucket(at.slot)?;
    let limit = fleet.limit(at.index)?;
    let own = words[0].load(crate::sync::Ordering::Relaxed) == limit.identity;
    own.then(|| (limit.dimension, Bucket::new(&limit.quota, words)))
}

/// Whether every limit of a deployment has room for `times` attempts of this size.
///
/// # Errors
/// The limit that has none for longest, and when it will.
#[inline]
pub fn peek(
    fleet: &Fleet,
    state: &State,
    deployment: &Deployment,
    estimate: &Estimate,
    times: u64,
    now: Nanos,
) -> Result<(), Refusal> {
    for &at in &deployment.limits {
        let Some((dimension, bucket)) = bucket(fleet, state, at) else { continue };
        if bucket.peek(amount(dimension, estimate).saturating_mul(times), now).is_err() {
            return longest_refusal(fleet, state, deployment, estimate, times, now).map_or(Ok(()), Err);
        }
    }
    Ok(())
}

#[cold]
fn longest_refusal(
    fleet: &Fleet,
    state: &State,
    deployment: &Deployment,
    estimate: &Estimate,
    times: u64,
    now: Nanos,
) -> Option<Refusal> {
    let refusals = (0_u8..).zip(&deployment.limits).filter_map(|(index, &at)| {
        let (dimension, bucket) = bucket(fleet, state, at)?;
        let denied = bucket.peek(amount(dimension, estimate).saturating_mul(times), now).err()?;
        Some(refusal(&bucket, index, denied, now))
    });
    refusals.reduce(Refusal::or_longer)
}

#[cold]
fn refusal(bucket: &Bucket<'_>, index: u8, denied: Denied, now: Nanos) -> Refusal {
    let exhausted = bucket.hold_until().in_force(now).filter(|held| held.exhausted);
    match (denied, exhausted) {
        (Denied::NotUntil(until), Some(held)) if held.until >= until => Refusal::Exhausted(until),
        (Denied::NotUntil(until), _) => Refusal::Limit(index, until),
        (Denied::Never, _) => Refusal::TooLarge(index),
    }
}

/// Holds everything that an attempt at a deployment needs.
///
/// # Errors
/// Why not; then nothing is held.
pub fn hold(
    fleet: &Fleet,
    state: &State,
    deployment: &Deployment,
    estimate: &Estimate,
    permission: Permission,
    now: Nanos,
) -> Result<Hold, Refusal> {
    let Some(record) = DeploymentRecord::of(state, deployment.slot) else { return Err(Refusal::Drained) };
    let found = deployment.limits.iter().filter_map(|&at| bucket(fleet, state, at));
    let wanted: ArrayVec<(Bucket<'_>, u64), MAX_LIMITS> =
        found.map(|(dimension, bucket)| (bucket, amount(dimension, estimate))).collect();
    let limits = hold_all(&wanted, now).map_err(|(index, denied)| {
        let place = u8::try_from(index).unwrap_or(u8::MAX);
        wanted.get(index).map_or(Refusal::TooLarge(place), |(bucket, _)| refusal(bucket, place, denied, now))
    })?;
    let permit = match permission {
        Permission::Asked => record.breaker().admit(now, deployment.probe_lease),
        Permission::Closed => record.breaker().admit_if_closed(now),
        Permission::Forced => record.breaker().force_probe(now, deployment.probe_lease),
    };
    match permit {
        Ok(permit) => Ok(Hold { limits, permit }),
        Err(until) => {
            wanted.iter().zip(limits).for_each(|((bucket, _), held)| bucket.cancel(held));
            Err(Refusal::Breaker(until))
        }
    }
}
