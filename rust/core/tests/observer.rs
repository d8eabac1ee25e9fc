//! Looking from outside: what an observer sees, and that it leaves no trace. And what it is shown of refusals.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{ALL, deployment, failed, fleet, good, pool, router, secs, state_of};
use junctor_core::fleet::Fleet;
use junctor_core::process::{Keeper, Party, Seat};
use junctor_core::request::Request;
use junctor_core::router::Router;
use junctor_core::snapshot::Snapshot;
use junctor_core::spec::FleetSpec;
use junctor_core::state::{Room, Section, State};
use junctor_core::units::Nanos;
use serde_json::json;

const T: Nanos = Nanos::from_secs(1_000);
static GENERATION: AtomicU64 = AtomicU64::new(1);

/// Everybody lives who sits at an even seat.
struct Even;

impl Keeper for Even {
    fn hold(&self, seat: u8) -> bool {
        seat % 2 == 1
    }

    fn let_go(&self, _: u8) {}

    fn close_latch(&self) -> bool {
        true
    }

    fn open_latch(&self) {}
}

fn words(room: Room) -> &'static [AtomicU64] {
    let words: Vec<AtomicU64> = (0..State::shared_words_needed(room)).map(|_| AtomicU64::new(0)).collect();
    words.leak()
}

fn sharing(words: &'static [AtomicU64], room: Room, seat: Option<u8>) -> Arc<State> {
    let seat = seat.map(|number| Seat::new(number, 7, &GENERATION));
    Arc::new(State::shared(words, room, Party { keeper: Box::new(Even), seat }))
}

fn two() -> FleetSpec {
    let limited = |name: &str| deployment(name, json!({"pools": [name]}));
    fleet(&[limited("a"), limited("b")], json!({"pools": [pool("a", &[("rpm", 60)]), pool("b", &[("rpm", 60)])]}))
}

/// The same fleet with a third deployment that nobody runs.
fn three() -> FleetSpec {
    let limited = |name: &str| deployment(name, json!({"pools": [name]}));
    let pools = ["a", "b", "new"].map(|name| pool(name, &[("rpm", 60)]));
    fleet(&["a", "b", "new"].map(limited), json!({"config_hash": "changed", "pools": pools}))
}

#[test]
fn an_observer_sees_what_workers_do_and_changes_no_word() {
    let room = three().room().twice();
    let words = words(room);
    let state = sharing(words, room, Some(4));
    state.take_seat(4711, T);
    let worker = Router::over(&two(), Arc::clone(&state)).unwrap();
    assert_eq!(state.agree_on_wall(1_700_000_000), 1_700_000_000);
    worker.reserve(&Request::plain("a"), T, 1).unwrap().settle(good(1, 1), T + secs(0.5));
    let _held = worker.reserve(&Request::plain("b"), T, 2).unwrap();

    let before: Vec<u64> = words.iter().map(|word| word.load(Ordering::Relaxed)).collect();
    let seen = sharing(words, room, None);
    assert!(seen.is_observed() && !state.is_observed());
    assert_eq!(seen.agree_on_wall(5), 1_700_000_000, "it takes the workers' word");
    let looked = Snapshot::take(&Fleet::compile(&three(), &seen, None).unwrap(), T + secs(1.0));
    drop(seen);
    let after: Vec<u64> = words.iter().map(|word| word.load(Ordering::Relaxed)).collect();
    assert!(before == after, "an observer has written something");

    assert_eq!(looked.deployments.keys().collect::<Vec<_>>(), ["a", "b"], "nobody runs the new one");
    assert_eq!((looked.deployments["a"].succeeded, looked.deployments["b"].in_flight), (1, 1));
    assert_eq!(looked.pools["a"]["rpm"].limit, 60);
    assert!(looked.pools["new"].is_empty());
    let [process] = &looked.processes[..] else { panic!("one process: {:?}", looked.processes) };
    assert_eq!((process.seat, process.pid, process.alive, process.own), (4, 4711, true, false));
}

