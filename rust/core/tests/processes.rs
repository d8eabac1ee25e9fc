//! Several processes on one state, and a kernel that knows who lives: whatever dies, nothing stays counted for good, and
//! nothing that lives is ever uncounted.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]
#![cfg(not(loom))]

mod common;

use std::mem::forget;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64 as PlainU64, Ordering};

use common::{ALL, counter, deployment, fleet, good, level, snapshot, state_of};
use junctor_core::balance::DeploymentRecord;
use junctor_core::decision::Why;
use junctor_core::process::seats::SEATS;
use junctor_core::process::{Counted, Keeper, Party, Seat};
use junctor_core::reservation::Reservation;
use junctor_core::router::Router;
use junctor_core::spec::FleetSpec;
use junctor_core::state::State;
use junctor_core::sync::AtomicU64;
use junctor_core::units::Nanos;
use proptest::prelude::*;
use serde_json::json;

const T: Nanos = Nanos::from_secs(1_000);
const PLACES: i64 = 6;

/// Locks by seat, and that of the latch: who holds each, 0 for nobody.
struct Kernel {
    locks: Vec<PlainU64>,
}

impl Kernel {
    fn frees_all_of(&self, process: u64) {
        for lock in &self.locks {
            let _ = lock.compare_exchange(process, 0, Ordering::SeqCst, Ordering::SeqCst);
        }
    }
}

struct Locks {
    kernel: Arc<Kernel>,
    process: u64,
}

