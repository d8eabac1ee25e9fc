//! Sessions: what leaving a prompt cache costs is weighed and told, escalation is one-way where that is asked for, and
//! budgets hold for all calls of a session together.

#![cfg(not(any(loom, shuttle)))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

mod common;

use std::collections::BTreeMap;

use common::{ALL, chosen, deployment, kept, router, secs, state_of, throttled, told, verdicts};
use junctor_core::record::CandidateRecord;
use junctor_core::request::{Request, Warm};
use junctor_core::router::Router;
use junctor_core::session::{HeldOfSession, Over, SessionSpec, Sessions, Spending, strength_of};
use junctor_core::units::Nanos;
use proptest::prelude::*;
use serde_json::{Value, json};

const T: Nanos = Nanos::from_secs(1_000);

// ---- what moving costs ----

/// Claude Opus 4.8 and Haiku 4.5 at Anthropic's prices of November 2026, and one without a cache.
fn claudes(objective: Value) -> Router {
    let price = |input: u64, output: u64| json!({"input": input, "output": output, "cached_input": input / 10, "cache_write": input * 5 / 4});
    let deployments = [
        deployment("opus", json!({"price": price(5_000_000, 25_000_000), "quality": 0.9, "latency_prior_s": 2.0})),
        deployment("haiku", json!({"price": price(1_000_000, 5_000_000), "quality": 0.5, "latency_prior_s": 0.5})),
        deployment("plain", json!({"price": {"input": 1_000_000, "output": 5_000_000}, "quality": 0.5})),
    ];
    let groups = json!([{"name": "all", "members": ["opus", "haiku", "plain"], "objective": objective}]);
    router(&deployments, json!({"groups": groups}))
}

fn long(warm: Option<Warm>) -> Request<'static> {
    Request { input_tokens: 100_000, output_tokens: Some(0), affinity: Some(7), warm, ..ALL }
}

fn seen(router: &Router, request: &Request<'_>) -> (String, BTreeMap<String, CandidateRecord>) {
    let told = told(router, &router.explain(request, T, 1).unwrap(), "all");
    (told.deployment.unwrap(), told.candidates.into_iter().map(|seen| (seen.deployment.clone(), seen)).collect())
}

#[test]
fn a_session_stays_where_reading_its_cache_is_cheaper_than_a_cheaper_model_and_the_charge_is_told() {
    let router = claudes(json!("cheapest"));
    assert_ne!(seen(&router, &long(None)).0, "opus", "nothing is cached anywhere");

    let (chosen, seen) = seen(&router, &long(Some(Warm::at("opus", 100_000))));
    assert_eq!(chosen, "opus");
    let told = |name: &str| {
        let CandidateRecord { cost_usd_micros, cache_usd_micros, move_usd_micros, move_s, .. } = seen[name];
        (cost_usd_micros, cache_usd_micros, move_usd_micros, move_s)
    };
    // $0.50 at full price, $0.05 read.
    assert_eq!(told("opus"), (500_000, -450_000, 0, 0.0));
    // $0.10, and a quarter more to write it; $0.01 would be enough if it were cached there. 50 µs a token.
    assert_eq!(told("haiku"), (100_000, 25_000, 115_000, 5.0));
    assert_eq!(told("plain"), (100_000, 0, 0, 5.0), "where reads cost what prompts cost only time is lost");
}

#[test]
fn a_short_cache_does_not_hold_a_session_at_a_dear_model() {
    let router = claudes(json!("cheapest"));
    assert_ne!(seen(&router, &long(Some(Warm::at("opus", 20_000)))).0, "opus");
}

#[test]
fn time_that_the_cache_saves_counts_where_latency_does() {
    let router = claudes(json!("fastest"));
    assert_eq!(seen(&router, &long(None)).0, "haiku");
    // Two seconds at the slow one, half a second and five at the quick one.
    assert_eq!(seen(&router, &long(Some(Warm::at("opus", 100_000)))).0, "opus");
    assert_eq!(seen(&router, &long(Some(Warm::at("opus", 10_000)))).0, "haiku");
}

#[test]
fn a_session_does_not_choose_its_model_by_a_hash_where_an_objective_does() {
    let router = claudes(json!("best"));
    for key in 0..50 {
        let request = Request { affinity: Some(key), ..long(None) };
        assert_eq!(seen(&router, &request).0, "opus");
    }
}

