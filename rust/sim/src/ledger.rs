//! What the core promised, counted a second time beside it.
//!
//! After every step: what is in flight at a deployment is what the world has under way there; each attempt ends once;
//! no limit has granted more than its naive [twin](crate::twin) allows; nobody was reached whom the [law](crate::law)
//! forbids; retries and hedges stay within their budgets. At the end nothing is held. A breach is kept as a sentence
//! with its time, so that a seed and a sentence are all that a report needs.

use std::collections::HashMap;

use junctor_core::outcome::LimitReport;
use junctor_core::request::Request;
use junctor_core::reservation::Reservation;
use junctor_core::router::Router;
use junctor_core::snapshot::Snapshot;
use junctor_core::spec::{FleetSpec, LimitSpec, RetrySpec};
use junctor_core::units::Nanos;

use crate::law::Law;
use crate::twin::Twin;

/// Breaches that are kept in words; all are counted.
const KEPT: usize = 20;
/// What a fresh purse of retries holds: ten quiet seconds of its floor.
const FRESH_PURSE_S: f64 = 10.0;
/// Hedges per call.
const HEDGE_SHARE: f64 = 0.05;

/// The count.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The first breaches, in words.
    pub breaches: Vec<String>,
    /// How many there were.
    pub breached: usize,
    /// Steps and attempts that were looked at.
    pub checks: u64,
    law: Option<Law>,
    twins: HashMap<String, Vec<(&'static str, Twin)>>,
    /// Attempts under way, by the deployment's name.
    under_way: HashMap<String, u64>,
    purse: Purse,
}

/// What retries may be had, by plain arithmetic.
#[derive(Debug, Default)]
struct Purse {
    retry: RetrySpec,
    second: u64,
    calls_in_second: u64,
    allowed: f64,
    calls: u64,
    retries: u64,
    hedges: u64,
}

impl Ledger {
    /// One that checks everything, for the fleet as it was written.
    #[must_use]
    pub fn of(spec: &FleetSpec) -> Self {
        let twins = spec.pools.iter().map(|pool| {
            let twin = |limit: &LimitSpec| (limit.dimension.name(), Twin::of(limit, spec.wall_epoch_s));
            (pool.name.clone(), pool.limits.iter().map(twin).collect())
        });
        let purse = Purse { retry: spec.retry, ..Purse::default() };
        Self { twins: twins.collect(), law: Some(Law::of(spec)), purse, ..Self::default() }
    }

    /// The law of the fleet, if it is known.
    #[must_use]
    pub const fn law(&self) -> Option<&Law> {
        self.law.as_ref()
    }

    /// Something that must not happen has happened.
    pub fn breach(&mut self, now: Nanos, what: impl FnOnce() -> String) {
        self.breached += 1;
        if self.breaches.len() < KEPT {
            self.breaches.push(format!("at {:.3} s: {}", now.as_secs_f64(), what()));
        }
    }

    /// A call came.
    pub fn note_call(&mut self, now: Nanos) {
        self.purse.turn(now);
        self.purse.calls += 1;
        self.purse.calls_in_second += 1;
    }

    /// A retry was allowed.
    pub fn note_retry(&mut self, now: Nanos) {
        self.purse.turn(now);
        self.purse.retries += 1;
        let (made, most) = (self.purse.retries, self.purse.most_retries());
        if made as f64 > most {
            self.breach(now, || format!("{made} retries, where calls and floor pay for {most:.1}"));
        }
    }

    /// A hedge was allowed.
    pub fn note_hedge(&mut self, now: Nanos) {
        self.purse.hedges += 1;
        let (made, calls) = (self.purse.hedges, self.purse.calls);
        if made as f64 > calls as f64 * HEDGE_SHARE {
            self.breach(now, || format!("{made} hedges of {calls} calls"));
        }
    }

