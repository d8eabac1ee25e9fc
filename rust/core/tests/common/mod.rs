//! Fleets in a few words, and what tests of the whole walk ask about a decision.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod scorers;
pub mod scramble;

use std::collections::BTreeMap;

use junctor_core::decision::{Decision, Denial, Log, Why};
use junctor_core::outcome::{Ending, Fault, Outcome};
use junctor_core::record::DecisionRecord;
use junctor_core::request::Request;
use junctor_core::reservation::Reservation;
use junctor_core::router::Router;
use junctor_core::snapshot::{DeploymentSnapshot, Snapshot};
use junctor_core::spec::FleetSpec;
use junctor_core::units::Nanos;
use serde_json::{Value, json};

/// The group of all deployments in [`fleet`].
pub const ALL: Request<'static> = Request::plain("all");

pub fn secs(secs: f64) -> Nanos {
    Nanos::from_secs_f64(secs)
}

/// `over` laid over `under`, key by key.
pub fn merged(mut under: Value, over: Value) -> Value {
    let (Some(under_keys), Value::Object(over)) = (under.as_object_mut(), over) else { return under };
    under_keys.extend(over);
    under
}

/// A deployment called `name`, with whatever else `extra` says.
pub fn deployment(name: &str, extra: Value) -> Value {
    merged(json!({"name": name, "provider": "acme", "model": "acme/one"}), extra)
}

/// Deployments called by these names and nothing more.
pub fn plain(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| deployment(name, json!({}))).collect()
}

/// A pool with these limits, each per minute and to be had at once.
pub fn pool(name: &str, limits: &[(&str, u64)]) -> Value {
    let limit = |(dimension, limit): &(&str, u64)| json!({"dimension": dimension, "limit": limit, "burst_s": 60.0});
    json!({"name": name, "limits": limits.iter().map(limit).collect::<Vec<_>>()})
}

/// A fleet of these deployments with a group `all`, and whatever else `extra` says.
pub fn fleet(deployments: &[Value], extra: Value) -> FleetSpec {
    let names: Vec<_> = deployments.iter().map(|deployment| deployment["name"].clone()).collect();
    let groups = json!([{"name": "all", "members": names}]);
    let whole = merged(json!({"config_hash": "c0ffee", "deployments": deployments, "groups": groups}), extra);
    serde_json::from_value(whole).unwrap()
}

/// A router over such a fleet.
pub fn router(deployments: &[Value], extra: Value) -> Router {
    Router::new(&fleet(deployments, extra)).unwrap()
}

/// The name of the deployment that a reservation is for.
pub fn chosen(reservation: &Reservation) -> String {
    reservation.deployment().unwrap().name.to_string()
}

/// The decision in names.
pub fn told(router: &Router, decision: &Decision, asked: &str) -> DecisionRecord {
    DecisionRecord::of(&router.fleet(), decision, asked)
}

/// The verdict on each deployment that was looked at.
pub fn verdicts(router: &Router, decision: &Decision) -> BTreeMap<String, String> {
    told(router, decision, "").candidates.into_iter().map(|seen| (seen.deployment, seen.verdict)).collect()
}

/// Decision or denial: what was decided, and why not.
pub fn sides(made: Result<Decision, Box<Denial>>) -> (Decision, Option<Why>) {
    match made {
        Ok(decision) => (decision, None),
        Err(denial) => (denial.decision, Some(denial.why)),
    }
}

/// The decision as its record tells it, and its record alone once read back from JSON: what a receipt keeps.
pub fn kept(router: &Router, decision: &Decision, asked: &str) -> (DecisionRecord, Log) {
    let record = told(router, decision, asked);
    let read: DecisionRecord = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
    let log = read.log(&router.fleet()).unwrap();
    (record, log)
}

pub fn snapshot(router: &Router, now: Nanos) -> Snapshot {
    Snapshot::take(&router.fleet(), now)
}

pub fn state_of(router: &Router, name: &str, now: Nanos) -> DeploymentSnapshot {
    snapshot(router, now).deployments[name].clone()
}

pub fn counter(router: &Router, name: &str) -> u64 {
    snapshot(router, Nanos::ZERO).counters[name]
}

/// What is free of a limit.
pub fn level(router: &Router, pool: &str, dimension: &str, now: Nanos) -> i64 {
    snapshot(router, now).pools[pool][dimension].level
}

/// All words of the state but one: equal before and after means that nothing at all has changed. The one counts refusals,
/// which is what a refusal may leave behind.
pub fn bits(router: &Router) -> Vec<u64> {
    let (state, fleet) = (router.state(), router.fleet());
    let word = |word: &junctor_core::sync::AtomicU64| word.load(junctor_core::sync::Ordering::Relaxed);
    let buckets = fleet.limits.iter().flat_map(|limit| state.bucket(limit.slot).unwrap());
    let deployments = fleet.deployments.iter().flat_map(|deployment| {
        let words = state.deployment(deployment.slot).unwrap();
        words.iter().enumerate().filter(|(place, _)| *place != REFUSALS).map(|(_, word)| word)
    });
    deployments.chain(buckets).map(word).collect()
}

/// The word of a deployment's record that counts refusals.
const REFUSALS: usize = 15;

/// The levels of all limits, bit by bit.
pub fn level_bits(router: &Router) -> Vec<u64> {
    let fleet = router.fleet();
    let level = |slot| router.state().bucket(slot).unwrap()[1].load(junctor_core::sync::Ordering::Relaxed);
    fleet.limits.iter().map(|limit| level(limit.slot)).collect()
}

pub fn good(input: u64, output: u64) -> Outcome<'static> {
    Outcome { input_tokens: Some(input), output_tokens: Some(output), ..Outcome::bare(Ending::Succeeded) }
}

pub fn failed() -> Outcome<'static> {
    Outcome::bare(Ending::Failed(Fault::Down))
}

pub fn throttled(hint: Option<f64>) -> Outcome<'static> {
    Outcome { retry_after: hint.map(secs), ..Outcome::bare(Ending::Throttled) }
}

/// Reserves at `name`, as if all others had been tried.
pub fn reserve_at(router: &Router, request: &Request<'_>, name: &str, now: Nanos) -> Reservation {
    let fleet = router.fleet();
    let others: Vec<&str> = fleet.deployments.iter().map(|other| &*other.name).filter(|other| *other != name).collect();
    let reservation = router.reserve(&Request { tried: &others, ..request.clone() }, now, 1).unwrap();
    assert_eq!(chosen(&reservation), name);
    assert!(!reservation.decision().last_resort, "{name} is out");
    reservation
}

/// Opens the breaker of `name` by five failures in a row, unless it trips sooner.
pub fn trip(router: &Router, request: &Request<'_>, name: &str, now: Nanos) {
    for _ in 0..5 {
        if state_of(router, name, now).breaker == "open" {
            return;
        }
        reserve_at(router, request, name, now).settle(failed(), now);
    }
    assert_eq!(state_of(router, name, now).breaker, "open");
}
