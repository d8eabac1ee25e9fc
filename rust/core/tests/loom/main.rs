//! What threads may do to a shared word, in every order and in everything that the memory model lets them see.
//!
//! Each model is two or three threads, the shipping code and one invariant. loom runs it once for each order of their
//! accesses with at most three pre-emptions (SPEC C32), and lets each load see every value that it may see on a machine
//! weaker than ours. A model also counts what came of it: one in which nobody was ever in another's way proves nothing.
//!
//! `make prove` runs them; `make test` does with at most two pre-emptions (`LOOM_MAX_PREEMPTIONS=2`), in a build of their
//! own, because the checker's atomics stand in the place of the machine's (`src/sync.rs`).

#![cfg(loom)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]
#![allow(clippy::disallowed_types, reason = "for what is noted of a run: no thread ever waits for it")]

mod averages;
mod breaker;
mod bucket;
mod budget;
mod gauge;
mod hold;
mod hold_all;
mod pending;
mod process;
mod router;
mod state;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use junctor_core::units::Nanos;

/// Pre-emptions per run, unless `LOOM_MAX_PREEMPTIONS` says otherwise: two find nearly all that is ever found
/// (Musuvathi and Qadeer 2007); the goal figure asks for three.
const PREEMPTIONS: usize = 3;

const T: Nanos = Nanos::from_secs(1_000);
const MINUTE: Nanos = Nanos::from_secs(60);

fn s(secs: u64) -> Nanos {
    Nanos::from_secs(secs)
}

/// Runs a model in every order, and returns how often each outcome was seen.
fn outcomes<T: Ord + Send + 'static>(model: impl Fn() -> T + Send + Sync + 'static) -> BTreeMap<T, usize> {
    let seen = Arc::new(Mutex::new(BTreeMap::new()));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(PREEMPTIONS));
    builder.max_branches = 10_000;
    let note = Arc::clone(&seen);
    builder.check(move || {
        let outcome = model();
        *note.lock().unwrap().entry(outcome).or_default() += 1;
    });
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    eprintln!("{}: {} orders", std::thread::current().name().unwrap_or("model"), seen.values().sum::<usize>());
    seen
}

/// Runs a model whose invariant is asserted inside; `ends` is how many different ends it must have had at least.
fn in_every_order<T: Ord + Send + 'static>(ends: usize, model: impl Fn() -> T + Send + Sync + 'static) {
    let seen = outcomes(model);
    assert!(seen.len() >= ends, "only {} different ends: nobody was in another's way", seen.len());
}

/// Runs `work` on so many threads over what they share, and returns what each brought back. This one is the first.
fn together<S: Send + Sync + 'static, R: Send + 'static>(
    shared: &Arc<S>,
    count: usize,
    work: impl Fn(&S, usize) -> R + Copy + Send + 'static,
) -> Vec<R> {
    let start = |place| {
        let shared = Arc::clone(shared);
        loom::thread::spawn(move || work(&shared, place))
    };
    let others: Vec<_> = (1..count).map(start).collect();
    let mine = work(shared, 0);
    std::iter::once(mine).chain(others.into_iter().map(|other| other.join().unwrap())).collect()
}
