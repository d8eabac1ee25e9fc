//! A scored walk allocates nothing once it is warm, and a scorer that was swapped leaves nothing behind.
//!
//! Counted by this program's allocator, for each thread by itself: tests run side by side.

#![cfg(not(any(loom, shuttle)))]
#![allow(unsafe_code, reason = "a global allocator is unsafe by its signature; this one counts and forwards")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use arrayvec::ArrayVec;
use common::good;
use common::scorers::{artifact, base64};
use junctor_core::decision::Considered;
use junctor_core::learned::{Outline, Source};
use junctor_core::request::Request;
use junctor_core::router::Router;
use junctor_core::spec::FleetSpec;
use junctor_core::units::Nanos;
use serde_json::{Value, json};

struct Counting;

thread_local! {
    /// Allocations of this thread, and the bytes that it took and did not give back.
    static TAKEN: Cell<(u64, i64)> = const { Cell::new((0, 0)) };
}

fn note(count: u64, bytes: i64) {
    // A thread that ends has no count any more, and nobody who asks for it.
    let _ = TAKEN.try_with(|taken| taken.set((taken.get().0 + count, taken.get().1 + bytes)));
}

// SAFETY: every call is forwarded unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as i64);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(0, -(layout.size() as i64));
        // SAFETY: the caller's promise about `pointer` and `layout` is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static GLOBAL: Counting = Counting;

/// Nine members of one group, the first of them cheap, and a scorer whose weights are `turned` or not.
fn fleet(objective: &Value, turned: bool) -> FleetSpec {
    let names: Vec<String> = (0..9).map(|place| format!("m{place}")).collect();
    let mut scorer = artifact(&names.iter().map(String::as_str).collect::<Vec<_>>());
    if turned {
        scorer.weights.iter_mut().for_each(|weight| *weight = -*weight);
    }
    let member = |name: &String| {
        let price = if name == "m0" { 100_000 } else { 10_000_000 };
        json!({"name": name, "provider": "p", "model": format!("p/{name}"), "quality": 0.7, "pools": ["p"],
               "price": {"input": price, "output": price}})
    };
    serde_json::from_value(json!({
        "config_hash": if turned { "turned" } else { "plain" },
        "pools": [{"name": "p", "limits": [{"dimension": "rpm", "limit": 1_000_000_000}]}],
        "deployments": names.iter().map(member).collect::<Vec<_>>(),
        "groups": [{"name": "g", "members": names, "objective": objective}],
        "scorer": {"artifact": base64(&scorer.write())},
    }))
    .unwrap()
}

fn ask<'r>(text: &'r str, outline: &'r Outline) -> Request<'r> {
    Request { model: "g", input_tokens: 100, text: Some(text), outline, ..Request::default() }
}

#[test]
fn a_scored_walk_allocates_nothing_when_warm() {
    let outline = Outline([9; 7]);
    let texts: Vec<String> = [10, 200, 2_000, 5_000_000].map(|bytes| "hard words, é. ".repeat(bytes / 15 + 1)).into();
    for objective in [json!({"gap": 0.15}), json!({"floor": 0.6}), json!({"quality": 1.0, "cost": 0.03})] {
        let router = Router::new(&fleet(&objective, false)).unwrap();
        // Some are in flight at once, as they are when answers take seconds.
        let mut in_flight: ArrayVec<_, 8> = ArrayVec::new();
        let mut walk = |seed: u64| {
            let text = &texts[seed as usize % texts.len()];
            if in_flight.is_full() {
                in_flight.remove(0);
            }
            let mut made = router.reserve(&ask(text, &outline), Nanos::from_millis(1_000 + seed), seed).unwrap();
            let predicted = |seen: &Considered| seen.source != Source::Configured;
            assert!(made.decision().log.considered().any(predicted), "the scorer was asked");
            made.settle(good(100, 20), Nanos::from_millis(1_000 + seed));
            in_flight.push(made);
        };
        (0..100).for_each(&mut walk);
        let before = TAKEN.get().0;
        (100..300).for_each(walk);
        assert_eq!(TAKEN.get().0 - before, 0, "{objective}");
    }
}

#[test]
fn a_swapped_scorer_is_given_back_with_its_last_reservation() {
    let specs = [false, true].map(|turned| fleet(&json!({"gap": 0.15}), turned));
    let router = Router::new(&specs[0]).unwrap();
    let swap = |round: usize| {
        let now = Nanos::from_secs(2 + round as u64);
        let mut in_flight = router.reserve(&ask("hard", &Outline::PLAIN), now, round as u64).unwrap();
        let name = in_flight.deployment().unwrap().name.to_string();
        assert_eq!(name == "m0", round.is_multiple_of(2), "round {round}: {name}");
        router.reload(&specs[round % 2], now).unwrap();
        in_flight.settle(good(100, 20), now);
    };
    (1..4).for_each(swap);
    let before = TAKEN.get().1;
    (4..40).for_each(swap);
    assert_eq!(TAKEN.get().1 - before, 0, "36 swaps take nothing that they do not give back");

    let old = specs.map(|spec| Arc::downgrade(&spec.scorer.unwrap().artifact));
    assert_eq!(old.each_ref().map(|scorer| scorer.strong_count()), [0, 1], "only the one in force is left");
}