    /// An attempt was decided and is held.
    pub fn hold(&mut self, attempt: usize, request: &Request<'_>, made: &Reservation, router: &Router, now: Nanos) {
        let Some(deployment) = made.deployment() else {
            return self.breach(now, || "a reservation for nowhere".into());
        };
        let name = &*deployment.name;
        *self.under_way.entry(name.to_owned()).or_default() += 1;
        self.check_in_flight(name, router, now);
        let objection = self.law.as_ref().and_then(|law| law.objects(request, law.place(name)?));
        if let Some(objection) = objection {
            self.breach(now, || format!("{:?} was sent to {name}, though {objection}", request.model));
        }
        let mut over = None;
        for (pool, dimension, units) in made.estimated() {
            if let Some(twin) = find(&mut self.twins, pool, dimension)
                && let Some(by) = twin.grant(attempt, units, now)
            {
                over = Some(format!("{dimension} of {pool} grants {units} to {name}, {by:.1} too many"));
            }
        }
        if let Some(over) = over {
            self.breach(now, || over);
        }
    }

    /// An attempt was settled.
    pub fn settled(
        &mut self,
        attempt: usize,
        made: &Reservation,
        reports: &[LimitReport],
        router: &Router,
        now: Nanos,
    ) {
        let Some(deployment) = made.deployment() else { return };
        let name = &*deployment.name;
        if made.is_held() {
            self.breach(now, || format!("an attempt at {name} is still held after its settlement"));
        }
        match self.under_way.get_mut(name) {
            Some(under_way) if *under_way > 0 => *under_way -= 1,
            _ => self.breach(now, || format!("an attempt at {name} ended twice")),
        }
        self.check_in_flight(name, router, now);
        let granted_at = made.decision().at;
        let charged: Vec<_> = made.charged().collect();
        for (pool, dimension, held) in made.estimated() {
            let charge = charged.iter().find(|(of, what, _)| (*of, *what) == (pool, dimension));
            if let Some(twin) = find(&mut self.twins, pool, dimension) {
                twin.settle(attempt, held, charge.map_or(held, |(.., units)| *units), granted_at, now);
                let heard = reports.iter().filter(|report| report.dimension.name() == dimension);
                heard.filter_map(|report| report.remaining).for_each(|left| twin.told(left, now));
            }
        }
    }

    /// All deployments at once, and the running counts of the limits.
    pub fn check_all(&mut self, router: &Router, now: Nanos) {
        let fleet = router.fleet();
        for deployment in &fleet.deployments {
            self.check_in_flight(&deployment.name, router, now);
        }
    }

    /// Nothing may be held once all calls are over.
    pub fn check_rest(&mut self, router: &Router, now: Nanos) {
        self.check_all(router, now);
        let snapshot = Snapshot::take(&router.fleet(), now);
        for (name, deployment) in &snapshot.deployments {
            if deployment.in_flight != 0 {
                self.breach(now, || format!("{} attempts at {name} are in flight at rest", deployment.in_flight));
            }
        }
        for (pool, limits) in &snapshot.pools {
            if let Some(running) = limits.get("concurrency")
                && running.level != running.limit as i64
            {
                self.breach(now, || format!("{pool} is still {} of {} free at rest", running.level, running.limit));
            }
        }
    }

    fn check_in_flight(&mut self, name: &str, router: &Router, now: Nanos) {
        self.checks += 1;
        let Some(index) = router.fleet().deployment_named(name) else { return };
        let (told, counted) = (router.in_flight(index), self.under_way.get(name).copied().unwrap_or(0));
        if told != Some(counted) {
            self.breach(now, || format!("{name} has {told:?} in flight by the core's count, {counted} by ours"));
        }
    }
}

fn find<'t>(
    twins: &'t mut HashMap<String, Vec<(&'static str, Twin)>>,
    pool: &str,
    dimension: &str,
) -> Option<&'t mut Twin> {
    twins.get_mut(pool)?.iter_mut().find(|(name, _)| *name == dimension).map(|(_, twin)| twin)
}

impl Purse {
    fn turn(&mut self, now: Nanos) {
        let second = now.0 / 1_000_000_000;
        if second == self.second {
            return;
        }
        let quiet = (second - self.second - 1) as f64 * self.retry.floor_per_s;
        self.allowed += self.this_second().max(self.retry.floor_per_s) + quiet;
        (self.second, self.calls_in_second) = (second, 0);
    }

