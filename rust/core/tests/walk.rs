//! The whole walk: who may take a request, who is asked first, and what is said when nobody can.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

mod common;

use std::collections::BTreeSet;

use common::scramble::{Ask, Scramble, fate, pause};
use common::{
    ALL, bits, chosen, counter, deployment, failed, fleet, good, kept, plain, pool, reserve_at, router, secs, sides,
    state_of, throttled, told, trip, verdicts,
};
use junctor_core::decision::{Decision, Log, Why};
use junctor_core::draw::{Draw, identity};
use junctor_core::outcome::{Ending, Outcome};
use junctor_core::record::DecisionRecord;
use junctor_core::request::{Needs, Request};
use junctor_core::reservation::Reservation;
use junctor_core::router::Router;
use junctor_core::spec::FleetSpec;
use junctor_core::units::Nanos;
use proptest::prelude::*;
use serde_json::{Value, json};

const T: Nanos = Nanos::from_secs(1_000);

/// The one word and the sentence with which `router` refuses `request` at `name`.
fn refusal(router: &Router, request: &Request<'_>, name: &str) -> (String, String) {
    let decision = router.survey(request, T);
    let word = verdicts(router, &decision).remove(name).unwrap();
    (word, told(router, &decision, "").refusals.remove(name).unwrap_or_default())
}

// ---- gate ----

#[test]
fn every_refusal_has_a_word_and_a_sentence() {
    let needs = Needs::named("images").unwrap().and(Needs::named("tools").unwrap());
    let able = json!({"region": "us", "capabilities": ["tools"], "context_tokens": 1_000, "max_output_tokens": 100,
                      "agreements": ["dpa"], "pools": ["a"], "price": {"input": 1_000_000}});
    let clause = json!({"name": "health data", "when": {"attribute": "data", "one_of": ["phi"]}, "require": {"agreements": ["baa"]}});
    let capped = json!({"name": "thrift", "when": {"attribute": "task", "one_of": ["cheap"]},
                        "action": {"max_cost_usd_micros": 10}});
    let extra = json!({"compliance": [clause], "rules": [capped, {"action": {}}],
                       "pools": [pool("a", &[("tpm", 500), ("rpm", 60)])]});
    let table: Vec<(Request<'_>, &str, &str)> = vec![
        (Request { tags: &[("data", "phi")], ..ALL }, "compliance", "compliance: health data"),
        (Request { regions: &["eu"], ..ALL }, "region", "region"),
        (Request { providers: &["globex"], ..ALL }, "provider", "provider"),
        (Request { exclude_providers: &["acme"], ..ALL }, "provider", "provider"),
        (Request { agreements: &["baa"], ..ALL }, "agreement", "agreement"),
        (Request { agreements: &["dpa", "nobody has this"], ..ALL }, "agreement", "agreement"),
        (Request { needs, ..ALL }, "capability", "capability: lacks images"),
        (Request { output_tokens: Some(101), ..ALL }, "output_length", "output_length: at most 100 output tokens"),
        (Request { input_tokens: 1_001, ..ALL }, "context_length", "context_length: at most 1000 tokens"),
        (
            Request { input_tokens: 950, output_tokens: Some(51), ..ALL },
            "context_length",
            "context_length: at most 1000 tokens",
        ),
        (Request { tried: &["a"], ..ALL }, "tried", "tried"),
        (Request { input_tokens: 11, tags: &[("task", "cheap")], ..Request::plain("auto") }, "cost_cap", "cost_cap"),
        (
            Request { input_tokens: 600, output_tokens: Some(0), ..ALL },
            "too_large",
            "too_large: more than the whole tpm of pool a",
        ),
        (Request { input_tokens: 10, output_tokens: Some(10), ..ALL }, "passed_over", ""),
        (
            Request {
                regions: &["eu", "us"],
                providers: &["acme"],
                agreements: &["dpa"],
                output_tokens: Some(100),
                ..ALL
            },
            "passed_over",
            "",
        ),
    ];
    let router = router(&[deployment("a", able)], extra);
    for (request, word, sentence) in table {
        assert_eq!(refusal(&router, &request, "a"), (word.to_owned(), sentence.to_owned()));
        assert_eq!(router.reserve(&request, T, 1).is_err(), word != "passed_over", "{word}");
    }
}

#[test]
fn a_deployment_kept_for_tenants_serves_only_them() {
    let router = router(&[deployment("a", json!({"tenants": ["north"]})), deployment("b", json!({}))], json!({}));
    for (tags, word) in
        [(&[][..], "tenant"), (&[("tenant", "south")][..], "tenant"), (&[("tenant", "north")][..], "passed_over")]
    {
        assert_eq!(refusal(&router, &Request { tags, ..ALL }, "a").0, word);
    }
}