impl Keeper for Locks {
    fn hold(&self, seat: u8) -> bool {
        self.kernel.locks[usize::from(seat)]
            .compare_exchange(0, self.process, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    fn let_go(&self, seat: u8) {
        self.kernel.locks[usize::from(seat)].store(0, Ordering::SeqCst);
    }

    fn close_latch(&self) -> bool {
        self.kernel.locks[SEATS].compare_exchange(0, self.process, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn open_latch(&self) {
        self.kernel.locks[SEATS].store(0, Ordering::SeqCst);
    }
}

impl Drop for Locks {
    fn drop(&mut self) {
        self.kernel.frees_all_of(self.process);
    }
}

/// A host: words that processes share.
struct Host {
    words: &'static [AtomicU64],
    kernel: Arc<Kernel>,
    spec: FleetSpec,
    born: u64,
}

/// A process with its attempts in flight.
struct Process {
    router: Router,
    id: u64,
    generation: &'static PlainU64,
    held: Vec<Reservation>,
}

impl Host {
    fn new() -> Self {
        let limits = json!([{"name": "p", "limits": [{"dimension": "concurrency", "limit": PLACES}]}]);
        let members = [deployment("a", json!({"pools": ["p"]})), deployment("b", json!({}))];
        let spec = fleet(&members, json!({"pools": limits}));
        let count = State::shared_words_needed(spec.room().twice());
        let words: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
        let kernel = Arc::new(Kernel { locks: (0..=SEATS).map(|_| PlainU64::new(0)).collect() });
        Self { words: Vec::leak(words), kernel, spec, born: 0 }
    }

    /// A new process takes the first seat whose lock is free, as the shell does.
    fn start(&mut self, now: Nanos) -> Process {
        self.born += 1;
        let id = self.born;
        let locks = Locks { kernel: Arc::clone(&self.kernel), process: id };
        let number = (0..=255).find(|&seat| locks.hold(seat)).unwrap();
        let generation: &'static PlainU64 = Box::leak(Box::new(PlainU64::new(1)));
        let seat = Seat::new(number, id << 20 | 7, generation);
        let party = Party { keeper: Box::new(locks), seat: Some(seat) };
        let state = Arc::new(State::shared(self.words, self.spec.room().twice(), party));
        state.take_seat(u32::try_from(id).unwrap(), now);
        Process { router: Router::over(&self.spec, state).unwrap(), id, generation, held: Vec::new() }
    }

    /// Kills a process between two instructions: none of its destructors runs.
    fn kill(&self, process: Process) {
        self.kernel.frees_all_of(process.id);
        forget(process);
    }
}

impl Process {
    fn reserve(&mut self, now: Nanos) -> bool {
        let made = self.router.reserve(&ALL, now, now.0 ^ self.id);
        let made = made.map(|reservation| self.held.push(reservation));
        made.is_ok()
    }

    fn in_flight(&self, name: &str) -> u32 {
        state_of(&self.router, name, T).in_flight
    }

    fn count(&self, name: &str) -> usize {
        self.held.iter().filter(|held| common::chosen(held) == name).count()
    }

    fn slot(&self, name: &str) -> u32 {
        let fleet = self.router.fleet();
        fleet.deployment(fleet.deployment_named(name).unwrap()).unwrap().slot
    }
}

fn free(process: &Process) -> i64 {
    level(&process.router, "p", "concurrency", T)
}

#[test]
fn processes_see_each_others_attempts_and_share_every_limit() {
    let mut host = Host::new();
    let (mut one, mut two) = (host.start(T), host.start(T));
    for turn in 0..40 {
        one.reserve(T + Nanos(turn));
        two.reserve(T + Nanos(turn));
    }
    let places = one.count("a") + two.count("a");
    assert_eq!(i64::try_from(places).unwrap(), PLACES, "as many as the limit, in both together");
    assert_eq!(one.in_flight("a"), 6);
    assert_eq!(one.in_flight("b"), u32::try_from(one.count("b") + two.count("b")).unwrap());
    assert_eq!(snapshot(&one.router, T).processes.iter().filter(|p| p.own).map(|p| p.pid).collect::<Vec<_>>(), [1]);
    one.held.clear();
    two.held.clear();
    assert_eq!((two.in_flight("a"), two.in_flight("b"), free(&one)), (0, 0, PLACES));
}

#[test]
fn what_a_killed_process_held_is_free_after_the_next_sweep() {
    let mut host = Host::new();
    let (mut one, mut two) = (host.start(T), host.start(T));
    (0..20).for_each(|turn| assert!(two.reserve(T + Nanos(turn))));
    assert!(one.reserve(T));
    host.kill(two);
    let state = one.router.state();
    assert_eq!(state.sweep_if_due(T), 0, "swept a moment ago, when the second sat down");
    let later = T + Nanos::from_secs(2);
    assert!(state.is_sweep_due(later));
    assert_eq!(state.sweep_if_due(later), 1);
    assert_eq!(one.in_flight("a") + one.in_flight("b"), 1);
    assert_eq!(free(&one), PLACES - i64::try_from(one.count("a")).unwrap());
    assert_eq!(state_of(&one.router, "a", later).age_s + state_of(&one.router, "b", later).age_s, 2.0, "only our own");
    assert_eq!(counter(&one.router, "reaped"), 1);
    assert_eq!(counter(&one.router, "reserved"), 21, "what the dead counted stays counted");
    assert_eq!(snapshot(&one.router, T).processes.len(), 1);
}

#[test]
fn when_all_are_killed_the_first_that_starts_finds_everything_free() {
    let mut host = Host::new();
    for _ in 0..3 {
        let mut process = host.start(T);
        (0..9).for_each(|turn| _ = process.reserve(T + Nanos(turn)));
        host.kill(process);
    }
    let first = host.start(T);
    assert_eq!(counter(&first.router, "reaped"), 3, "those whose seat it did not take and the one whose it did");
    assert_eq!((first.in_flight("a"), first.in_flight("b"), free(&first)), (0, 0, PLACES));
}

#[test]
fn a_stopped_process_keeps_what_it_holds() {
    let mut host = Host::new();
    let (mut stopped, one) = (host.start(T), host.start(T));
    assert!(stopped.reserve(T) && stopped.reserve(T + Nanos(1)));
    for second in 1..400 {
        one.router.state().sweep_if_due(T + Nanos::from_secs(second));
    }
    assert_eq!(one.in_flight("a") + one.in_flight("b"), 2, "its locks are still held");
    stopped.held.clear();
    assert_eq!(one.in_flight("a") + one.in_flight("b"), 0);
}

#[test]
fn a_forked_child_leaves_its_parents_attempts_alone() {
    let mut host = Host::new();
    let mut parent = host.start(T);
    (0..3).for_each(|turn| assert!(parent.reserve(T + Nanos(turn))));
    parent.generation.store(2, Ordering::SeqCst);
    let mut copied: Vec<_> = parent.held.drain(..2).collect();
    assert!(parent.router.state().is_foreign());
    copied[0].first_content(T);
    assert_eq!(copied[0].settle(good(1, 1), T).input_tokens, 0, "nothing is settled twice");
    drop(copied);
    let seen = host.start(T);
    assert_eq!(seen.in_flight("a") + seen.in_flight("b"), 3);
    assert_eq!(counter(&seen.router, "abandoned"), 0);
    parent.generation.store(1, Ordering::SeqCst);
}

#[test]
fn whoever_dies_in_the_middle_of_a_step_leaves_nothing_behind() {
    let mut host = Host::new();
    let mut one = host.start(T);
    assert!(one.reserve(T));
    let living = (one.in_flight("a"), one.in_flight("b"), free(&one));
    // Listed, and not counted yet; counted; counted no more, and still listed; the same for a place.
    let steps: [fn(&State, u32, u32); 5] = [
        |state, deployment, _| _ = state.list(Counted::Deployment(deployment), 3),
        |state, deployment, _| {
            state.list(Counted::Deployment(deployment), 3).unwrap();
            DeploymentRecord::of(state, deployment).unwrap().gauge().enter();
        },
        |state, deployment, _| {
            state.list(Counted::Deployment(deployment), 3).unwrap();
            let gauge = DeploymentRecord::of(state, deployment).unwrap().gauge();
            gauge.enter();
            gauge.leave();
        },
        |state, _, bucket| _ = state.list(Counted::Bucket(bucket), 3),
        |state, _, bucket| {
            state.list(Counted::Bucket(bucket), 3).unwrap();
            state.bucket(bucket).unwrap()[1].fetch_add(1 << 20 | 1, junctor_core::sync::Ordering::SeqCst);
        },
    ];
    for step in steps {
        let victim = host.start(T);
        let bucket = victim.router.fleet().limits[0].slot;
        step(&victim.router.state(), victim.slot("b"), bucket);
        host.kill(victim);
        one.router.state().sweep();
        assert_eq!((one.in_flight("a"), one.in_flight("b"), free(&one)), living);
    }
    assert_eq!(counter(&one.router, "reaped"), 5);
}

#[test]
fn an_audit_while_somebody_is_between_cell_and_gauge_is_not_the_last() {
    let mut host = Host::new();
    let (one, victim) = (host.start(T), host.start(T));
    let (deployment, state) = (Counted::Deployment(one.slot("b")), one.router.state());
    let gauge = |state: &State| DeploymentRecord::of(state, one.slot("b")).unwrap().gauge().running();
    let lost = victim.router.state().list(deployment, 3).unwrap().unwrap();
    DeploymentRecord::of(&victim.router.state(), one.slot("b")).unwrap().gauge().enter();
    victim.router.state().vouch(lost);
    host.kill(victim);
    // The living one is stopped before it is counted: its cell could stand for the dead one's count.
    let cell = state.list(deployment, 3).unwrap().unwrap();
    assert_eq!((state.sweep(), gauge(&state)), (1, 1));
    state.unlist(cell);
    assert_eq!((state.sweep(), gauge(&state)), (0, 0), "the next sweep goes on with it");
}

#[test]
fn a_sweeper_that_dies_in_the_middle_is_followed_by_another() {
    let mut host = Host::new();
    let (one, mut victim) = (host.start(T), host.start(T));
    (0..5).for_each(|turn| assert!(victim.reserve(T + Nanos(turn))));
    host.kill(victim);
    // It had taken the lock of the dead one's seat, and was killed with it.
    let sweeper = host.start(T);
    host.kernel.locks[1].store(sweeper.id, Ordering::SeqCst);
    host.kill(sweeper);
    assert!(one.router.state().sweep() >= 1);
    assert_eq!((one.in_flight("a"), one.in_flight("b"), free(&one)), (0, 0, PLACES));
    assert_eq!(snapshot(&one.router, T).processes.len(), 1);
}

#[test]
fn a_process_that_needs_more_cells_takes_more_blocks_and_gives_all_back() {
    let mut host = Host::new();
    let mut one = host.start(T);
    let state = one.router.state();
    let deployment = Counted::Deployment(one.slot("b"));
    let all: Vec<_> = (0..20_000).map(|spread| state.list(deployment, spread << 31).unwrap().unwrap()).collect();
    let mut distinct: Vec<_> = all.iter().map(|cell| format!("{cell:?}")).collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), all.len(), "no cell is given twice");
    all.into_iter().for_each(|cell| state.unlist(cell));
    assert!(one.reserve(T));
    drop(state);
    drop(one);
    // Whoever comes next can list as many as there are, and then is told so.
    let next = host.start(T);
    let state = next.router.state();
    let listed = (0..200_000).take_while(|&spread| state.list(deployment, spread << 33).is_ok()).count();
    assert_eq!(listed, 131_072);
    let denied = next.router.reserve(&ALL, T, 1).err().unwrap();
    assert!(matches!(denied.why, Why::NoCapacity { .. }), "{:?}", denied.why);
    assert!(counter(&next.router, "unlisted") > 0);
}

#[test]
fn the_newest_configuration_is_known_and_who_is_behind() {
    let mut host = Host::new();
    let (one, two) = (host.start(T), host.start(T));
    for process in [&one, &two] {
        process.router.state().adopt_config(7);
    }
    assert_eq!((one.router.state().newer_config(), two.router.note_call(T)), (None, false));
    two.router.state().adopt_config(8);
    assert_eq!((one.router.state().newer_config(), one.router.note_call(T)), (Some(8), true));
    let told = snapshot(&one.router, T).processes;
    assert_eq!(told.iter().map(|process| process.behind).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn nobody_gives_records_back_while_others_may_use_them() {
    let mut host = Host::new();
    let (one, two) = (host.start(T), host.start(T));
    let named = |round: usize| {
        let members: Vec<_> = (0..31).map(|at| deployment(&format!("r{round}-{at}"), json!({}))).collect();
        fleet(&members, json!({}))
    };
    one.router.reload(&named(0), T).unwrap();
    let full = one.router.reload(&named(1), T).unwrap_err();
    assert!(full.to_string().contains("Groups"), "{full}");
    drop(two);
    host.kernel.locks[SEATS].store(99, Ordering::SeqCst);
    assert!(one.router.reload(&named(1), T).is_err(), "somebody is sitting down");
    host.kernel.locks[SEATS].store(0, Ordering::SeqCst);
    one.router.reload(&named(1), T).expect("alone, it may free what nobody runs");
    drop(one);
    assert_eq!(host.start(T).in_flight("a"), 0, "the first that comes to an empty host makes room for its fleet");
}

#[test]
fn calendar_days_begin_for_all_at_once_whatever_their_clocks_say() {
    let mut host = Host::new();
    let one = host.start(T);
    assert_eq!(one.router.state().agree_on_wall(1_700_000_000), 1_700_000_000);
    let two = host.start(T);
    assert_eq!(two.router.state().agree_on_wall(1_700_003_600), 1_700_000_000);
    drop((one, two));
    assert_eq!(host.start(T).router.state().agree_on_wall(1_700_003_600), 1_700_003_600, "alone, it says it anew");
}

#[derive(Clone, Debug)]
enum Step {
    Start,
    Reserve(usize),
    Settle(usize, usize),
    Kill(usize),
    Leave(usize),
    Sweep(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => Just(Step::Start),
        12 => any::<usize>().prop_map(Step::Reserve),
        6 => any::<(usize, usize)>().prop_map(|(process, at)| Step::Settle(process, at)),
        2 => any::<usize>().prop_map(Step::Kill),
        1 => any::<usize>().prop_map(Step::Leave),
        2 => any::<usize>().prop_map(Step::Sweep),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #[test]
    fn gauges_are_those_of_the_living_after_a_sweep_and_never_below(steps in steps()) {
        let mut host = Host::new();
        let mut living = vec![host.start(T)];
        for (at, step) in (0..).zip(steps) {
            let (now, count) = (T + Nanos(at * 1_000), living.len());
            match step {
                Step::Start if count < 8 => living.push(host.start(now)),
                Step::Start => {}
                Step::Reserve(process) => _ = living[process % count].reserve(now),
                Step::Settle(process, at) => {
                    let held = &mut living[process % count].held;
                    if !held.is_empty() {
                        let at = at % held.len();
                        held.swap_remove(at).settle(good(1, 1), now);
                    }
                }
                Step::Kill(process) if count > 1 => host.kill(living.swap_remove(process % count)),
                Step::Leave(process) if count > 1 => drop(living.swap_remove(process % count)),
                Step::Kill(_) | Step::Leave(_) => {}
                Step::Sweep(process) => _ = living[process % count].router.state().sweep(),
            }
            let held = |name| living.iter().map(|process| process.count(name)).sum::<usize>();
            for name in ["a", "b"] {
                prop_assert!(living[0].in_flight(name) as usize >= held(name), "a living attempt is not counted");
            }
            prop_assert!(PLACES - free(&living[0]) >= held("a") as i64);
            prop_assert!(held("a") as i64 <= PLACES);
        }
        living[0].router.state().sweep();
        let held = |name| living.iter().map(|process| process.count(name)).sum::<usize>();
        for name in ["a", "b"] {
            prop_assert_eq!(living[0].in_flight(name) as usize, held(name));
        }
        prop_assert_eq!(PLACES - free(&living[0]), held("a") as i64);
        prop_assert_eq!(snapshot(&living[0].router, T).processes.len(), living.len());
    }
}
