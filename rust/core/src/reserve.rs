//! Stage 5, reserve: may it be held? All of it, or nothing.
//!
//! Up to eight limits and a breaker's permit are held for one attempt. The limits come first, because they can be given
//! back exactly; the breaker's permit last, because a probe is the scarcest thing there is.

use arrayvec::ArrayVec;

use crate::balance::DeploymentRecord;
use crate::breaker::Permit;
use crate::counters::{Counter, count};
use crate::draw::mix;
use crate::fleet::{Deployment, Fleet, LimitRef, MAX_LIMITS};
use crate::limit::{Bucket, Denied, Held, RECHECK, hold_all_in};
use crate::process::cells::{CellAt, Counted, NoCell};
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

/// What is held for one attempt, nothing at first. It must be settled; see [`crate::settle`].
#[derive(Debug, Default)]
pub struct Hold {
    /// One entry per limit of the deployment, in its order.
    pub limits: ArrayVec<Held, MAX_LIMITS>,
    /// The breaker's permit: with it, everything is held.
    pub permit: Option<Permit>,
    /// Where processes share the state: the cells that list what the attempt is counted in.
    pub cells: Cells,
}

/// The attempt in flight, and a place in each of its concurrency limits.
pub type Cells = ArrayVec<CellAt, { MAX_LIMITS + 1 }>;

/// How much of each dimension attempts take: worked out once, then looked up for every limit.
#[derive(Clone, Copy, Debug)]
pub struct Amounts([u64; Dimension::ALL.len()]);

impl Amounts {
    /// What `times` attempts of this size take.
    #[must_use]
    #[inline]
    pub fn of(estimate: &Estimate, times: u64) -> Self {
        let once = Self(Dimension::ALL.map(|dimension| amount(dimension, estimate)));
        if times == 1 { once } else { Self(once.0.map(|amount| amount.saturating_mul(times))) }
    }

    #[inline]
    fn in_dimension(&self, dimension: Dimension) -> u64 {
        // Every dimension has its place.
        self.0.get(dimension as usize).copied().unwrap_or(u64::MAX)
    }
}

/// How much of a limit an attempt takes.
#[must_use]
#[inline]
pub const fn amount(dimension: Dimension, estimate: &Estimate) -> u64 {
    let input_tokens = estimate.input_tokens.saturating_sub(estimate.uncounted_tokens);
    match dimension {
        Dimension::Rpm | Dimension::Rpd | Dimension::Concurrency => 1,
        Dimension::Tpm | Dimension::Tpd => input_tokens.saturating_add(estimate.held_output_tokens),
        Dimension::InputTpm => input_tokens,
        Dimension::OutputTpm => estimate.held_output_tokens,
        Dimension::UsdPerDay => estimate.cost,
    }
}

/// The bucket behind a limit, if its record is still the limit's own.
#[must_use]
#[inline]
pub fn bucket<'s>(fleet: &'s Fleet, state: &'s State, at: &'s LimitRef) -> Option<Bucket<'s>> {
    let words = state.bucket(at.slot)?;
    let own = words[0].load(crate::sync::Ordering::Relaxed) == at.identity;
    // The quota is not read here, only where it is.
    own.then_some(Bucket::beside(&at.plain, &fleet.limit(at.index)?.quota, words))
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
    let amounts = Amounts::of(estimate, times);
    for at in &deployment.limits {
        let Some(bucket) = bucket(fleet, state, at) else { continue };
        if bucket.peek(amounts.in_dimension(at.dimension), now).is_err() {
            return longest_refusal(fleet, state, deployment, &amounts, now).map_or(Ok(()), Err);
        }
    }
    Ok(())
}