#[test]
fn states_refuse_with_the_time_at_which_they_end() {
    let limits = json!({"pools": [pool("b", &[("rpm", 1)])]});
    let names = ["held", "spent", "broken", "b", "rest"];
    let mut deployments = plain(&names);
    deployments[3]["pools"] = json!(["b"]);
    let router = router(&deployments, limits);
    reserve_at(&router, &ALL, "held", T).settle(throttled(Some(7.0)), T);
    reserve_at(&router, &ALL, "spent", T).settle(Outcome::bare(Ending::Exhausted), T);
    trip(&router, &ALL, "broken", T);
    reserve_at(&router, &ALL, "b", T).settle(good(1, 1), T);
    let sentences = [
        ("held", "held: for 7.0 s"),
        ("spent", "quota_exhausted: for 3600.0 s"),
        ("broken", "breaker_open: probes in 30.0 s"),
        ("b", "limit: rpm of pool b, room in 60.0 s"),
        ("rest", ""),
    ];
    for (name, sentence) in sentences {
        assert_eq!(refusal(&router, &ALL, name).1, sentence);
    }
}

#[test]
fn the_sentence_of_a_denial_counts_the_reasons() {
    let router = router(&plain(&["a", "b", "c"]), json!({}));
    let denial = router.reserve(&Request { tried: &["c"], regions: &["eu"], ..ALL }, T, 1).err().unwrap();
    assert_eq!(denial.describe(&router.fleet(), "all"), "no deployment may take this request for \"all\" (3 × region)");
}

// ---- random fleets, requests and fates ----

/// One decision of a random world.
struct Made<'m> {
    router: &'m Router,
    law: &'m Scramble,
    request: &'m Request<'m>,
    now: Nanos,
    seed: u64,
    decision: &'m Decision,
    why: Option<&'m Why>,
}

/// Walks a random world and shows every decision; answers all of their records.
fn wander(seed: u64, steps: usize, mut see: impl FnMut(&Made<'_>)) -> Vec<(DecisionRecord, Option<Why>)> {
    let mut draw = Draw::new(seed);
    let (law, router) = loop {
        let law = Scramble::fleet(&mut draw);
        if let Ok(router) = Router::new(&law.spec()) {
            break (law, router);
        }
    };
    let (mut now, mut flying, mut records) = (secs(50.0), Vec::<Reservation>::new(), Vec::new());
    for _ in 0..steps {
        let (ask, seed) = (Ask::new(&mut draw), draw.next_u64());
        let request = ask.request();
        let before = router.explain(&request, now, seed);
        let made = router.reserve(&request, now, seed);
        let (decision, why) = match made {
            Ok(reservation) => {
                let decision = reservation.decision().clone();
                flying.push(reservation);
                (decision, None)
            }
            Err(denial) => (denial.decision, Some(denial.why)),
        };
        if why.is_none() {
            assert_eq!(before.unwrap().deployment, decision.deployment, "explain foretells reserve");
        }
        see(&Made { router: &router, law: &law, request: &request, now, seed, decision: &decision, why: why.as_ref() });
        records.push((told(&router, &decision, request.model), why));
        now = now + pause(&mut draw);
        while flying.len() > 6 || (!flying.is_empty() && draw.unit() < 0.6) {
            let mut ended = flying.swap_remove(draw.below(flying.len() as u64) as usize);
            if draw.unit() < 0.4 {
                ended.first_content(now);
            }
            ended.settle(fate(&mut draw), now);
        }
    }
    records
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn no_decision_ever_leaves_what_the_law_allows(seed: u64) {
        wander(seed, 150, |made| {
            let Some(index) = made.decision.deployment else { return };
            let name = &made.router.fleet().deployments[index as usize].name;
            assert!(made.law.allows(name, made.request), "{name} for {:?}", made.request);
        });
    }

    #[test]
    fn a_denial_for_good_means_that_nobody_may(seed: u64) {
        wander(seed, 150, |made| {
            if !matches!(made.why, Some(Why::Refused)) || made.request.tag("task") == Some("cheap") {
                return;
            }
            let fleet = made.router.fleet();
            let asked = fleet.group(made.decision.asked_group.unwrap()).unwrap();
            let groups = std::iter::once(asked).chain(asked.fallback.iter().map(|&at| fleet.group(at).unwrap()));
            let mut members = groups.flat_map(|group| &group.members);
            assert!(!members.any(|member| made.law.allows(&fleet.deployment(member.deployment).unwrap().name, made.request)));
        });
    }

    #[test]
    fn the_time_in_a_denial_is_when_the_same_request_passes_and_not_later(seed: u64) {
        wander(seed, 150, |made| {
            let Some(&Why::NoCapacity { until }) = made.why else { return };
            let at = |now| made.router.explain(made.request, now, made.seed);
            assert!(at(until).is_ok(), "refused again after {:?}: {:?}", until.since(made.now), sides(at(until)));
            assert!(!at(until - Nanos(1)).is_ok_and(|made| !made.last_resort), "it could have passed earlier");
        });
    }

    #[test]
    fn every_decision_can_be_made_again_from_its_record(seed: u64) {
        let replayed = |made: &Made<'_>| {
            let (record, log) = kept(made.router, made.decision, made.request.model);
            let again = |log: &Log| sides(made.router.replay(made.request, made.now, made.seed, log));
            for log in [&made.decision.log, &log] {
                let (decision, why) = again(log);
                assert_eq!(why.as_ref(), made.why);
                let again = told(made.router, &decision, made.request.model);
                assert_eq!((&again.deployment, &again.group, again.last_resort, &again.rule), (&record.deployment, &record.group, record.last_resort, &record.rule));
                assert_eq!(again.candidates, record.candidates);
                assert_eq!(again.estimated_cost_usd_micros, record.estimated_cost_usd_micros);
            }
        };
        wander(seed, 150, replayed);
    }

    #[test]
    fn equal_seeds_make_equal_logs(seed: u64) {
        let log = || wander(seed, 60, |_| {});
        assert_eq!(log(), log());
    }

    #[test]
    fn explaining_holds_nothing_and_changes_nothing(seed: u64) {
        wander(seed, 60, |made| {
            let before = bits(made.router);
            let _ = made.router.explain(made.request, made.now, made.seed);
            let _ = made.router.replay(made.request, made.now, made.seed, &made.decision.log);
            let _ = made.router.survey(made.request, made.now);
            assert_eq!(bits(made.router), before);
        });
    }
}

