//! Capacity held for one attempt: to be settled, once.
//!
//! A reservation owns its holds, and settling takes them out of it: a second settlement finds nothing and answers with
//! the first. Dropping it unsettled counts as abandoned at the last time it knows of, so cancellation is correct
//! without extra code.

use std::sync::Arc;

use crate::balance::{DeploymentRecord, pending::PendingCell};
use crate::breaker::Permit;
use crate::counters::{Counter, count};
use crate::decision::Decision;
use crate::fleet::{Deployment, Fleet};
use crate::hedge;
use crate::outcome::{Ending, Outcome};
use crate::process::Seat;
use crate::reserve::{Hold, amount, vouch};
use crate::settle::{self, Settlement};
use crate::state::State;
use crate::units::Nanos;

/// Capacity held for one attempt.
pub struct Reservation {
    fleet: Arc<Fleet>,
    decision: Decision,
    hold: Hold,
    pending: Option<PendingCell>,
    first_content: Option<Nanos>,
    settlement: Settlement,
}

impl Reservation {
    /// One that holds nothing yet: made before the walk, so that the decision is written where it stays.
    #[inline]
    pub(crate) fn nowhere(fleet: Arc<Fleet>, decision: Decision) -> Self {
        let settlement = Settlement::default();
        Self { fleet, decision, hold: Hold::default(), pending: None, first_content: None, settlement }
    }

    /// Lets `walk` write the decision and what it holds.
    #[inline]
    pub(crate) fn decide<T>(&mut self, walk: impl FnOnce(&Fleet, &mut Decision, &mut Hold) -> T) -> T {
        walk(&self.fleet, &mut self.decision, &mut self.hold)
    }

    /// The breaker's permit, until settled.
    #[inline]
    pub(crate) fn permit(&self) -> Option<&Permit> {
        self.hold.permit.as_ref()
    }

    /// Enters the attempt into the deployment's state: from here on it is in flight.
    #[inline]
    pub(crate) fn begin(&mut self) {
        let seat = self.state().seat().map_or(0, Seat::number);
        self.pending = self.record().and_then(|record| {
            record.gauge().enter();
            vouch(self.state(), &self.hold.cells);
            record.pending().note(self.decision.at, seat, self.decision.seed)
        });
    }

    /// What was looked at by a walk that held nothing.
    #[cold]
    pub(crate) fn take_decision(&mut self) -> Decision {
        let nowhere = Decision::nowhere(self.decision.at, self.decision.seed);
        std::mem::replace(&mut self.decision, nowhere)
    }

    /// The decision behind it.
    #[must_use]
    pub const fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The fleet that it was made with.
    #[must_use]
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// The deployment to send the request to.
    #[must_use]
    pub fn deployment(&self) -> Option<&Deployment> {
        self.fleet.deployment(self.decision.deployment?)
    }

    /// Amounts held for it, by pool and dimension.
    pub fn estimated(&self) -> impl Iterator<Item = (&str, &'static str, u64)> {
        let limits = self.deployment().map_or(&[][..], |deployment| &deployment.limits);
        limits.iter().filter_map(|at| {
            let limit = self.fleet.limit(at.index)?;
            Some((
                &*self.fleet.pool_of(limit)?.name,
                limit.dimension.name(),
                amount(limit.dimension, &self.decision.estimate),
            ))
        })
    }

    /// Amounts finally charged, by pool and dimension; nothing before it is settled.
    pub fn charged(&self) -> impl Iterator<Item = (&str, &'static str, u64)> {
        self.settlement.charged.iter().filter_map(|&(at, units)| {
            let limit = self.fleet.limit(at)?;
            Some((&*self.fleet.pool_of(limit)?.name, limit.dimension.name(), units))
        })
    }

    /// Notes the first content: the attempt is no longer unanswered, and a probe has shown what it was sent for.
    ///
    /// Only the first call counts, and none after the settlement.
    pub fn first_content(&mut self, now: Nanos) {
        if self.first_content.is_some() || !self.is_ours() {
            return;
        }
        let after = now.since(self.decision.at);
        self.first_content = Some(after);
        self.count_won_hedge();
        settle::answered(&self.fleet, &self.decision, settle::ln_seconds(after), now);
        // By fields: the rest of the reservation changes meanwhile.
        let deployment = self.decision.deployment.and_then(|index| self.fleet.deployment(index));
        let record = deployment.and_then(|deployment| DeploymentRecord::of(&self.fleet.state, deployment.slot));
        let Some(record) = record else { return };
        if let Some(cell) = self.pending.take() {
            record.forget(cell);
        }
        if let Some(permit) = self.hold.permit.as_mut() {
            let effect = record.breaker().first_content(permit, now);
            settle::count_effect(&self.fleet.state, effect);
        }
    }

    /// Settles: corrects the limits by what was really used and tells the averages and the breaker how it went.
    ///
    /// Only the first settlement counts; a later one changes nothing and answers with the first.
    pub fn settle(&mut self, mut outcome: Outcome<'_>, now: Nanos) -> &Settlement {
        if self.is_ours() {
            if self.first_content.is_none() && matches!(outcome.ending, Ending::Succeeded) {
                self.count_won_hedge();
                let first_content = settle::first_content_ln(&outcome, now.since(self.decision.at));
                settle::answered(&self.fleet, &self.decision, first_content, now);
            }
            outcome.first_content = outcome.first_content.or(self.first_content);
            let cell = self.pending.take();
            let Self { fleet, decision, hold, settlement, .. } = self;
            settle::settle(fleet, decision, hold, cell, &outcome, now, settlement);
        }
        &self.settlement
    }

    /// Gives the reservation up at `now`: what the provider may have generated stays charged.
    pub fn abandon(&mut self, now: Nanos) -> &Settlement {
        if self.is_ours() {
            count(self.state(), Counter::Abandoned);
        }
        self.settle(Outcome::bare(Ending::Cancelled { sent: true }), now)
    }

    /// Whether it is still to be settled.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.hold.permit.is_some()
    }

    /// Whether it is to be settled by this process. What a fork has copied is still the parent's.
    fn is_ours(&self) -> bool {
        self.is_held() && !self.state().is_foreign()
    }

    /// What was settled; all zero before.
    #[must_use]
    pub const fn settlement(&self) -> &Settlement {
        &self.settlement
    }

    /// Time to the first content, if there was any yet.
    #[must_use]
    pub const fn first_content_after(&self) -> Option<Nanos> {
        self.first_content
    }

    /// How long after its decision a second attempt should be started beside this one if it still has no content, or
    /// no answer where that comes in one piece; `None` if never. See [`hedge`].
    #[must_use]
    pub fn hedge_after(&self, now: Nanos) -> Option<Nanos> {
        hedge::after(&self.fleet, self.state(), &self.decision, now)
    }

    fn count_won_hedge(&self) {
        if self.decision.hedge {
            count(self.state(), Counter::HedgeWon);
        }
    }

    /// The state that holds it.
    #[must_use]
    #[inline]
    pub fn state(&self) -> &State {
        &self.fleet.state
    }

    fn record(&self) -> Option<DeploymentRecord<'_>> {
        DeploymentRecord::of(self.state(), self.deployment()?.slot)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.is_held() {
            let last_known = self.decision.at + self.first_content.unwrap_or(Nanos::ZERO);
            self.abandon(last_known);
        }
    }
}
