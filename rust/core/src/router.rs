//! The router: a fleet, its state, and the walk of a request over both.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::balance::DeploymentRecord;
use crate::balance::load::Load;
use crate::counters::{Counter, count};
use crate::decision::{Decision, Denial, Log, Why};
use crate::draw::Draw;
use crate::fleet::{Fleet, FleetError};
use crate::hedge;
use crate::request::Request;
use crate::reservation::Reservation;
use crate::reserve::Hold;
use crate::retry::{Allowance, RetryBudget};
use crate::spec::{FleetSpec, RetrySpec};
use crate::state::State;
use crate::units::Nanos;
use crate::walk::{Intent, Scene, survey, walk};

/// Sends requests to deployments. Shared by reference between threads; nothing in it blocks.
pub struct Router {
    /// With the state that it was compiled over.
    fleet: ArcSwap<Fleet>,
}

impl Router {
    /// A router with fresh state on the heap, with room for twice the fleet.
    ///
    /// # Errors
    /// [`FleetError`] naming what is wrong with the fleet.
    pub fn new(spec: &FleetSpec) -> Result<Self, FleetError> {
        let state = Arc::new(State::on_heap(spec.room().twice()));
        Self::over(spec, state)
    }

    /// A router over state that exists.
    ///
    /// # Errors
    /// [`FleetError`] naming what is wrong with the fleet.
    pub fn over(spec: &FleetSpec, state: Arc<State>) -> Result<Self, FleetError> {
        let fleet = Fleet::compile(spec, &state, None)?;
        Ok(Self { fleet: ArcSwap::from_pointee(fleet) })
    }

    /// Goes on over another state, as a forked child must. Attempts in flight stay with the state that they began in.
    ///
    /// # Errors
    /// As [`Router::over`]; then nothing changes.
    pub fn move_to(&self, spec: &FleetSpec, state: &Arc<State>) -> Result<(), FleetError> {
        self.fleet.store(Arc::new(Fleet::compile(spec, state, None)?));
        Ok(())
    }

    /// Swaps the fleet. Attempts in flight finish under the old one; state is kept by identity.
    ///
    /// # Errors
    /// [`FleetError`]; then the old fleet stays.
    pub fn reload(&self, spec: &FleetSpec, now: Nanos) -> Result<(), FleetError> {
        let current = self.fleet.load();
        self.fleet.store(Arc::new(Fleet::compile(spec, &current.state, Some((&current, now)))?));
        Ok(())
    }

    /// The fleet in force.
    #[must_use]
    pub fn fleet(&self) -> Arc<Fleet> {
        self.fleet.load_full()
    }