#[test]
fn the_random_worlds_show_every_kind_of_decision() {
    let (mut verdicts, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..30 {
        for (record, why) in wander(seed, 150, |_| {}) {
            verdicts.extend(record.candidates.into_iter().map(|candidate| candidate.verdict));
            let kinds = [(record.downgrade, "downgrade"), (record.last_resort, "last resort"), (record.warm, "warm")];
            seen.extend(kinds.into_iter().filter(|(is, _)| *is).map(|(_, kind)| kind.to_owned()));
            seen.extend(why.map(|why| format!("{why:?}").split(' ').next().unwrap().to_owned()));
        }
    }
    for word in [
        "chosen",
        "passed_over",
        "compliance",
        "region",
        "provider",
        "agreement",
        "tenant",
        "capability",
        "context_length",
        "output_length",
        "drained",
        "cost_cap",
        "tried",
        "held",
        "quota_exhausted",
        "breaker_open",
        "limit",
    ] {
        assert!(verdicts.contains(word), "{word} is missing in {verdicts:?}");
    }
    for kind in ["downgrade", "last resort", "warm", "Refused", "NoCapacity"] {
        assert!(seen.contains(kind), "{kind} is missing in {seen:?}");
    }
}

#[test]
fn equal_seeds_times_and_requests_make_equal_decisions() {
    let hash = |seed| {
        let log = wander(seed, 400, |_| {});
        log.iter().fold(0, |hash: u64, (record, why)| {
            identity(&[&hash.to_string(), &serde_json::to_string(record).unwrap(), &format!("{why:?}")])
        })
    };
    let hashes: Vec<u64> = (0..10).map(hash).collect();
    assert_eq!(hashes, (0..10).map(hash).collect::<Vec<_>>());
    assert_eq!(hashes.iter().collect::<BTreeSet<_>>().len(), 10, "other seeds, other worlds");
}

// ---- rules ----

/// Two tiers and the rules given.
fn ruled(rules: Value) -> Router {
    let deployments = [
        deployment("big", json!({"model": "acme/big", "price": {"input": 9_000_000}})),
        deployment("small", json!({"model": "acme/small", "price": {"input": 1_000_000}})),
    ];
    let groups =
        json!([{"name": "strong", "members": ["big"], "fallback": ["weak"]}, {"name": "weak", "members": ["small"]}]);
    router(&deployments, json!({"groups": groups, "rules": rules}))
}

#[test]
fn the_first_rule_that_matches_decides() {
    let router = ruled(json!([
        {"name": "free", "when": {"attribute": "user_tier", "one_of": ["free"]}, "action": {"use": "weak", "max_tokens": 64, "effort": "low"}},
        {"name": "short", "when": {"number": "input_tokens", "max": 99}, "action": {"use": "small"}},
        {"name": "rest", "action": {"use": "strong"}},
    ]));
    let free: &[(&str, &str)] = &[("user_tier", "free")];
    let table = [
        (Request { tags: free, input_tokens: 10, ..Request::plain("auto") }, "small", "free", Some(64)),
        (Request { tags: free, output_tokens: Some(10), ..Request::plain("auto") }, "small", "free", Some(10)),
        (Request { tags: free, output_tokens: Some(100), ..Request::plain("auto") }, "small", "free", Some(64)),
        (Request { input_tokens: 99, ..Request::plain("auto") }, "small", "short", None),
        (Request { input_tokens: 100, output_tokens: Some(5), ..Request::plain("auto") }, "big", "rest", Some(5)),
    ];
    for (request, name, rule, max_tokens) in table {
        let record = told(&router, &router.explain(&request, T, 1).unwrap(), "auto");
        assert_eq!(record.deployment.as_deref(), Some(name), "{rule}");
        assert_eq!((record.rule.as_deref(), record.max_output_tokens), (Some(rule), max_tokens));
        assert_eq!(record.effort.as_deref(), (rule == "free").then_some("low"));
    }
}

#[test]
fn rules_leave_a_named_model_alone_unless_they_name_it() {
    let router = ruled(json!([
        {"name": "all to small", "when": {"attribute": "task", "present": true}, "action": {"use": "weak"}},
        {"name": "big is sold out", "when": {"all": [{"attribute": "model", "one_of": ["acme/big"]}, {"attribute": "task", "one_of": ["x"]}]},
         "action": {"use": "weak", "max_tokens": 9}},
        {"name": "rest", "action": {}},
    ]));
    let place = |model, tags| {
        let record = told(&router, &router.explain(&Request { tags, ..Request::plain(model) }, T, 1).unwrap(), model);
        (record.deployment.unwrap(), record.rule)
    };
    assert_eq!(place("acme/big", &[("task", "y")]), ("big".into(), None));
    assert_eq!(place("big", &[("task", "x")]), ("big".into(), None));
    assert_eq!(place("acme/big", &[("task", "x")]), ("small".into(), Some("big is sold out".into())));
    assert_eq!(place("auto", &[("task", "x")]), ("small".into(), Some("all to small".into())));
    assert_eq!(
        place("auto", &[]),
        ("big".into(), Some("rest".into())),
        "a rule without a target means the first group"
    );
}

#[test]
fn a_rule_refuses_with_its_own_words_and_nothing_is_held() {
    let router = ruled(
        json!([{"name": "closed", "when": {"attribute": "tenant", "one_of": ["x"]}, "action": {"refuse": "not on Sundays"}},
                              {"action": {}}]),
    );
    let denial = router.reserve(&Request { tags: &[("tenant", "x")], ..Request::plain("auto") }, T, 1).err().unwrap();
    assert_eq!(denial.why, Why::RefusedByRule);
    assert_eq!(denial.describe(&router.fleet(), "auto"), "rule \"closed\" refuses: not on Sundays");
    assert_eq!(counter(&router, "refused"), 1);
}

#[test]
fn what_means_nothing_is_denied_with_the_nearest_name() {
    let router = ruled(json!([{"when": {"attribute": "task", "one_of": ["x"]}, "action": {"use": "weak"}}]));
    let sentence = |model| {
        let denial = router.reserve(&Request::plain(model), T, 1).err().unwrap();
        denial.describe(&router.fleet(), model)
    };
    assert_eq!(sentence("acme/bigg"), "nothing is called \"acme/bigg\"; did you mean \"acme/big\"?");
    assert_eq!(sentence("zzz"), "nothing is called \"zzz\"; ask for `auto`, a group, a model or a deployment");
    assert_eq!(sentence("auto"), "no rule matches this request for `auto`; end the rules with one that has no `when`");
}

#[test]
fn a_cost_cap_falls_back_to_what_is_cheap_enough() {
    let router = ruled(json!([{"name": "thrift", "action": {"use": "strong", "max_cost_usd_micros": 500}}]));
    let at = |input_tokens| {
        router.explain(&Request { input_tokens, output_tokens: Some(0), ..Request::plain("auto") }, T, 1)
    };
    let name = |input| told(&router, &at(input).unwrap(), "auto").deployment.unwrap();
    assert_eq!((name(55), name(56), name(500)), ("big".into(), "small".into(), "small".into()));
    assert_eq!(at(501).unwrap_err().why, Why::Refused);
    assert!(at(56).unwrap().is_downgrade());
}

// ---- fallback ----

/// Three groups in a row, each with one deployment.
fn chain() -> Router {
    let groups = json!([{"name": "all", "members": ["a"], "fallback": ["second"]},
                        {"name": "second", "members": ["b"], "fallback": ["third", "all"]},
                        {"name": "third", "members": ["c"]}]);
    router(&plain(&["a", "b", "c"]), json!({"groups": groups}))
}

#[test]
fn each_group_of_the_chain_serves_when_those_before_are_out_and_says_so() {
    let router = chain();
    for (name, downgrade) in [("a", false), ("b", true), ("c", true)] {
        let mut reservation = router.reserve(&ALL, T, 1).unwrap();
        let record = told(&router, reservation.decision(), "all");
        assert_eq!((record.deployment.as_deref(), record.downgrade), (Some(name), downgrade));
        assert_eq!(record.asked, "all");
        assert_ne!(record.group.as_deref() == Some("all"), downgrade);
        reservation.settle(throttled(Some(30.0)), T);
    }
    assert_eq!(counter(&router, "downgraded"), 2);
    let denial = router.reserve(&ALL, T, 1).err().unwrap();
    assert_eq!(denial.why, Why::NoCapacity { until: T + secs(30.0) });
    assert_eq!(denial.decision.log.considered().count(), 3, "each was looked at once: the circle ends");
}

#[test]
fn a_capability_that_only_a_fallback_has_is_found_there() {
    let groups =
        json!([{"name": "all", "members": ["a"], "fallback": ["second"]}, {"name": "second", "members": ["b"]}]);
    let router = router(
        &[deployment("a", json!({})), deployment("b", json!({"capabilities": ["tools"]}))],
        json!({"groups": groups}),
    );
    let decision = router.explain(&Request { needs: Needs::named("tools").unwrap(), ..ALL }, T, 1).unwrap();
    assert_eq!(
        verdicts(&router, &decision).into_iter().collect::<Vec<_>>(),
        [("a".into(), "capability".into()), ("b".into(), "chosen".into())]
    );
}

// ---- affinity ----

fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("d{at}")).collect()
}