#[cold]
fn longest_refusal(
    fleet: &Fleet,
    state: &State,
    deployment: &Deployment,
    amounts: &Amounts,
    now: Nanos,
) -> Option<Refusal> {
    let refusals = (0_u8..).zip(&deployment.limits).filter_map(|(index, at)| {
        let bucket = bucket(fleet, state, at)?;
        let amount = amounts.in_dimension(at.dimension);
        let denied = bucket.peek(amount, now).err()?;
        bucket.note_wanted(amount);
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

/// Holds everything that an attempt at a deployment needs, in `held`.
///
/// # Errors
/// Why not; then nothing is held.
pub fn hold<'f>(
    fleet: &'f Fleet,
    state: &'f State,
    deployment: &'f Deployment,
    estimate: &Estimate,
    permission: Permission,
    now: Nanos,
    held: &mut Hold,
) -> Result<(), Refusal> {
    let Some(record) = DeploymentRecord::of(state, deployment.slot) else { return Err(Refusal::Drained) };
    list(state, deployment, now, &mut held.cells)?;
    let listed = hold_listed(fleet, state, deployment, estimate, permission, now, record, held);
    if listed.is_err() {
        unlist(state, &mut held.cells);
    }
    listed
}

/// Lists all that the attempt will be counted in, before it is.
#[inline]
fn list(state: &State, deployment: &Deployment, now: Nanos, cells: &mut Cells) -> Result<(), Refusal> {
    if !state.is_shared() {
        return Ok(());
    }
    let places = deployment.limits.iter().filter(|at| at.dimension == Dimension::Concurrency);
    let all = std::iter::once(Counted::Deployment(deployment.slot)).chain(places.map(|at| Counted::Bucket(at.slot)));
    for (step, counted) in (0..).zip(all) {
        match state.list(counted, mix(now.0.wrapping_add(step))) {
            Ok(cell) => cells.extend(cell),
            Err(NoCell) => {
                unlist(state, cells);
                count(state, Counter::Unlisted);
                return Err(Refusal::Lost(now + RECHECK));
            }
        }
    }
    Ok(())
}

/// Says that all that was listed is counted.
#[inline]
pub(crate) fn vouch(state: &State, cells: &Cells) {
    cells.iter().for_each(|&cell| state.vouch(cell));
}

/// Says that it is about to be counted no more.
#[inline]
pub(crate) fn doubt(state: &State, cells: &Cells) {
    cells.iter().for_each(|&cell| state.doubt(cell));
}

/// Ends what was listed, once it is counted no more.
#[inline]
pub(crate) fn unlist(state: &State, cells: &mut Cells) {
    cells.drain(..).for_each(|cell| state.unlist(cell));
}

#[inline]
#[expect(clippy::too_many_arguments, reason = "the rest of `hold`, which nobody else calls")]
fn hold_listed<'f>(
    fleet: &'f Fleet,
    state: &'f State,
    deployment: &'f Deployment,
    estimate: &Estimate,
    permission: Permission,
    now: Nanos,
    record: DeploymentRecord<'_>,
    held: &mut Hold,
) -> Result<(), Refusal> {
    let mut wanted = ArrayVec::<(Bucket<'_>, u64), MAX_LIMITS>::new();
    let amounts = Amounts::of(estimate, 1);
    let with_amount = |at: &'f LimitRef| Some((bucket(fleet, state, at)?, amounts.in_dimension(at.dimension)));
    wanted.extend(deployment.limits.iter().filter_map(with_amount));
    hold_all_in(&mut held.limits, &wanted, now).map_err(|(index, denied)| {
        let place = u8::try_from(index).unwrap_or(u8::MAX);
        wanted.get(index).map_or(Refusal::TooLarge(place), |(bucket, amount)| {
            bucket.note_wanted(*amount);
            refusal(bucket, place, denied, now)
        })
    })?;
    let permit = match permission {
        Permission::Asked => record.breaker().admit(now, deployment.probe_lease),
        Permission::Closed => record.breaker().admit_if_closed(now),
        Permission::Forced => record.breaker().force_probe(now, deployment.probe_lease),
    };
    match permit {
        Ok(permit) => {
            held.permit = Some(permit);
            Ok(())
        }
        Err(until) => {
            wanted.iter().zip(held.limits.drain(..)).for_each(|((bucket, _), held)| bucket.cancel(held));
            Err(Refusal::Breaker(until))
        }
    }
}
