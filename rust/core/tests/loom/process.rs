//! Processes on one state: seats, cells and the sweep. A process is a state of its own over the same words; one that
//! was killed is one that does nothing more.

use std::sync::Arc;
use std::sync::atomic::AtomicU64 as Plain;

use junctor_core::balance::DeploymentRecord;
use junctor_core::process::{CellAt, Counted, Keeper, Party, Seat};
use junctor_core::state::{Room, Section, State};
use junctor_core::sync::{AtomicU64, Ordering};

use crate::{T, in_every_order, outcomes, s, together};

const ROOM: Room = Room { deployments: 1, buckets: 0, groups: 0, lengths: 0 };
const ONE: Counted = Counted::Deployment(0);
/// Nobody forks here.
static GENERATION: Plain = Plain::new(0);

/// Says that the process at `dead` has died, to one asker at a time.
struct Witness {
    dead: u8,
    held: Arc<AtomicU64>,
}

impl Keeper for Witness {
    fn hold(&self, seat: u8) -> bool {
        seat == self.dead && self.held.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn let_go(&self, _: u8) {
        self.held.store(0, Ordering::Release);
    }

    fn close_latch(&self) -> bool {
        true
    }

    fn open_latch(&self) {}
}

/// The words of a state; given up for each run of a model, since a mapping stays where it is.
fn words() -> &'static [AtomicU64] {
    (0..State::shared_words_needed(ROOM)).map(|_| AtomicU64::new(0)).collect::<Vec<_>>().leak()
}

/// Two processes at seats 0 and 1, of which the second one is dead as soon as anybody asks.
fn two() -> (State, State) {
    let (words, held) = (words(), Arc::new(AtomicU64::new(0)));
    let process = |number| {
        let keeper = Box::new(Witness { dead: 1, held: Arc::clone(&held) });
        let seat = Some(Seat::new(number, 77 + u64::from(number), &GENERATION));
        State::shared(words, ROOM, Party { keeper, seat })
    };
    let (first, second) = (process(0), process(1));
    first.claim(Section::Deployments, 7, 7);
    first.take_seat(1, T);
    second.take_seat(2, T);
    (first, second)
}

/// Ends a process without a word from it: dropping its state would leave the seat in order.
fn kill(process: State) {
    std::mem::forget(process);
}

fn record(state: &State) -> DeploymentRecord<'_> {
    DeploymentRecord::of(state, 0).unwrap()
}

fn begin(state: &State) -> CellAt {
    let cell = state.list(ONE, 0).unwrap().unwrap();
    record(state).gauge().enter();
    state.vouch(cell);
    cell
}

fn end(state: &State, cell: CellAt) {
    state.doubt(cell);
    record(state).gauge().leave();
    state.unlist(cell);
}

#[test]
fn threads_of_one_process_have_cells_of_their_own() {
    in_every_order(1, || {
        let (first, _) = two();
        let first = Arc::new(first);
        let cells = together(&first, 2, |first, _| begin(first));
        assert_ne!(cells[0], cells[1]);
        cells.into_iter().for_each(|cell| end(&first, cell));
        assert_eq!(record(&first).in_flight(), 0);
    });
}

#[test]
fn what_a_dead_process_left_is_taken_back_while_another_one_works() {
    let seen = outcomes(|| {
        let (first, second) = two();
        begin(&second);
        kill(second);
        let first = Arc::new(first);
        let ends = together(&first, 2, |first, place| {
            if place == 0 {
                return (first.sweep(), record(first).in_flight());
            }
            let cell = begin(first);
            let seen = record(first).in_flight();
            assert!(seen >= 1, "never below the number of those who live");
            end(first, cell);
            (0, seen)
        });
        assert_eq!(ends[0].0, 1, "one has died");
        // An audit that gave up because gauges moved is done by the next sweep.
        first.sweep();
        assert_eq!(record(&first).in_flight(), 0, "nobody is at it");
        ends[1].1
    });
    assert_eq!(seen.len(), 2, "the living one worked before and after the dead one's count was taken back: {seen:?}");
}

#[test]
fn an_attempt_that_goes_on_keeps_its_count_whoever_sweeps() {
    in_every_order(1, || {
        let (first, second) = two();
        begin(&second);
        kill(second);
        let first = Arc::new(first);
        let cells = together(&first, 2, |first, place| match place {
            0 => {
                first.sweep();
                None
            }
            _ => Some(begin(first)),
        });
        first.sweep();
        assert_eq!((record(&first).in_flight(), record(&first).gauge().started()), (1, 2));
        end(&first, cells[1].unwrap());
        assert_eq!(record(&first).in_flight(), 0);
    });
}

#[test]
fn of_two_that_sweep_one_clears_the_dead_ones_seat() {
    let seen = outcomes(|| {
        let (first, second) = two();
        begin(&second);
        begin(&second);
        let own = begin(&first);
        kill(second);
        let first = Arc::new(first);
        let reaped = together(&first, 2, |first, _| first.sweep());
        assert_eq!(reaped.iter().sum::<usize>(), 1);
        first.sweep();
        assert_eq!(record(&first).in_flight(), 1, "the one that lives");
        end(&first, own);
        assert_eq!(record(&first).in_flight(), 0);
        reaped
    });
    assert_eq!(seen.len(), 2, "either of them");
}

#[test]
fn of_two_that_find_a_sweep_due_one_sweeps() {
    let seen = outcomes(|| {
        let (first, second) = two();
        kill(second);
        let reaped = together(&Arc::new(first), 2, |first, _| first.sweep_if_due(T + s(5)));
        assert_eq!(reaped.iter().sum::<usize>(), 1);
        reaped
    });
    assert_eq!(seen.len(), 2);
}