fn many(count: usize) -> Vec<Value> {
    names(count).iter().map(|name| deployment(name, json!({}))).collect()
}

fn warm(router: &Router, key: u64, seed: u64) -> String {
    let request = Request { affinity: Some(key), ..ALL };
    told(router, &router.explain(&request, T, seed).unwrap(), "all").deployment.unwrap()
}

#[test]
fn requests_of_one_session_meet_at_one_deployment_and_sessions_spread() {
    let router = router(&many(10), json!({}));
    let mut counts = std::collections::BTreeMap::new();
    for key in 0..2_000 {
        let first = warm(&router, key, 1);
        assert!((2..6).all(|seed| warm(&router, key, seed) == first));
        *counts.entry(first).or_insert(0) += 1;
    }
    assert!(counts.len() == 10 && counts.values().all(|count| (140..=260).contains(count)), "{counts:?}");
}

#[test]
fn when_a_member_leaves_only_its_sessions_move() {
    let (before, after) = (router(&many(10), json!({})), router(&many(9), json!({})));
    let moved = |key: &u64| warm(&before, *key, 1) != warm(&after, *key, 1);
    for key in (0..2_000).filter(moved) {
        assert_eq!(warm(&before, key, 1), "d9");
    }
    assert!((140..=260).contains(&(0..2_000).filter(moved).count()));
}