#[test]
fn sessions_of_one_tier_still_meet_at_one_member_and_spread_over_all() {
    let deployments: Vec<_> = (0..6)
        .map(|at| {
            deployment(&format!("d{at}"), json!({"price": {"input": if at < 4 { 1_000_000 } else { 9_000_000 }}}))
        })
        .collect();
    let names: Vec<_> = deployments.iter().map(|deployment| deployment["name"].clone()).collect();
    let groups = json!([{"name": "all", "members": names, "objective": "cheapest"}]);
    let router = router(&deployments, json!({"groups": groups}));
    let at = |key, seed| {
        let request = Request { affinity: Some(key), input_tokens: 1_000, ..ALL };
        told(&router, &router.explain(&request, T, seed).unwrap(), "all").deployment.unwrap()
    };
    let mut counts = BTreeMap::new();
    for key in 0..400 {
        assert_eq!(at(key, 1), at(key, 2));
        *counts.entry(at(key, 1)).or_insert(0) += 1;
    }
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["d0", "d1", "d2", "d3"]);
    assert!(counts.values().all(|count| (60..=140).contains(count)), "{counts:?}");
}

#[test]
fn whoever_spilled_over_stays_where_the_cache_is_until_that_is_too_busy() {
    let router = router(&common::plain(&["a", "b", "c"]), json!({}));
    let asked = |warm| Request { affinity: Some(7), warm, ..ALL };
    let home = chosen(&router.reserve(&asked(None), T, 1).unwrap());
    let other = ["a", "b", "c"].into_iter().find(|name| *name != home).unwrap();
    let warm = asked(Some(Warm::at(other, 5_000)));
    let held = router.reserve(&warm, T, 2).unwrap();
    assert_eq!(chosen(&held), other);
    // One there and none elsewhere is above the bound.
    let others = (0..40).filter(|&seed| chosen(&router.reserve(&warm, T, seed).unwrap()) != other);
    assert!(others.count() > 30);
    assert_eq!(state_of(&router, other, T).in_flight, 1);
    drop(held);
    // A place that is not in the group is none.
    assert_eq!(chosen(&router.reserve(&asked(Some(Warm::at("gone", 5_000))), T, 1).unwrap()), home);
}

#[test]
fn between_two_that_are_drawn_the_wait_for_a_cold_prompt_counts_as_load() {
    // No affinity: the draw alone, which the longer wait tilts as a slower deployment would.
    let router = router(&common::plain(&["a", "b"]), json!({}));
    let request = Request { input_tokens: 100_000, warm: Some(Warm::at("a", 100_000)), ..ALL };
    let at_a = (0..1_000).filter(|&seed| {
        told(&router, &router.explain(&request, T, seed).unwrap(), "").deployment.as_deref() == Some("a")
    });
    assert!(at_a.count() > 950, "five seconds more is much more load");
}

#[test]
fn a_decision_that_weighed_a_cache_is_made_again_from_its_record() {
    for objective in [json!("cheapest"), json!("fastest"), json!({"cost": 1.0, "latency": 1.0}), json!("balanced")] {
        let router = claudes(objective);
        let request = long(Some(Warm::at("opus", 90_000)));
        let made = router.reserve(&request, T, 7).unwrap();
        let (record, log) = kept(&router, made.decision(), "all");
        let again = router.replay(&request, T, 7, &log).unwrap();
        assert_eq!(kept(&router, &again, "all").0, record);
    }
}