    /// The state in force.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.fleet.load().state)
    }

    /// Decides where `request` goes and holds what it needs there.
    ///
    /// # Errors
    /// [`Denial`] with the reason and what was looked at; then nothing is held.
    pub fn reserve(&self, request: &Request<'_>, now: Nanos, seed: u64) -> Result<Reservation, Box<Denial>> {
        // Written where the caller will find it: a reservation is too large to be moved for nothing.
        let mut made = Ok(self.vacant(now, seed));
        if let Ok(reservation) = &mut made
            && let Err(denial) = self.reserve_in(reservation, request)
        {
            made = Err(denial);
        }
        made
    }

    /// A reservation that holds nothing yet, for [`reserve_in`](Self::reserve_in) at this time with this seed.
    #[must_use]
    #[inline]
    pub fn vacant(&self, now: Nanos, seed: u64) -> Reservation {
        Reservation::nowhere(self.fleet.load_full(), Decision::nowhere(now, seed))
    }

    /// [`reserve`](Self::reserve) for callers who have a place for the reservation: one that is [`vacant`](Self::vacant).
    /// Should it hold something after all, that counts as abandoned.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve); then the reservation is spent.
    pub fn reserve_in(&self, reservation: &mut Reservation, request: &Request<'_>) -> Result<(), Box<Denial>> {
        let Decision { at: now, seed, .. } = *reservation.decision();
        if reservation.is_held() {
            reservation.abandon(now);
        }
        let walked = reservation
            .decide(|fleet, decision, held| walk(self.scene(fleet, request, now, seed, Intent::Hold), decision, held));
        match walked {
            Ok(()) => {
                count_decision(reservation);
                reservation.begin();
                Ok(())
            }
            Err(why) => {
                // A hedge that finds nobody turns no request away.
                if !request.spare {
                    count_denial(reservation.state(), &why);
                }
                Err(Box::new(Denial { why, decision: reservation.take_decision() }))
            }
        }
    }

    /// The same walk, with nothing held.
    ///
    /// # Errors
    /// As [`Router::reserve`].
    pub fn explain(&self, request: &Request<'_>, now: Nanos, seed: u64) -> Result<Decision, Box<Denial>> {
        let fleet = self.fleet.load();
        told(self.scene(&fleet, request, now, seed, Intent::Tell))
    }

    /// Makes an earlier decision again from what it saw.
    ///
    /// # Errors
    /// As [`Router::reserve`]: an earlier denial is denied again.
    pub fn replay(&self, request: &Request<'_>, now: Nanos, seed: u64, log: &Log) -> Result<Decision, Box<Denial>> {
        let fleet = self.fleet.load();
        told(self.scene(&fleet, request, now, seed, Intent::Replay(log)))
    }

    /// Every deployment that `request` may visit, in the order of its groups, with the reason why it is out if it is.
    #[must_use]
    pub fn survey(&self, request: &Request<'_>, now: Nanos) -> Decision {
        let fleet = self.fleet.load();
        survey(self.scene(&fleet, request, now, 0, Intent::Tell))
    }

    /// Sets a deployment's breaker by hand.
    ///
    /// # Errors
    /// A sentence naming the deployment or the word that is unknown.
    pub fn set_breaker(&self, deployment: &str, state: &str, now: Nanos) -> Result<(), String> {
        let fleet = self.fleet.load();
        let found = fleet.deployment_named(deployment).and_then(|index| fleet.deployment(index));
        let record = found.and_then(|found| DeploymentRecord::of(&fleet.state, found.slot));
        let breaker = record.ok_or_else(|| format!("no deployment is called {deployment:?}"))?.breaker();
        match state {
            "open" => breaker.force_open(now),
            "close" => breaker.force_close(now),
            "reset" => breaker.reset(now),
            _ => return Err(format!("state is {state:?}; allowed are open, close, reset")),
        };
        Ok(())
    }

    fn scene<'w>(
        &'w self,
        fleet: &'w Fleet,
        request: &'w Request<'_>,
        now: Nanos,
        seed: u64,
        intent: Intent<'w>,
    ) -> Scene<'w> {
        Scene { fleet, state: &fleet.state, request, now, seed, intent }
    }

    /// Notes a new call: each allows a fifth of a retry and, if any group hedges, a twentieth of a hedge. Answers whether
    /// another process that shares the state has adopted a newer configuration.
    pub fn note_call(&self, now: Nanos) -> bool {
        let fleet = self.fleet.load();
        if let Some(budget) = retry_budget(&fleet) {
            budget.deposit(now);
        }
        if fleet.hedges
            && let Some(budget) = hedge::budget(&fleet.state)
        {
            budget.deposit(now);
        }
        fleet.state.newer_config().is_some()
    }

    /// Takes one retry from the shared budget, if there is one.
    pub fn try_retry(&self, now: Nanos) -> bool {
        let fleet = self.fleet.load();
        let allowed = retry_budget(&fleet).is_some_and(|budget| budget.withdraw(now));
        count(&fleet.state, if allowed { Counter::Retried } else { Counter::RetryDenied });
        allowed
    }

    /// Takes one hedge from the purse of hedges, if there is one.
    pub fn try_hedge(&self, now: Nanos) -> bool {
        let fleet = self.fleet.load();
        let allowed = hedge::budget(&fleet.state).is_some_and(|budget| budget.withdraw(now));
        count(&fleet.state, if allowed { Counter::Hedged } else { Counter::HedgeDenied });
        allowed
    }

    /// Expected time to the first content of the deployment called `name`; `None` if nothing is called so.
    #[must_use]
    pub fn expected_first_content(&self, name: &str, now: Nanos) -> Option<Nanos> {
        let fleet = self.fleet.load();
        let deployment = fleet.deployment(fleet.deployment_named(name)?)?;
        let record = DeploymentRecord::of(&fleet.state, deployment.slot)?;
        let load = Load::of(deployment, record, 1.0, None, &fleet.balance, now);
        Some(Nanos::from_secs_f64(f64::from(load.latency.exp())))
    }

    /// Attempts in flight at a deployment, by its index in the fleet; `None` if there is no such index.
    #[must_use]
    pub fn in_flight(&self, deployment: u32) -> Option<u64> {
        let fleet = self.fleet.load();
        Some(DeploymentRecord::of(&fleet.state, fleet.deployment(deployment)?.slot)?.in_flight())
    }

    /// How long to wait before another attempt.
    #[must_use]
    pub fn retry_delay(same_deployment: bool, attempt: u32, hint: Option<Nanos>, seed: u64) -> Nanos {
        crate::retry::delay(same_deployment, attempt, hint, &mut Draw::new(seed))
    }
}

fn retry_budget(fleet: &Fleet) -> Option<RetryBudget<'_>> {
    let words = fleet.state.router()?.first_chunk()?;
    Some(RetryBudget::new(allowance(fleet.retry), words))
}

fn count_decision(reservation: &Reservation) {
    let (state, decision) = (reservation.state(), reservation.decision());
    let (probe, lost_probe) = reservation.permit().map_or((false, false), |held| (held.probe, held.lost_probe));
    count(state, Counter::Reserved);
    let rare = [
        (decision.is_downgrade(), Counter::Downgraded),
        (decision.last_resort, Counter::ForcedProbe),
        (probe, Counter::Probe),
        (lost_probe, Counter::ProbeLost),
    ];
    rare.into_iter().filter(|(happened, _)| *happened).for_each(|(_, counter)| count(state, counter));
}

#[cold]
fn count_denial(state: &State, why: &Why) {
    let no_capacity = matches!(why, Why::NoCapacity { .. });
    count(state, if no_capacity { Counter::NoCapacity } else { Counter::Refused });
}

/// A walk that holds nothing.
fn told(scene: Scene<'_>) -> Result<Decision, Box<Denial>> {
    let mut decision = Decision::nowhere(scene.now, scene.seed);
    match walk(scene, &mut decision, &mut Hold::default()) {
        Ok(()) => Ok(decision),
        Err(why) => Err(Box::new(Denial { why, decision })),
    }
}

fn allowance(retry: RetrySpec) -> Allowance {
    Allowance { percent: (retry.ratio * 100.0).round() as u32, floor_per_s: retry.floor_per_s.round() as u32 }
}