#[test]
fn a_popular_session_spills_over_and_no_further_than_the_bound() {
    let router = router(&many(5), json!({}));
    let request = Request { affinity: Some(7), ..ALL };
    let held: Vec<_> = (0..100).map(|seed| router.reserve(&request, T, seed).unwrap()).collect();
    let most =
        state_of(&router, &warm(&router, 8, 0), T).in_flight.max(state_of(&router, &chosen(&held[0]), T).in_flight);
    // 1.25 times the mean of 20, rounded up.
    assert!((20..=26).contains(&most), "{most}");
}

#[test]
fn a_session_whose_deployment_is_out_goes_elsewhere_and_comes_back() {
    let router = router(&many(5), json!({}));
    let home = warm(&router, 7, 0);
    let request = Request { affinity: Some(7), ..ALL };
    router.reserve(&request, T, 1).unwrap().settle(throttled(Some(5.0)), T);
    assert!((0..20).all(|seed| warm(&router, 7, seed) != home));
    let later = router.explain(&request, T + secs(5.0), 3).unwrap();
    assert_eq!(told(&router, &later, "all").deployment, Some(home));
}

// ---- objectives ----

#[test]
fn each_objective_prefers_what_it_says_and_shares_among_equals() {
    let deployments = [
        deployment("dear", json!({"price": {"input": 9_000_000}, "quality": 0.9, "latency_prior_s": 0.2})),
        deployment("cheap", json!({"price": {"input": 1_000_000}, "quality": 0.5, "latency_prior_s": 2.0})),
        deployment("twin", json!({"price": {"input": 1_010_000}, "quality": 0.5, "latency_prior_s": 2.0})),
    ];
    let served = |objective: Value| {
        let groups = json!([{"name": "all", "members": ["dear", "cheap", "twin"], "objective": objective}]);
        let router = router(&deployments, json!({"groups": groups}));
        let at = |seed| router.explain(&Request { input_tokens: 1_000, ..ALL }, T, seed).unwrap();
        (0..200).filter_map(|seed| told(&router, &at(seed), "all").deployment).collect::<BTreeSet<_>>()
    };
    let set = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(served(json!("balanced")), set(&["dear", "cheap", "twin"]));
    assert_eq!(served(json!("cheapest")), set(&["cheap", "twin"]), "one per cent dearer is as good as equal");
    assert_eq!(served(json!("fastest")), set(&["dear"]));
    assert_eq!(served(json!("best")), set(&["dear"]));
    assert_eq!(served(json!({"quality": 1.0, "cost": 1.0})), set(&["cheap", "twin"]));
}

