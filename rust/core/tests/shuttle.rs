//! The whole engine under random schedules: six callers, an operator who reloads and one who sets breakers, at once.
//!
//! shuttle runs the tasks one access at a time and chooses after each which goes on: at random, or so that few but well
//! placed switches happen (PCT, which finds a fault of depth d with a known probability). Unlike loom it tries a part of
//! all orders, and none that only a weaker machine would see; but of the whole engine, where loom would not come to an
//! end. A failure prints its schedule; `shuttle::replay` runs that once more.
//!
//! `make prove` tries two hundred thousand schedules. `make test` leaves them out: the checker's build alone takes as long as
//! the models of loom, which look closer.

#![cfg(all(shuttle, not(loom)))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{ALL, deployment, fleet, pool};
use junctor_core::draw::Draw;
use junctor_core::outcome::{Ending, Fault, Outcome};
use junctor_core::request::Request;
use junctor_core::router::Router;
use junctor_core::snapshot::Snapshot;
use junctor_core::spec::FleetSpec;
use junctor_core::state::{Room, State};
use junctor_core::units::Nanos;
use serde_json::json;
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner, thread};

const T: Nanos = Nanos::from_secs(1_000);
const CALLERS: usize = 6;
const CALLS: usize = 3;
/// Of the pool that all deployments share: at once, and in a minute.
const PLACES: u64 = 3;
const PER_MINUTE: u64 = 17;
const SEED: u64 = 20_261_125;
/// Switches that a PCT schedule places: faults of up to that depth.
const DEPTH: usize = 3;

/// What happened in all schedules of a run: proof that the tasks were in each other's way.
#[derive(Default)]
struct Happened {
    schedules: AtomicU64,
    served: AtomicU64,
    refused: AtomicU64,
    /// Most that ran at once.
    most: AtomicU64,
    opened: AtomicU64,
    probes: AtomicU64,
    stale: AtomicU64,
}

/// What the callers of one schedule saw. Its words are the machine's: counting is no step of the engine.
#[derive(Default)]
struct Board {
    clock: AtomicU64,
    running: AtomicU64,
    most: AtomicU64,
    reserved: AtomicU64,
    refused: AtomicU64,
    sent: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    throttled: AtomicU64,
    dropped: AtomicU64,
}

fn add(word: &AtomicU64) -> u64 {
    word.fetch_add(1, Ordering::SeqCst) + 1
}

fn read(word: &AtomicU64) -> u64 {
    word.load(Ordering::SeqCst)
}

impl Board {
    /// Ten milliseconds later.
    fn now(&self) -> Nanos {
        Nanos(T.0 + self.clock.fetch_add(10_000_000, Ordering::SeqCst))
    }
}

/// `a` weighs differently each time, `c` comes and goes; one of its own beside the shared pool.
fn round(number: usize) -> FleetSpec {
    let own = json!({"pools": ["org", "own"], "weight": 1 + number});
    let mut deployments = vec![deployment("a", own), deployment("b", json!({"pools": ["org"]}))];
    if number.is_multiple_of(2) {
        deployments.push(deployment("c", json!({"pools": ["org"]})));
    }
    let org = pool("org", &[("concurrency", PLACES), ("rpm", PER_MINUTE)]);
    fleet(&deployments, json!({"pools": [org, pool("own", &[("concurrency", 2)])]}))
}

fn router() -> Router {
    let room = Room { deployments: 4, buckets: 4, groups: 8, lengths: 16 };
    Router::over(&round(0), Arc::new(State::on_heap(room))).unwrap()
}

