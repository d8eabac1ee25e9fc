//! Exploration: how often each model is chosen is what its propensity says, receipts are made again, and the gate comes first.

#![cfg(not(any(loom, shuttle)))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod common;

use std::collections::BTreeMap;

use common::{ALL, deployment, fleet, plain, secs};
use junctor_core::outcome::{Ending, Fault, Outcome};
use junctor_core::record::DecisionRecord;
use junctor_core::request::Request;
use junctor_core::router::Router;
use serde_json::{Value, json};

const DRAWS: u32 = 20_000;

/// A router over these deployments in one group with these keys.
fn router(deployments: &[Value], keys: Value) -> Router {
    let names: Vec<_> = deployments.iter().map(|deployment| deployment["name"].clone()).collect();
    let group = common::merged(json!({"name": "all", "members": names}), keys);
    let clause = json!({"name": "eu", "when": {"attribute": "data", "one_of": ["eu"]}, "require": {"region": ["eu"]}});
    Router::new(&fleet(deployments, json!({"groups": [group], "compliance": [clause]}))).unwrap()
}

fn of(name: &str, model: &str, quality: f64, weight: f64) -> Value {
    deployment(name, json!({"model": model, "quality": quality, "weight": weight, "region": "us"}))
}

/// How often each model was chosen, and its propensity: one for all times that it was.
fn choices(router: &Router, request: &Request<'_>) -> BTreeMap<String, (f64, f64)> {
    let mut found: BTreeMap<String, (u32, f64)> = BTreeMap::new();
    for seed in 0..DRAWS {
        let made = router.explain(request, secs(1.0), u64::from(seed)).unwrap();
        let told = DecisionRecord::of(&router.fleet(), &made, "all").propensity.unwrap();
        let chosen = router.fleet().deployment(made.deployment.unwrap()).unwrap().model.to_string();
        let (count, propensity) = found.entry(chosen).or_insert((0, told));
        assert!((*propensity - told).abs() < 1e-12, "nothing changed between two draws");
        *count += 1;
    }
    found.into_iter().map(|(model, (count, told))| (model, (f64::from(count) / f64::from(DRAWS), told))).collect()
}

fn is_as_told(choices: &BTreeMap<String, (f64, f64)>) {
    for (model, (often, told)) in choices {
        let bound = 4.5 * (told * (1.0 - told) / f64::from(DRAWS)).sqrt();
        assert!((often - told).abs() <= bound, "{model} was chosen {often}, told {told}");
    }
    let all: f64 = choices.values().map(|(_, told)| told).sum();
    assert!((all - 1.0).abs() < 1e-9, "{choices:?}");
}

#[test]
fn models_are_chosen_as_often_as_their_propensity_says() {
    let two_of_b =
        [of("a", "p/a", 0.9, 1.0), of("b1", "p/b", 0.5, 1.0), of("b2", "p/b", 0.5, 3.0), of("c", "p/c", 0.1, 1.0)];
    let explored = choices(&router(&two_of_b, json!({"objective": "best", "explore": 0.3})), &ALL);
    is_as_told(&explored);
    assert!((explored["p/a"].1 - 0.8).abs() < 1e-12 && (explored["p/b"].1 - 0.1).abs() < 1e-12, "{explored:?}");
    // A canary: shares by weight, nothing explored, but looked at.
    let canary = [of("old", "p/old", 0.5, 9.0), of("new", "p/new", 0.5, 1.0)];
    let shares = choices(&router(&canary, json!({"explore": 0.0})), &ALL);
    is_as_told(&shares);
    assert!((shares["p/new"].1 - 0.1).abs() < 1e-6, "{shares:?}");
    is_as_told(&choices(&router(&canary, json!({"explore": 0.5})), &ALL));
}

#[test]
fn load_is_part_of_what_was_known() {
    let uneven =
        [of("a", "p/a", 0.5, 2.0), of("b", "p/b", 0.5, 1.0), of("c", "p/c", 0.5, 1.0), of("b2", "p/b", 0.5, 1.0)];
    let router = router(&uneven, json!({"explore": 0.1}));
    let busy: Vec<_> = (0..9).map(|seed| router.reserve(&ALL, secs(1.0), seed).unwrap()).collect();
    let loaded = choices(&router, &ALL);
    is_as_told(&loaded);
    assert!(loaded.values().all(|(_, told)| *told > 0.02), "{loaded:?}");
    for mut made in busy {
        made.settle(Outcome::bare(Ending::Failed(Fault::Down)), secs(2.0));
    }
    is_as_told(&choices(&router, &ALL));
}

#[test]
fn without_exploration_a_choice_is_certain_or_its_chance_is_not_known() {
    let two = [of("a", "p/a", 0.9, 1.0), of("b", "p/b", 0.5, 1.0)];
    let told = |keys: Value, deployments: &[Value]| {
        let router = router(deployments, keys);
        let made = router.explain(&ALL, secs(1.0), 7).unwrap();
        DecisionRecord::of(&router.fleet(), &made, "all").propensity
    };
    assert_eq!(told(json!({"objective": "best"}), &two), Some(1.0));
    assert_eq!(told(json!({}), &two), None, "whoever was not drawn was not looked at");
    assert_eq!(told(json!({}), &plain(&["a", "b", "c"])), Some(1.0), "one model, whichever deployment");
    assert_eq!(told(json!({"explore": 0.5}), &plain(&["a", "b"])), Some(1.0));
}

#[test]
fn exploration_never_leads_past_the_gate_and_is_made_again() {
    let three = [of("a", "p/a", 0.9, 1.0), of("b", "p/b", 0.5, 1.0), of("c", "p/c", 0.1, 1.0)];
    let eu: Vec<_> = three[..2].iter().map(|one| common::merged(one.clone(), json!({"region": "eu"}))).collect();
    let router = router(&[&eu[..], &three[2..]].concat(), json!({"objective": "best", "explore": 1.0}));
    let request = Request { tags: &[("data", "eu")], ..ALL };
    let found = choices(&router, &request);
    is_as_told(&found);
    assert!(!found.contains_key("p/c") && (found["p/b"].1 - 0.5).abs() < 1e-12, "{found:?}");
    for seed in 0..200 {
        let made = router.reserve(&request, secs(1.0), seed).unwrap();
        let again = router.replay(&request, secs(1.0), seed, &made.decision().log).unwrap();
        let of = |decision| DecisionRecord::of(&router.fleet(), decision, "all");
        assert_eq!(of(&again).deployment, of(made.decision()).deployment);
        assert_eq!(of(&again).propensity, of(made.decision()).propensity);
    }
}

#[test]
fn a_share_that_is_none_is_refused_by_name() {
    for wrong in [-0.1, 1.5] {
        let group = json!({"name": "all", "members": ["a"], "explore": wrong});
        let told = Router::new(&fleet(&plain(&["a"]), json!({"groups": [group]}))).err().unwrap().to_string();
        assert!(told.contains("groups.all.explore") && told.contains("0 to 1"), "{told}");
    }
}