    fn this_second(&self) -> f64 {
        self.calls_in_second as f64 * self.retry.ratio
    }

    fn most_retries(&self) -> f64 {
        self.allowed + self.this_second() + self.retry.floor_per_s * FRESH_PURSE_S
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use junctor_core::outcome::{Ending, Outcome};
    use serde_json::json;

    fn spec() -> FleetSpec {
        serde_json::from_value(json!({
            "pools": [{"name": "a", "limits": [{"dimension": "rpm", "limit": 6}]}],
            "deployments": [{"name": "a", "provider": "acme", "model": "acme/one", "pools": ["a"]}],
        }))
        .unwrap()
    }

    fn held(ledger: &mut Ledger, router: &Router, model: &str, attempt: usize) -> Reservation {
        let request = Request { model: "a", ..Request::default() };
        let made = router.reserve(&request, Nanos::ZERO, 1).unwrap();
        ledger.hold(attempt, &Request { model, ..request }, &made, router, Nanos::ZERO);
        made
    }

    #[test]
    fn an_honest_attempt_breaches_nothing_and_a_lost_one_is_noticed() {
        let router = Router::new(&spec()).unwrap();
        let mut ledger = Ledger::of(&spec());
        let mut made = held(&mut ledger, &router, "a", 0);
        ledger.check_rest(&router, Nanos::ZERO);
        assert!(ledger.breaches[0].contains("in flight at rest"), "{:?}", ledger.breaches);
        ledger.breaches.clear();
        made.settle(Outcome::bare(Ending::Succeeded), Nanos::ZERO);
        ledger.settled(0, &made, &[], &router, Nanos::ZERO);
        ledger.check_rest(&router, Nanos::ZERO);
        assert_eq!(ledger.breaches, [""; 0]);
        ledger.settled(0, &made, &[], &router, Nanos::ZERO);
        assert!(ledger.breaches[0].contains("ended twice"), "{:?}", ledger.breaches);
    }

    #[test]
    fn an_attempt_that_nobody_settled_and_one_that_nobody_made_are_noticed() {
        let router = Router::new(&spec()).unwrap();
        let mut ledger = Ledger::of(&spec());
        let made = held(&mut ledger, &router, "a", 0);
        ledger.settled(0, &made, &[], &router, Nanos::ZERO);
        assert!(ledger.breaches[0].contains("still held") && ledger.breaches[1].contains("in flight"));
    }

    #[test]
    fn a_forbidden_deployment_and_a_limit_that_was_passed_are_noticed() {
        let router = Router::new(&spec()).unwrap();
        let mut ledger = Ledger::of(&spec());
        drop(held(&mut ledger, &router, "b", 0));
        assert!(ledger.breaches[0].contains("nothing is called so"), "{:?}", ledger.breaches);
        let lavish = serde_json::from_value(json!({
            "pools": [{"name": "a", "limits": [{"dimension": "rpm", "limit": 600}]}],
            "deployments": [{"name": "a", "provider": "acme", "model": "acme/one", "pools": ["a"]}],
        }));
        let other = Router::new(&lavish.unwrap()).unwrap();
        let mut ledger = Ledger::of(&spec());
        let _kept: Vec<_> = (0..3).map(|at| held(&mut ledger, &other, "a", at)).collect();
        assert!(ledger.breaches[0].contains("too many"), "{:?}", ledger.breaches);
    }

    #[test]
    fn retries_and_hedges_beyond_their_budgets_are_noticed() {
        let mut ledger = Ledger::of(&spec());
        let now = Nanos::from_millis(500);
        (0..100).for_each(|_| ledger.note_call(now));
        (0..50).for_each(|_| ledger.note_retry(now));
        assert_eq!(ledger.breached, 0, "a fifth of a hundred, and thirty");
        ledger.note_retry(now);
        assert_eq!(ledger.breached, 1);
        (0..5).for_each(|_| ledger.note_hedge(now));
        assert_eq!(ledger.breached, 1);
        ledger.note_hedge(now);
        assert_eq!(ledger.breached, 2);
    }
}