/// One call: up to two attempts, each settled in one of many ways, some of them twice.
fn call(router: &Router, board: &Board, draw: &mut Draw) {
    router.note_call(board.now());
    let mut tried = Vec::new();
    for _ in 0..2 {
        let names: Vec<&str> = tried.iter().map(String::as_str).collect();
        let request = Request { tried: &names, ..ALL };
        let Ok(mut made) = router.reserve(&request, board.now(), draw.next_u64()) else {
            add(&board.refused);
            return;
        };
        // Counted after it is held and before it is given back: never more than there are.
        let running = add(&board.running);
        board.most.fetch_max(running, Ordering::SeqCst);
        assert!(running <= PLACES, "{running} at once in {PLACES} places");
        add(&board.reserved);
        tried.push(common::chosen(&made));
        if draw.below(3) == 0 {
            made.first_content(board.now());
        }
        board.running.fetch_sub(1, Ordering::SeqCst);
        let (ending, tally) = match draw.below(8) {
            0..2 => (Ending::Succeeded, &board.succeeded),
            2..5 => (Ending::Failed(Fault::Down), &board.failed),
            5 => (Ending::Throttled, &board.throttled),
            6 => (Ending::Cancelled { sent: false }, &board.dropped),
            _ => {
                add(&board.sent);
                add(&board.dropped);
                drop(made);
                return;
            }
        };
        add(tally);
        if !matches!(ending, Ending::Cancelled { sent: false }) {
            add(&board.sent);
        }
        let now = board.now();
        let first = made.settle(Outcome::bare(ending), now).clone();
        assert!(!made.is_held());
        if draw.below(2) == 0 {
            assert_eq!(*made.settle(Outcome::bare(Ending::Throttled), now), first, "a second settlement is the first");
        }
        if !matches!(ending, Ending::Failed(_)) || !router.try_retry(board.now()) {
            return;
        }
    }
}

/// Opens the breaker of `a`, so that there is something to probe.
fn trip(router: &Router, board: &Board) {
    for _ in 0..5 {
        let request = Request { tried: &["b", "c"], ..ALL };
        let mut made = router.reserve(&request, board.now(), 1).unwrap();
        [&board.reserved, &board.sent, &board.failed].into_iter().for_each(|word| _ = add(word));
        made.settle(Outcome::bare(Ending::Failed(Fault::Down)), board.now());
    }
}

fn operate(router: &Router, board: &Board, draw: &mut Draw) {
    for _ in 0..2 {
        let state = ["open", "close", "reset"][draw.below(3) as usize];
        router.set_breaker("b", state, board.now()).unwrap();
        // What has tripped is due for a probe.
        board.clock.fetch_add(31_000_000_000, Ordering::SeqCst);
        let seen = Snapshot::take(&router.fleet(), board.now());
        assert!(seen.deployments.values().all(|one| u64::from(one.in_flight) <= CALLERS as u64));
    }
    router.set_breaker("b", "reset", board.now()).unwrap();
}

