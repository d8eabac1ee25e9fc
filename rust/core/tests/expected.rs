//! What an attempt is expected to take before it is sent: cached beginnings, prompts that will be cut, weighty answers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

mod common;

use common::{ALL, chosen, deployment, good, kept, level, pool, router, verdicts};
use junctor_core::decision::{Denial, Why};
use junctor_core::outcome::{Ending, Outcome};
use junctor_core::request::{Request, Warm};
use junctor_core::router::Router;
use junctor_core::units::Nanos;
use proptest::prelude::*;
use serde_json::{Value, json};

const T: Nanos = Nanos::from_secs(1_000);
const LIMIT: u64 = 1_000_000;

fn lone(accounting: &Value) -> Router {
    let pools = json!([pool("a", &[("tpm", LIMIT), ("input_tpm", LIMIT), ("output_tpm", LIMIT)])]);
    router(&[deployment("a", json!({"pools": ["a"], "accounting": accounting}))], json!({"pools": pools}))
}

fn by_dimension<'r>(amounts: impl Iterator<Item = (&'r str, &'static str, u64)>) -> [u64; 3] {
    let mut found = [0; 3];
    for (_, dimension, units) in amounts {
        found[["tpm", "input_tpm", "output_tpm"].iter().position(|name| *name == dimension).unwrap()] = units;
    }
    found
}

proptest! {
    /// Held and charged, in each dimension, as a sum on paper has it; and the buckets say the same.
    #[test]
    fn an_attempt_holds_and_is_charged_what_the_sum_on_paper_says(
        (prompt, asked, warm) in (0_u64..100_000, 0_u64..10_000, prop::option::of((prop::bool::ANY, 0_u64..200_000))),
        (used, written, cached) in (0_u64..100_000, 0_u64..20_000, 0_u64..100_000),
        (counts, reconciles, weight, told) in (prop::bool::ANY, prop::bool::ANY, 1_u8..=10, prop::bool::ANY),
    ) {
        let router = lone(&json!({"count_cached_input": counts, "reconcile": reconciles, "output_weight": weight}));
        let at = |(here, tokens)| Warm::at(if here { "a" } else { "elsewhere" }, tokens);
        let request = Request { input_tokens: prompt, output_tokens: Some(asked), warm: warm.map(at), ..ALL };
        let mut reservation = router.reserve(&request, T, 1).unwrap();
        let expected = match warm {
            Some((true, tokens)) if !counts => prompt - tokens.min(prompt),
            _ => prompt,
        };
        let held = [expected + asked, expected, asked];
        prop_assert_eq!(by_dimension(reservation.estimated()), held);

        // An attempt whose usage nobody told is charged its whole prompt: nobody said that any of it was cached.
        let (input, output, cached) = if told { (used, written, cached) } else { (prompt, asked, 0) };
        let outcome = if told { Outcome { cached_tokens: cached, ..good(used, written) } } else { Outcome::bare(Ending::Succeeded) };
        reservation.settle(outcome, T);
        let counted = if counts { input } else { input.saturating_sub(cached) };
        let sums = [counted + output * u64::from(weight), counted, output];
        let charged = [0, 1, 2].map(|at| if reconciles { sums[at] } else { sums[at].max(held[at]) });
        prop_assert_eq!(by_dimension(reservation.charged()), charged);
        for (dimension, units) in ["tpm", "input_tpm", "output_tpm"].into_iter().zip(charged) {
            prop_assert_eq!(level(&router, "a", dimension, T), LIMIT as i64 - units as i64, "{}", dimension);
        }
    }
}

/// Three deployments of 1,000, 2,000 and 4,000 tokens of context, by themselves and together, and rules that cut prompts.
fn cut(rules: &Value, groups: &Value) -> Router {
    let sized = |name: &str, context: u64| deployment(name, json!({"context_tokens": context, "pools": ["a"]}));
    let deployments = [sized("small", 1_000), sized("middle", 2_000), sized("large", 4_000)];
    router(&deployments, json!({"pools": [pool("a", &[("input_tpm", LIMIT)])], "rules": rules, "groups": groups}))
}

fn long(prunes: bool) -> Request<'static> {
    Request { input_tokens: 50_000, output_tokens: Some(100), prunes, ..Request::plain("auto") }
}

fn only(name: &str) -> Value {
    json!([{"name": "g", "members": [name]}])
}