proptest! {
    /// The charge is what a sum on paper says, and what is chosen is the cheapest by it; a longer cache holds no worse.
    #[test]
    fn the_cheapest_with_its_cache_is_chosen(
        prices in prop::collection::vec((1_u64..20_000_000, 0_u64..=100, 100_u64..=200), 2..6),
        input in 1_u64..200_000, cached in 0_u64..250_000, more in 0_u64..250_000, at in 0_usize..6,
    ) {
        let at = at % prices.len();
        let names: Vec<_> = (0..prices.len()).map(|index| format!("d{index}")).collect();
        let deployments: Vec<_> = names.iter().zip(&prices).map(|(name, (input, read, write))| deployment(name, json!({
            "price": {"input": input, "cached_input": input * read / 100, "cache_write": input * write / 100},
        }))).collect();
        let groups = json!([{"name": "all", "members": names, "objective": {"cost": 100.0}}]);
        let router = router(&deployments, json!({"groups": groups}));
        let place = |tokens| {
            let warm = Some(Warm::at(&names[at], tokens));
            seen(&router, &Request { input_tokens: input, output_tokens: Some(0), warm, ..ALL })
        };
        let (went, told) = place(cached);
        let tokens = cached.min(input);
        let rounded = |millionths: u64| millionths.div_ceil(1_000_000);
        let mut sums = BTreeMap::new();
        for (index, (name, (rate, read, write))) in names.iter().zip(&prices).enumerate() {
            let (read, write) = (rate * read / 100, rate * write / 100);
            let with = |cache: u64| rounded((input - tokens) * rate + tokens * cache);
            let sum = with(if index == at { read } else { write });
            prop_assert_eq!(told[name].cost_usd_micros, rounded(input * rate));
            prop_assert_eq!(told[name].cost_usd_micros.saturating_add_signed(told[name].cache_usd_micros), sum);
            prop_assert_eq!(told[name].move_usd_micros, if index == at { 0 } else { with(write).saturating_sub(with(read)) });
            sums.insert(name.clone(), sum);
        }
        // Tiers are a twentieth of a logarithm apart, a hundredth of that with this weight.
        let least = *sums.values().min().unwrap() as f64;
        prop_assert!(sums[&went] as f64 <= least * 1.001 + 1.0, "{} of {:?}", went, sums);
        if went == names[at] && *sums.values().filter(|&&sum| sum as f64 <= least * 1.001 + 1.0).min().unwrap() as f64 >= least
            && sums.iter().filter(|(name, sum)| **name != went && (**sum as f64) <= least * 1.001 + 1.0).count() == 0
        {
            prop_assert_eq!(place(cached.max(more)).0, went, "a longer cache holds no worse");
        }
    }
}

// ---- one-way ----

fn one_way(fallback: &Value) -> Router {
    let deployments = [
        deployment("strong", json!({"quality": 0.9, "price": {"input": 9_000_000}})),
        deployment("middle", json!({"quality": 0.7, "price": {"input": 3_000_000}})),
        deployment("weak", json!({"quality": 0.5, "price": {"input": 1_000_000}})),
        deployment("last", json!({"quality": 0.3})),
    ];
    let members = ["strong", "middle", "weak"];
    let groups = json!([
        {"name": "all", "members": members, "objective": "cheapest", "one_way": true, "fallback": fallback},
        {"name": "free", "members": members, "objective": "cheapest"},
        {"name": "spare", "members": ["last"]},
    ]);
    router(&deployments, json!({"groups": groups}))
}

#[test]
fn a_session_is_not_answered_by_somebody_weaker_than_it_has_reached() {
    let router = one_way(&json!([]));
    let at = |model, reached| {
        let request = Request { model, input_tokens: 1_000, reached, affinity: Some(3), ..ALL };
        let told = told(&router, &router.explain(&request, T, 1).unwrap(), model);
        (told.deployment.unwrap(), told.weaker)
    };
    assert_eq!(at("all", None).0, "weak");
    for (reached, expected) in [(0.5, "weak"), (0.7, "middle"), (0.71, "strong"), (0.9, "strong")] {
        assert_eq!(at("all", Some(reached)), (expected.to_owned(), false));
        assert_eq!(at("free", Some(reached)), ("weak".to_owned(), false), "only where it is asked for");
    }
}

#[test]
fn if_nobody_as_strong_is_there_the_next_best_answers_and_the_decision_says_so() {
    let router = one_way(&json!(["spare"]));
    let request = Request { input_tokens: 1_000, reached: Some(0.9), ..ALL };
    let mut strong = router.reserve(&request, T, 1).unwrap();
    assert_eq!(chosen(&strong), "strong");
    strong.settle(throttled(Some(60.0)), T);
    let instead = router.reserve(&request, T, 2).unwrap();
    assert_eq!(chosen(&instead), "weak", "among the weaker the objective decides, as it would without the wish");
    assert!(instead.decision().weaker && !instead.decision().is_downgrade());
    assert_eq!(verdicts(&router, instead.decision())["strong"], "held");
    let (record, log) = kept(&router, instead.decision(), "all");
    assert_eq!(kept(&router, &router.replay(&request, T, 2, &log).unwrap(), "all").0, record);
    assert_eq!(chosen(&router.reserve(&request, T + secs(61.0), 3).unwrap()), "strong", "what it reached stays");
}