/// All of it once, and what must be true afterwards.
fn everything(happened: &Happened) {
    let (router, board) = (Arc::new(router()), Arc::new(Board::default()));
    trip(&router, &board);
    let start = |work: fn(&Router, &Board, &mut Draw)| {
        let (router, board, mut draw) = (Arc::clone(&router), Arc::clone(&board), Draw::new(thread_rng().r#gen()));
        thread::spawn(move || work(&router, &board, &mut draw))
    };
    let mut tasks: Vec<_> =
        (0..CALLERS).map(|_| start(|router, board, draw| (0..CALLS).for_each(|_| call(router, board, draw)))).collect();
    tasks.push(start(operate));
    tasks.push(start(|router, board, _| (1..4).for_each(|number| router.reload(&round(number), board.now()).unwrap())));
    tasks.into_iter().for_each(|task| task.join().unwrap());
    router.reload(&round(0), board.now()).unwrap();
    at_rest(&router, &board);
    let counters = Snapshot::take(&router.fleet(), T).counters;
    add(&happened.schedules);
    happened.most.fetch_max(read(&board.most), Ordering::SeqCst);
    let sums = [
        (&happened.served, read(&board.reserved)),
        (&happened.refused, read(&board.refused)),
        (&happened.opened, counters["opened"]),
        (&happened.probes, counters["probe"]),
        (&happened.stale, counters["stale_report"]),
    ];
    sums.into_iter().for_each(|(word, more)| _ = word.fetch_add(more, Ordering::SeqCst));
}

/// Nothing is in flight, all places are free, no more was sent than the minute allows, and every attempt ended once.
fn at_rest(router: &Router, board: &Board) {
    let now = board.now();
    let snapshot = Snapshot::take(&router.fleet(), now);
    let all = || snapshot.deployments.values();
    assert!(all().all(|one| one.in_flight == 0), "{:?}", snapshot.deployments);
    let org = &snapshot.pools["org"];
    assert_eq!(org["concurrency"].level, PLACES as i64);
    assert_eq!(snapshot.pools["own"]["concurrency"].level, 2);
    let (sent, refilled) = (read(&board.sent), now.since(T).0 * PER_MINUTE / 60_000_000_000 + 1);
    assert!(sent <= PER_MINUTE + refilled, "{sent} sent");
    let left = PER_MINUTE as i64 - sent as i64;
    assert!((left..=left + refilled as i64).contains(&org["rpm"].level), "{} after {sent}", org["rpm"].level);
    let reserved = read(&board.reserved);
    assert_eq!(all().map(|one| one.attempts).sum::<u64>(), reserved);
    assert_eq!(snapshot.counters["reserved"], reserved);
    assert_eq!(all().map(|one| one.succeeded).sum::<u64>(), read(&board.succeeded));
    assert_eq!(all().map(|one| one.failed).sum::<u64>(), read(&board.failed));
    assert_eq!(all().map(|one| one.throttled).sum::<u64>(), read(&board.throttled));
    let ended = read(&board.succeeded) + read(&board.failed) + read(&board.throttled) + read(&board.dropped);
    assert_eq!(ended, reserved, "each attempt ended once");
    let later = Snapshot::take(&router.fleet(), now + Nanos::from_secs(3_600));
    assert!(later.deployments.values().all(|one| one.age_s == 0.0), "nobody is waited for: {:?}", later.deployments);
}

fn run(scheduler: impl Scheduler + 'static) {
    let happened = Arc::new(Happened::default());
    let mut config = Config::new();
    // A walk keeps its decision on the stack, and a fleet is compiled on one.
    config.stack_size = 1 << 18;
    // It says that it knows one strength of ordering only; the weaker ones are what loom is for.
    config.silence_warnings = true;
    let note = Arc::clone(&happened);
    Runner::new(scheduler, config).run(move || everything(&note));
    let Happened { schedules, served, refused, most, opened, probes, stale } = &*happened;
    let [schedules, served, refused, most] = [schedules, served, refused, most].map(read);
    let [opened, probes, stale] = [opened, probes, stale].map(read);
    println!(
        "{schedules} schedules: {served} served, {refused} refused, {most} at once, {opened} breakers opened, {probes} \
         probes, {stale} stale reports"
    );
    assert!(most > 1 && [refused, opened, probes, stale].into_iter().all(|count| count > 0), "all alone");
}

fn random(schedules: usize) {
    run(RandomScheduler::new_from_seed(SEED, schedules));
}

fn few_switches(schedules: usize) {
    run(PctScheduler::new_from_seed(SEED, DEPTH, schedules));
}

#[test]
fn in_some_random_schedules_nothing_is_over_admitted_leaked_or_settled_twice() {
    random(200);
}

#[test]
fn with_few_switches_nothing_is_over_admitted_leaked_or_settled_twice() {
    few_switches(200);
}

#[test]
#[ignore = "long: make prove"]
fn in_a_hundred_thousand_random_schedules() {
    random(100_000);
}

#[test]
#[ignore = "long: make prove"]
fn in_a_hundred_thousand_with_few_switches() {
    few_switches(100_000);
}