#[test]
fn an_observer_makes_no_room_for_a_fleet_that_has_outgrown_it() {
    let room = two().room();
    let words = words(room);
    let state = sharing(words, room, Some(4));
    state.take_seat(4711, T);
    drop(Router::over(&two(), state).unwrap());
    let before: Vec<u64> = words.iter().map(|word| word.load(Ordering::Relaxed)).collect();
    let looked = Snapshot::take(&Fleet::compile(&three(), &sharing(words, room, None), None).unwrap(), T);
    let after: Vec<u64> = words.iter().map(|word| word.load(Ordering::Relaxed)).collect();
    assert!(before == after, "an observer has written something");
    assert_eq!(looked.deployments.keys().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn an_observer_alone_agrees_to_nothing() {
    let room = two().room().twice();
    let words = words(room);
    let seen = sharing(words, room, None);
    assert_eq!(seen.agree_on_wall(1_700_000_000), 1_700_000_000);
    Fleet::compile(&two(), &seen, None).unwrap();
    assert!(words.iter().all(|word| word.load(Ordering::Relaxed) == 0));
}

#[test]
fn a_dead_process_is_listed_as_such_until_it_is_swept() {
    let room = two().room().twice();
    let words = words(room);
    let (even, odd) = (sharing(words, room, Some(2)), sharing(words, room, Some(3)));
    even.take_seat(1, T);
    odd.take_seat(2, T);
    let listed = |state: &State| state.processes().iter().map(|p| (p.seat, p.alive, p.own)).collect::<Vec<_>>();
    assert_eq!(listed(&sharing(words, room, None)), [(2, true, false), (3, false, false)]);
    assert_eq!(listed(&odd), [(2, true, false), (3, true, true)], "whoever asks lives");
    even.sweep();
    assert_eq!(listed(&even), [(2, true, true)]);
    drop(odd);
}

#[test]
fn finding_passes_what_was_given_back_and_ends_where_nothing_ever_was() {
    let state = State::on_heap(Room { deployments: 4, buckets: 4, groups: 4, lengths: 4 });
    let claim = |identity| state.claim(Section::Deployments, identity, 1).unwrap().0;
    let slots = [11, 12, 13].map(claim);
    let find = |identity| state.find(Section::Deployments, identity, 1);
    assert_eq!([11, 12, 13].map(find), slots.map(Some));
    state.give_back(Section::Deployments, |identity, _| identity != 12);
    assert_eq!([11, 12, 13, 14].map(find), [Some(slots[0]), None, Some(slots[2]), None]);
}

fn refused(router: &Router, request: &Request<'_>) {
    assert!(router.reserve(request, T, 1).is_err());
}

fn refusals(router: &Router, name: &str) -> u64 {
    state_of(router, name, T).refusals
}

#[test]
fn a_limit_a_hold_and_a_breaker_count_whom_they_turn_away() {
    let limited = deployment("limited", json!({"pools": ["limited"]}));
    let deployments = [limited, deployment("held", json!({})), deployment("ill", json!({}))];
    let router = router(&deployments, json!({"pools": [pool("limited", &[("rpm", 1)])]}));
    router.reserve(&Request::plain("limited"), T, 0).unwrap().settle(good(1, 1), T);
    router.reserve(&Request::plain("held"), T, 0).unwrap().settle(common::throttled(None), T);
    (0..5).for_each(|seed| {
        router.reserve(&Request::plain("ill"), T, seed).unwrap().settle(failed(), T);
    });
    assert_eq!(["limited", "held", "ill"].map(|name| refusals(&router, name)), [0, 0, 0], "nobody was turned away");
    for name in ["limited", "held"] {
        refused(&router, &Request::plain(name));
        refused(&router, &Request::plain(name));
    }
    drop(router.reserve(&Request::plain("ill"), T, 1).unwrap());
    assert_eq!(["limited", "held", "ill"].map(|name| refusals(&router, name)), [2, 2, 1], "a forced probe was one too");
}

#[test]
fn who_was_served_elsewhere_counts_where_it_was_turned_away() {
    let router = router(
        &[deployment("full", json!({"pools": ["full"]})), deployment("free", json!({}))],
        json!({"pools": [pool("full", &[("rpm", 1)])]}),
    );
    router.reserve(&Request::plain("full"), T, 0).unwrap().settle(good(1, 1), T);
    (0..10).for_each(|seed| {
        router.reserve(&ALL, T, seed).unwrap().settle(good(1, 1), T);
    });
    assert!(refusals(&router, "full") > 0);
    assert_eq!(refusals(&router, "free"), 0);
}

#[test]
fn the_law_a_hedge_and_an_explanation_count_for_nothing() {
    let deployments = [deployment("full", json!({"pools": ["full"], "capabilities": ["tools"]}))];
    let router = router(&deployments, json!({"pools": [pool("full", &[("rpm", 2)])]}));
    let asked = Request::plain("full");
    let images = junctor_core::request::Needs::NONE.with(junctor_core::rules::Flag::Images);
    refused(&router, &Request { needs: images, ..asked });
    router.reserve(&asked, T, 0).unwrap().settle(good(1, 1), T);
    refused(&router, &Request { spare: true, ..asked });
    router.reserve(&asked, T, 0).unwrap().settle(good(1, 1), T);
    router.explain(&asked, T, 0).unwrap_err();
    let _ = router.survey(&asked, T);
    assert_eq!(refusals(&router, "full"), 0);
    refused(&router, &asked);
    assert_eq!(refusals(&router, "full"), 1);
}