#[test]
fn an_answer_raises_its_session_unless_somebody_weaker_was_only_out() {
    let router = one_way(&json!(["spare"]));
    let raises = |request: &Request<'_>| {
        let made = router.reserve(request, T, 1).unwrap();
        strength_of(made.fleet(), made.decision())
    };
    let request = Request { input_tokens: 1_000, ..ALL };
    assert_eq!(raises(&request), Some(0.5));
    assert_eq!(raises(&Request { reached: Some(0.6), ..request.clone() }), Some(0.7));
    assert_eq!(raises(&Request { model: "free", ..request.clone() }), None, "only where it is asked for");
    assert_eq!(raises(&Request { tried: &["weak"], ..request.clone() }), None, "it failed for this call");
    assert_eq!(raises(&Request { tried: &["strong"], ..request.clone() }), Some(0.5));
    let mut weak = router.reserve(&request, T, 1).unwrap();
    weak.settle(throttled(Some(60.0)), T);
    assert_eq!(raises(&request), None);
    assert_eq!(raises(&Request { reached: Some(0.9), ..request }), None, "whatever it has reached stays anyway");
}

// ---- budgets ----

const SPEC: SessionSpec = SessionSpec { idle_s: 60.0, most: 1_000, usd_micros: Some(1_000), tokens: Some(10_000) };

const fn spending(usd_micros: u64, tokens: u64) -> Spending {
    Spending { usd_micros, tokens }
}

#[test]
fn what_is_held_counts_until_what_was_used_takes_its_place() {
    let mut sessions = Sessions::default();
    let first = sessions.hold(&SPEC, 1, spending(600, 100), T).unwrap();
    let over = sessions.hold(&SPEC, 1, spending(600, 100), T).unwrap_err();
    assert_eq!(over, Over::Budget { what: "usd_micros", spent: 0, held: 600, asked: 600, limit: 1_000 });
    let _other = sessions.hold(&SPEC, 2, spending(1_000, 10_000), T).unwrap();
    sessions.settle(first, spending(100, 9_500), T);
    assert_eq!(sessions.left(&SPEC, 1, T), (Some(900), Some(500)));
    let over = sessions.hold(&SPEC, 1, spending(600, 501), T).unwrap_err();
    assert_eq!(over, Over::Budget { what: "tokens", spent: 9_500, held: 0, asked: 501, limit: 10_000 });
    let last = sessions.hold(&SPEC, 1, spending(900, 500), T).unwrap();
    sessions.settle(last, spending(5_000, 5_000), T);
    assert_eq!(sessions.left(&SPEC, 1, T), (Some(0), Some(0)), "a debt");
    assert!(sessions.hold(&SPEC, 1, spending(1, 0), T).is_err());
}

#[test]
fn an_idle_session_begins_anew_and_a_busy_one_never_does() {
    let mut sessions = Sessions::default();
    let used = |sessions: &mut Sessions, now| {
        let held = sessions.hold(&SPEC, 1, spending(1_000, 0), now).unwrap();
        sessions.settle(held, spending(1_000, 0), now);
    };
    used(&mut sessions, T);
    sessions.raise(&SPEC, 1, 0.9, T);
    assert_eq!(sessions.reached(&SPEC, 1, T + secs(60.0)), Some(0.9));
    assert_eq!(sessions.left(&SPEC, 1, T + secs(60.0)), (Some(0), Some(10_000)));
    assert_eq!(sessions.reached(&SPEC, 1, T + secs(60.1)), None);
    used(&mut sessions, T + secs(61.0));

    let mut sessions = Sessions::default();
    let held = sessions.hold(&SPEC, 1, spending(1_000, 0), T).unwrap();
    let much_later = T + secs(100_000.0);
    assert!(sessions.hold(&SPEC, 1, spending(1, 0), much_later).is_err());
    sessions.settle(held, spending(1_000, 0), much_later);
    assert!(sessions.hold(&SPEC, 1, spending(1, 0), much_later).is_err(), "its idle time begins with the settlement");
}