fn held(router: &Router, request: &Request<'_>) -> Result<(String, u64), Box<Denial>> {
    let reservation = router.reserve(request, T, 1)?;
    let units = reservation.estimated().next().unwrap().2;
    Ok((chosen(&reservation), units))
}

#[test]
fn a_rule_that_prunes_lets_in_what_fits_afterwards_and_holds_that_much() {
    for (prune, expected) in
        [(json!("context"), 1_900), (json!({"tokens": 700}), 700), (json!({"tokens": 1_900}), 1_900)]
    {
        let router = cut(&json!([{"action": {"use": "g", "prune": prune}}]), &only("middle"));
        assert_eq!(held(&router, &long(true)).unwrap(), ("middle".into(), expected), "{prune}");
        let short = Request { input_tokens: 50, ..long(true) };
        assert_eq!(held(&router, &short).unwrap().1, 50, "what is short already stays as it is");
        let whole = held(&router, &long(false)).unwrap_err();
        assert_eq!(whole.why, Why::Refused, "a request that nobody will cut is judged as it is");
        assert!(verdicts(&router, &whole.decision)["middle"].contains("context"));
    }
}

#[test]
fn a_prompt_is_cut_to_the_roomiest_context_of_a_group_and_no_further() {
    let all = json!([{"name": "g", "members": ["small", "middle", "large"], "prune": "context"}]);
    let router = cut(&json!([{"action": {"use": "g"}}]), &all);
    for seed in 0..20 {
        let reservation = router.reserve(&long(true), T, seed).unwrap();
        assert_eq!((chosen(&reservation).as_str(), reservation.estimated().next().unwrap().2), ("large", 3_900));
    }
    // Its tokenizer makes five tokens of every four that are estimated; a window as large with a plainer one holds more.
    let sized = |name: &str, permille: u32| {
        deployment(name, json!({"context_tokens": 1_000, "tokens_permille": permille, "pools": ["a"]}))
    };
    let rules = json!([{"action": {"use": "all", "prune": "context"}}]);
    let router = router_of(&[sized("fine", 1_250), sized("plain", 1_000)], &rules);
    let estimated = Request { estimated: true, ..long(true) };
    assert_eq!(held(&router, &estimated).unwrap(), ("plain".into(), 900));
}

fn router_of(deployments: &[Value], rules: &Value) -> Router {
    router(deployments, json!({"pools": [pool("a", &[("input_tpm", LIMIT)])], "rules": rules}))
}

#[test]
fn a_rule_that_cuts_to_more_than_a_context_holds_is_no_way_in() {
    let router = cut(
        &json!([{"action": {"use": "all", "prune": {"tokens": 1_901}}}]),
        &json!([
            {"name": "all", "members": ["small", "middle", "large"]}
        ]),
    );
    let (decision, _) = common::sides(router.explain(&long(true), T, 1));
    let seen = verdicts(&router, &decision);
    assert!(seen["small"].contains("context") && seen["middle"].contains("context"), "{seen:?}");
    assert_eq!(held(&router, &long(true)).unwrap(), ("large".into(), 1_901));
}

#[test]
fn groups_cut_for_their_own_members_and_a_rule_goes_before_them() {
    let groups = json!([
        {"name": "first", "members": ["small"], "fallback": ["second"]},
        {"name": "second", "members": ["middle"], "prune": {"tokens": 300}},
    ]);
    let plain = cut(&json!([{"action": {"use": "first"}}]), &groups);
    assert_eq!(held(&plain, &long(true)).unwrap(), ("middle".into(), 300), "the first group does not cut");
    let ruled = cut(&json!([{"action": {"use": "first", "prune": "context"}}]), &groups);
    assert_eq!(held(&ruled, &long(true)).unwrap(), ("small".into(), 900));
    let refused = held(&plain, &long(false)).unwrap_err();
    assert_eq!(refused.why, Why::Refused);
}

#[test]
fn a_decision_about_a_prompt_that_is_cut_is_made_again_from_its_record() {
    let router = cut(&json!([{"action": {"use": "g", "prune": "context"}}]), &only("middle"));
    let request = long(true);
    let made = router.reserve(&request, T, 7).unwrap();
    let (record, log) = kept(&router, made.decision(), "auto");
    let again = router.replay(&request, T, 7, &log).unwrap();
    assert_eq!(kept(&router, &again, "auto").0, record);
    assert_eq!(router.replay(&long(false), T, 7, &log).unwrap_err().why, Why::Refused);
}