#[test]
fn when_the_preferred_one_is_out_the_next_best_serves() {
    let deployments = [
        deployment("dear", json!({"price": {"input": 9_000_000}})),
        deployment("cheap", json!({"price": {"input": 1_000_000}})),
    ];
    let groups = json!([{"name": "all", "members": ["dear", "cheap"], "objective": "cheapest"}]);
    let router = router(&deployments, json!({"groups": groups}));
    let request = Request { input_tokens: 1_000, ..ALL };
    let mut first = router.reserve(&request, T, 1).unwrap();
    assert_eq!(chosen(&first), "cheap");
    first.settle(throttled(None), T);
    assert_eq!(chosen(&router.reserve(&request, T, 2).unwrap()), "dear");
}

// ---- tried, drained, sizes ----

#[test]
fn what_was_tried_is_not_tried_again() {
    let router = router(&plain(&["a", "b", "c"]), json!({}));
    let drawn = |tried| {
        (0..100)
            .map(move |_| Request { tried, ..ALL })
            .zip(0..)
            .map(|(request, seed)| {
                told(&router, &router.explain(&request, T, seed).unwrap(), "all").deployment.unwrap()
            })
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(drawn(&["a"]), ["b".to_owned(), "c".to_owned()].into());
    assert_eq!(drawn(&["a", "c", "never heard of"]), ["b".to_owned()].into());
    assert_eq!(router.reserve(&Request { tried: &["a", "b", "c"], ..ALL }, T, 1).err().unwrap().why, Why::Refused);
}

#[test]
fn weight_0_drains_and_other_nonsense_is_a_config_error_that_names_the_field() {
    let weighted = |weight: f64| [deployment("a", json!({"weight": weight})), deployment("b", json!({}))];
    let drained = router(&weighted(0.0), json!({}));
    assert!((0..1_000).all(|seed| chosen(&drained.reserve(&ALL, T, seed).unwrap()) == "b"));
    assert_eq!(drained.reserve(&Request::plain("a"), T, 1).err().unwrap().why, Why::Refused);
    assert_eq!(refusal(&drained, &Request::plain("a"), "a").1, "drained: weight 0");
    for weight in [-1.0, 1e300] {
        let error = Router::new(&fleet(&weighted(weight), json!({}))).err().unwrap().to_string();
        assert!(error.starts_with("deployments.a.weight is "), "{error}");
    }
    let mut broken = fleet(&weighted(1.0), json!({}));
    broken.deployments[0].weight = f64::NAN;
    assert_eq!(
        Router::new(&broken).err().unwrap().to_string(),
        "deployments.a.weight is NaN; allowed is 0 (drained) to 1,000,000; only the proportion between members matters"
    );
    let all = [deployment("a", json!({"weight": 0.0})), deployment("b", json!({"weight": 0.0}))];
    assert_eq!(
        Router::new(&fleet(&all, json!({}))).err().unwrap().to_string(),
        "groups.all is all weights 0; allowed is at least one member with a weight above 0; weight 0 drains a deployment"
    );
}

#[test]
fn all_deployments_of_one_model_may_be_drained() {
    let drained = |name| deployment(name, json!({"model": "acme/old", "weight": 0.0}));
    let router = router(&[drained("a"), drained("b"), deployment("c", json!({}))], json!({}));
    assert_eq!(chosen(&router.reserve(&ALL, T, 1).unwrap()), "c");
    assert_eq!(router.reserve(&Request::plain("acme/old"), T, 1).err().unwrap().why, Why::Refused);
}

#[test]
fn no_deployment_at_all_is_a_config_error() {
    let message = |spec: &FleetSpec| Router::new(spec).err().unwrap().to_string();
    let nobody = "the fleet has no deployments; give it at least one under `deployments`";
    assert_eq!(message(&FleetSpec::default()), nobody);
    assert_eq!(message(&fleet(&[], json!({}))), nobody);
    let router = router(&plain(&["a"]), json!({}));
    assert_eq!(router.reload(&FleetSpec::default(), T).unwrap_err().to_string(), nobody);
    assert_eq!(chosen(&router.reserve(&ALL, T, 1).unwrap()), "a", "and the old fleet stays");
}

#[test]
fn one_deployment_and_ten_thousand_are_walked_alike() {
    for count in [1, 10_000] {
        let router = router(&many(count), json!({}));
        let seen: Vec<usize> = (0..200)
            .map(|seed| {
                let mut reservation = router.reserve(&ALL, T, seed).unwrap();
                let seen = reservation.decision().log.considered().count();
                reservation.settle(good(1, 1), T);
                seen
            })
            .collect();
        assert!(seen.iter().all(|&seen| seen == count.min(2)), "a pick looks at two, whatever the size of the group");
    }
}

#[test]
fn ten_thousand_refusals_still_find_the_one_that_passes() {
    let mut deployments = many(10_000);
    deployments[9_876]["region"] = json!("eu");
    let router = router(&deployments, json!({}));
    let decision = router.explain(&Request { regions: &["eu"], ..ALL }, T, 5).unwrap();
    assert_eq!(told(&router, &decision, "all").deployment.as_deref(), Some("d9876"));
    assert!(!decision.log.is_complete(), "and the record says that it does not hold them all");
}

// ---- nobody is free ----

#[test]
fn a_lone_deployment_that_is_down_is_probed_once_a_second_and_no_more() {
    let router = router(&plain(&["a"]), json!({}));
    trip_lone(&router);
    let mut probes = Vec::new();
    for ms in 0..25_000 {
        let now = T + Nanos::from_millis(ms);
        match router.reserve(&ALL, now, ms) {
            Ok(mut reservation) => {
                assert!(reservation.decision().last_resort);
                probes.push(ms);
                reservation.settle(failed(), now);
            }
            Err(denial) => assert!(matches!(denial.why, Why::NoCapacity { .. })),
        }
    }
    assert_eq!(probes.len(), 25, "{probes:?}");
    assert_eq!(counter(&router, "forced_probe"), 25);
}

fn trip_lone(router: &Router) {
    (0..5).for_each(|seed| {
        router.reserve(&ALL, T, seed).unwrap().settle(failed(), T);
    });
}

#[test]
fn a_forced_probe_that_succeeds_brings_the_deployment_back() {
    let router = router(&plain(&["a"]), json!({}));
    trip_lone(&router);
    let mut probe = router.reserve(&ALL, T + secs(1.0), 1).unwrap();
    assert!(probe.decision().last_resort);
    assert!(router.reserve(&ALL, T + secs(1.5), 2).is_err(), "one probe at a time");
    probe.settle(good(1, 1), T + secs(2.0));
    assert!(!router.reserve(&ALL, T + secs(2.0), 3).unwrap().decision().last_resort);
}

#[test]
fn the_last_resort_is_whoever_comes_back_first_and_prefers_any_fallback_that_works() {
    let router = router(&plain(&["a", "b"]), json!({}));
    trip(&router, &ALL, "a", T);
    trip(&router, &ALL, "b", T + secs(2.0));
    let probe = router.reserve(&ALL, T + secs(3.0), 1).unwrap();
    assert_eq!((chosen(&probe), probe.decision().last_resort), ("a".into(), true));
    let chained = chain();
    for seed in 0..5 {
        chained.reserve(&ALL, T, seed).unwrap().settle(failed(), T);
    }
    let decision = chained.explain(&ALL, T, 9).unwrap();
    assert!(decision.is_downgrade() && !decision.last_resort);
}

#[test]
fn a_hung_probe_does_not_keep_the_last_resort_from_the_others() {
    let router = router(&plain(&["a", "b"]), json!({}));
    trip(&router, &ALL, "a", T);
    trip(&router, &ALL, "b", T);
    let first = router.reserve(&ALL, T, 1).unwrap();
    let second = router.reserve(&ALL, T + secs(1.0), 2).unwrap();
    assert!(first.decision().last_resort && second.decision().last_resort);
    assert_ne!(chosen(&first), chosen(&second));
}

#[test]
fn whoever_can_wait_for_a_limit_is_told_when_instead_of_probing() {
    let deployments = [deployment("a", json!({})), deployment("b", json!({"pools": ["b"]}))];
    let router = router(&deployments, json!({"pools": [pool("b", &[("rpm", 60)])]}));
    trip(&router, &ALL, "a", T);
    let held: Vec<_> = (0..60).map(|seed| router.reserve(&ALL, T, seed).unwrap()).collect();
    let patient = Request { max_wait: secs(2.0), ..ALL };
    assert_eq!(router.reserve(&patient, T, 1).err().unwrap().why, Why::NoCapacity { until: T + secs(1.0) });
    assert!(router.reserve(&ALL, T, 1).unwrap().decision().last_resort, "who cannot wait gets the probe");
    drop(held);
}

#[test]
fn a_request_above_every_limit_is_too_large_at_once() {
    let deployments = [deployment("a", json!({"pools": ["a"]})), deployment("b", json!({"pools": ["b"]}))];
    let pools = json!({"pools": [pool("a", &[("tpm", 1_000)]), pool("b", &[("tpm", 2_000)])]});
    let router = router(&deployments, pools);
    let at = |input_tokens| router.reserve(&Request { input_tokens, output_tokens: Some(0), ..ALL }, T, 1);
    let before = bits(&router);
    let denial = at(2_001).err().unwrap();
    assert_eq!(denial.why, Why::TooLarge);
    assert_eq!(bits(&router), before, "nothing was taken");
    assert!(denial.describe(&router.fleet(), "all").starts_with("the request for \"all\" exceeds every limit ("));
    assert_eq!(chosen(&at(2_000).unwrap()), "b");
    assert!(matches!(at(2_000).err().unwrap().why, Why::NoCapacity { .. }), "b alone is worth waiting for");
}

#[test]
fn an_operator_can_take_a_deployment_out_and_put_it_back() {
    let router = router(&plain(&["a", "b"]), json!({}));
    router.set_breaker("a", "open", T).unwrap();
    assert!((0..100).all(|seed| chosen(&router.reserve(&ALL, T + secs(1e6), seed).unwrap()) == "b"));
    router.set_breaker("a", "reset", T).unwrap();
    assert!((0..100).any(|seed| chosen(&router.reserve(&ALL, T, seed).unwrap()) == "a"));
    assert_eq!(router.set_breaker("c", "open", T), Err("no deployment is called \"c\"".into()));
    assert_eq!(router.set_breaker("a", "ajar", T), Err("state is \"ajar\"; allowed are open, close, reset".into()));
}

#[test]
fn what_an_operator_keeps_open_is_refused_and_not_promised_for_later() {
    let router = router(&[deployment("a", json!({}))], json!({}));
    router.set_breaker("a", "open", T).unwrap();
    let Err(denial) = router.reserve(&ALL, T, 1) else { panic!("nobody may be asked") };
    assert_eq!(denial.why, Why::Refused);
    assert!(denial.describe(&router.fleet(), "all").contains("held open by hand"));
}

#[test]
fn a_name_of_a_megabyte_is_unknown_at_once_and_not_repeated() {
    let router = router(&[deployment("a", json!({}))], json!({}));
    let name = "a".repeat(1 << 20);
    let Err(denial) = router.reserve(&Request { model: &name, ..ALL }, T, 1) else { panic!("nothing is called so") };
    assert_eq!(denial.why, Why::UnknownModel);
    assert!(denial.describe(&router.fleet(), &name).len() < 512);
}

#[test]
fn a_tag_of_a_megabyte_is_known_by_its_beginning_and_not_repeated() {
    let rules = json!([{"name": "long", "when": {"attribute": "team", "prefix": "aaa"}, "action": {"use": "a"}},
                       {"name": "rest", "action": {"use": "b"}}]);
    let clause = json!({"name": "phi", "when": {"attribute": "data", "prefix": "phi"}, "require": {"region": ["eu"]}});
    let deployments = [deployment("a", json!({"region": "eu"})), deployment("b", json!({"tenants": ["north"]}))];
    let router = router(&deployments, json!({"rules": rules, "compliance": [clause]}));
    let told_of = |tags: &[(&str, &str)]| {
        let (decision, _) = sides(router.explain(&Request { tags, ..Request::plain("auto") }, T, 1));
        let record = told(&router, &decision, "auto");
        assert!(serde_json::to_string(&record).unwrap().len() < 2_048);
        (record.rule.unwrap(), record.deployment)
    };
    let (long, other) = ("a".repeat(1 << 20), "b".repeat(1 << 20));
    assert_eq!(told_of(&[("team", &long)]), ("long".into(), Some("a".into())));
    assert_eq!(told_of(&[("team", &other)]), ("rest".into(), None), "b serves one tenant");
    assert_eq!(told_of(&[("team", &other), ("tenant", "north")]), ("rest".into(), Some("b".into())));
    assert_eq!(told_of(&[("team", &other), ("tenant", &other)]), ("rest".into(), None));
    let health = format!("phi{long}");
    assert_eq!(told_of(&[("team", &other), ("tenant", "north"), ("data", &health)]), ("rest".into(), None), "the law");
    assert_eq!(told_of(&[("team", &long), ("data", &health)]), ("long".into(), Some("a".into())));
}