#[test]
fn a_hundred_thousand_sessions_stay_within_the_bound_and_those_under_way_stay() {
    let mut sessions = Sessions::default();
    let mut under_way: Vec<_> = (0..900).map(|key| sessions.hold(&SPEC, key, spending(1, 1), T).unwrap()).collect();
    for key in 1_000..101_000 {
        let held = sessions.hold(&SPEC, key, spending(10, 10), T).unwrap();
        sessions.settle(held, spending(10, 10), T);
        assert!(sessions.len() <= 1_000);
    }
    assert_eq!(sessions.evicted(), 100_000 - 100);
    assert!((0..900).all(|key| sessions.left(&SPEC, key, T) == (Some(999), Some(9_999))));
    // The last hundred are remembered, those before them are not.
    assert_eq!(sessions.left(&SPEC, 100_999, T), (Some(990), Some(9_990)));
    assert_eq!(sessions.left(&SPEC, 100_900, T), (Some(990), Some(9_990)));
    assert_eq!(sessions.left(&SPEC, 100_899, T), (Some(1_000), Some(10_000)));
    under_way.extend((200_000..200_100).map(|key| sessions.hold(&SPEC, key, spending(1, 1), T).unwrap()));
    assert_eq!(sessions.hold(&SPEC, 300_000, spending(1, 1), T).unwrap_err(), Over::Crowded { most: 1_000 });
    under_way.drain(..).for_each(|held| sessions.settle(held, spending(0, 0), T));
    assert!(sessions.hold(&SPEC, 300_000, spending(1, 1), T).is_ok());
}

#[test]
fn what_is_idle_goes_when_others_come_and_nothing_is_evicted_for_it() {
    let mut sessions = Sessions::default();
    for key in 0..10_000 {
        let now = T + secs(key as f64);
        let held = sessions.hold(&SPEC, key, spending(1, 1), now).unwrap();
        sessions.settle(held, spending(1, 1), now);
        assert!(sessions.len() <= 62, "one a second, remembered for a minute");
    }
    assert_eq!(sessions.evicted(), 0);
}

/// One step of a random day.
#[derive(Clone, Debug)]
enum Step {
    Hold { key: u64, usd: u64, tokens: u64 },
    Settle { which: usize, usd: u64, tokens: u64 },
    Raise { key: u64, strength: f32 },
    Wait { secs: f64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u64..12, 0_u64..700, 0_u64..7_000).prop_map(|(key, usd, tokens)| Step::Hold { key, usd, tokens }),
        3 => (0_usize..8, 0_u64..900, 0_u64..9_000).prop_map(|(which, usd, tokens)| Step::Settle { which, usd, tokens }),
        1 => (0_u64..12, 0.0_f32..1.0).prop_map(|(key, strength)| Step::Raise { key, strength }),
        1 => (0.0_f64..70.0).prop_map(|secs| Step::Wait { secs }),
    ]
}

/// A session as a list of what happened to it.
#[derive(Clone, Debug, Default)]
struct Naive {
    spent: Spending,
    held: Vec<Spending>,
    reached: Option<f32>,
    used: Nanos,
}

proptest! {
    /// Against a naive table without a bound: same answers while nothing has to be evicted.
    #[test]
    fn budgets_are_what_a_naive_table_says(steps in prop::collection::vec(step(), 1..120)) {
        let mut sessions = Sessions::default();
        let mut naive: BTreeMap<u64, Naive> = BTreeMap::new();
        let mut open: Vec<(u64, HeldOfSession)> = Vec::new();
        let mut now = T;
        for step in steps {
            let idle = |session: &Naive| session.held.is_empty() && now.since(session.used) > secs(SPEC.idle_s);
            naive.retain(|_, session| !idle(session));
            match step {
                Step::Hold { key, usd, tokens } => {
                    let session = naive.entry(key).or_default();
                    let sum = |of: fn(&Spending) -> u64| of(&session.spent) + session.held.iter().map(of).sum::<u64>();
                    let fits = sum(|s| s.usd_micros) + usd <= 1_000 && sum(|s| s.tokens) + tokens <= 10_000;
                    let made = sessions.hold(&SPEC, key, spending(usd, tokens), now);
                    prop_assert_eq!(made.is_ok(), fits);
                    if let Ok(held) = made {
                        session.held.push(held.amount());
                        open.push((key, held));
                    } else if session.held.is_empty() && session.spent == Spending::default() && session.reached.is_none() {
                        naive.remove(&key);
                    }
                }
                Step::Settle { which, usd, tokens } if !open.is_empty() => {
                    let (key, held) = open.swap_remove(which % open.len());
                    let session = naive.get_mut(&key).unwrap();
                    let place = session.held.iter().position(|amount| *amount == held.amount()).unwrap();
                    session.held.swap_remove(place);
                    session.spent = spending(session.spent.usd_micros + usd, session.spent.tokens + tokens);
                    session.used = now;
                    sessions.settle(held, spending(usd, tokens), now);
                }
                Step::Settle { .. } => {}
                Step::Raise { key, strength } => {
                    let session = naive.entry(key).or_default();
                    session.reached = Some(session.reached.unwrap_or(strength).max(strength));
                    session.used = now;
                    sessions.raise(&SPEC, key, strength, now);
                }
                Step::Wait { secs: wait } => now = now + secs(wait),
            }
            let idle = |session: &Naive| session.held.is_empty() && now.since(session.used) > secs(SPEC.idle_s);
            naive.retain(|_, session| !idle(session));
            for key in 0..12 {
                let session = naive.get(&key).cloned().unwrap_or_default();
                let taken = |of: fn(&Spending) -> u64| of(&session.spent) + session.held.iter().map(of).sum::<u64>();
                let left = (1_000_u64.saturating_sub(taken(|s| s.usd_micros)), 10_000_u64.saturating_sub(taken(|s| s.tokens)));
                prop_assert_eq!(sessions.left(&SPEC, key, now), (Some(left.0), Some(left.1)));
                prop_assert_eq!(sessions.reached(&SPEC, key, now), session.reached);
            }
        }
    }

    /// With room for three: never more, and whoever holds something keeps what it holds.
    #[test]
    fn a_small_table_forgets_nobody_who_is_under_way(steps in prop::collection::vec(step(), 1..120)) {
        let spec = SessionSpec { most: 3, ..SPEC };
        let mut sessions = Sessions::default();
        let mut open: Vec<(u64, HeldOfSession)> = Vec::new();
        let mut now = T;
        for step in steps {
            match step {
                Step::Hold { key, usd, tokens } => {
                    let busy: std::collections::BTreeSet<_> = open.iter().map(|(key, _)| *key).collect();
                    match sessions.hold(&spec, key, spending(usd, tokens), now) {
                        Ok(held) => open.push((key, held)),
                        Err(Over::Crowded { .. }) => prop_assert!(busy.len() == 3 && !busy.contains(&key)),
                        Err(Over::Budget { .. }) => {}
                    }
                }
                Step::Settle { which, usd, tokens } if !open.is_empty() => {
                    let (_, held) = open.swap_remove(which % open.len());
                    sessions.settle(held, spending(usd, tokens), now);
                }
                Step::Settle { .. } => {}
                Step::Raise { key, strength } => sessions.raise(&spec, key, strength, now),
                Step::Wait { secs: wait } => now = now + secs(wait),
            }
            prop_assert!(sessions.len() <= 3);
            for (key, _) in &open {
                let held: u64 = open.iter().filter(|(of, _)| of == key).map(|(_, held)| held.amount().usd_micros).sum();
                prop_assert!(sessions.left(&spec, *key, now).0.unwrap() <= 1_000 - held);
            }
        }
    }
}

#[test]
#[expect(clippy::disallowed_types, reason = "the lock is what the binding keeps around a table; the core has none")]
#[expect(clippy::disallowed_methods, reason = "threads are what this is about")]
fn parallel_calls_of_a_session_never_hold_more_than_its_budget_together() {
    use std::sync::{Arc, Barrier, Mutex};
    let sessions = Arc::new(Mutex::new(Sessions::default()));
    let together = Arc::new(Barrier::new(8));
    let spec = SessionSpec { usd_micros: Some(1_000), tokens: None, ..SPEC };
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (sessions, together) = (Arc::clone(&sessions), Arc::clone(&together));
            std::thread::spawn(move || {
                together.wait();
                let hold = |_| sessions.lock().unwrap().hold(&spec, 7, spending(3, 1), T).ok();
                let held: Vec<_> = (0..100).filter_map(hold).collect();
                together.wait();
                held.into_iter().map(|held| sessions.lock().unwrap().settle(held, spending(3, 1), T)).count()
            })
        })
        .collect();
    let admitted: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(admitted, 333, "exactly what fits, of 800 that asked");
    assert_eq!(sessions.lock().unwrap().left(&spec, 7, T), (Some(1), None));
}
