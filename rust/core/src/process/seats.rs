//! Seats: the places of processes in a shared state.
//!
//! **Problem.** What a process holds must be found after its death, without a word from it, and never be mistaken for
//! that of another one that came later.
//!
//! **Choice.** A seat has a number below 256 and is taken under an owner's name: the number and 56 random bits. Whatever
//! the process holds carries that name. Process ids are noted for people only, because another container may have the
//! same. Whoever has forked sits at its parent's seat by mistake: it notices by a generation that each fork raises, and
//! from then on leaves the state alone.
//!
//! **Rejected.** Process ids as names: reused, and the same in two containers.
//!
//! **Cost.** Four lines per seat; the first is written when somebody sits down or reloads, the others hold its counters.

use std::sync::atomic::{AtomicU64 as PlainU64, Ordering::Relaxed};

use serde::Serialize;

use super::cells::OwnBlocks;
use crate::counters::COUNTER_WORDS;
use crate::state::State;
use crate::sync::{AtomicU64, Ordering};
use crate::units::Nanos;

/// Most processes that share a state.
pub const SEATS: usize = if cfg!(loom) { 2 } else { 256 };

/// Words per seat.
pub const SEAT_WORDS: usize = COUNTERS + COUNTER_WORDS;

const OWNER: usize = 0;
const PID: usize = 1;
const CONFIG: usize = 2;
const SINCE: usize = 3;
/// Where its counters begin.
pub(crate) const COUNTERS: usize = 8;

/// A process's own seat.
pub struct Seat {
    number: u8,
    owner: u64,
    /// The process's generation when it sat down, and where that of now is read.
    born: u64,
    generation: &'static PlainU64,
    pub(super) blocks: OwnBlocks,
}

impl Seat {
    /// The seat `number`, held by the caller, for an owner with these random bits. `generation` changes with every fork.
    #[must_use]
    pub fn new(number: u8, random: u64, generation: &'static PlainU64) -> Self {
        let owner = (random << 8 | u64::from(number)).max(1);
        Self { number, owner, born: generation.load(Relaxed), generation, blocks: OwnBlocks::default() }
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// The name under which it holds things.
    #[must_use]
    pub const fn owner(&self) -> u64 {
        self.owner
    }

    /// Whether this is the seat of a process from which this one was forked.
    #[must_use]
    #[inline]
    pub fn is_foreign(&self) -> bool {
        self.generation.load(Relaxed) != self.born
    }
}

/// One process, as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its seat.
    pub seat: u8,
    /// Its process id in its own container; for people.
    pub pid: u64,
    /// Whether it is the one that asks.
    pub own: bool,
    /// Whether it lives. A dead one is listed until the next sweep.
    pub alive: bool,
    /// Whether its configuration is not the one that was adopted last.
    pub behind: bool,
    /// The configuration that it runs, as sixteen hexadecimal digits.
    pub config: String,
    /// When it sat down, in seconds of the state's clock.
    pub since_s: u64,
}

impl State {
    /// Sits down: from here on others see this process. The seat must be held and cleared.
    pub(super) fn sit(&self, pid: u32, now: Nanos) {
        let Some((seat, words)) = self.own_seat() else { return };
        words[PID].store(u64::from(pid), Ordering::Relaxed);
        words[SINCE].store(now.0, Ordering::Relaxed);
        words[OWNER].store(seat.owner, Ordering::Release);
    }

    /// This process's seat and its words; nothing in a state of its own, or for a forked child.
    pub(crate) fn own_seat(&self) -> Option<(&Seat, &[AtomicU64; SEAT_WORDS])> {
        let seat = self.seat().filter(|seat| !seat.is_foreign())?;
        Some((seat, self.seat_words(seat.number)?))
    }

    /// Who sits at `seat`.
    pub(super) fn owner_of(&self, seat: u8) -> Option<u64> {
        let owner = self.seat_words(seat)?[OWNER].load(Ordering::Acquire);
        (owner != 0).then_some(owner)
    }

    /// Leaves `seat` empty.
    pub(super) fn empty(&self, seat: u8) {
        if let Some(words) = self.seat_words(seat) {
            words[PID..COUNTERS].iter().for_each(|word| word.store(0, Ordering::Relaxed));
            words[OWNER].store(0, Ordering::Release);
        }
    }

    /// Notes the configuration that this process runs, and that it is the newest.
    pub fn adopt_config(&self, hash: u64) {
        if let Some((_, words)) = self.own_seat() {
            words[CONFIG].store(hash, Ordering::Release);
            if let Some(common) = self.common() {
                common.config.store(hash, Ordering::Release);
            }
        }
    }

    /// The newest configuration, if that is another one than this process runs.
    #[must_use]
    #[inline]
    pub fn newer_config(&self) -> Option<u64> {
        let (_, words) = self.own_seat()?;
        let newest = self.common()?.config.load(Ordering::Acquire);
        (newest != words[CONFIG].load(Ordering::Relaxed)).then_some(newest)
    }

    /// The configuration that was adopted last, as [`adopt_config`](Self::adopt_config) was told it.
    #[must_use]
    pub fn newest_config(&self) -> Option<u64> {
        Some(self.common()?.config.load(Ordering::Acquire))
    }

    /// Does something while nobody else sits here or can sit down; nothing if somebody does, or if this process only looks.
    pub(crate) fn alone<R>(&self, act: impl FnOnce() -> R) -> Option<R> {
        let Some(keeper) = self.keeper() else { return Some(act()) };
        if self.is_observed() || !keeper.close_latch() {
            return None;
        }
        let done = self.is_alone().then(act);
        keeper.open_latch();
        done
    }

    /// Whether processes that start now will find this state, and this process at its seat, or have no need to. A process
    /// that has closed its locks is taken for dead and its seat cleared, though it lives.
    #[must_use]
    pub fn is_found(&self) -> bool {
        let seated = |seat: &Seat| self.owner_of(seat.number) == Some(seat.owner);
        self.keeper().is_none_or(super::Keeper::is_found) && self.seat().is_none_or(seated)
    }

    /// Whether nobody else sits here.
    pub(crate) fn is_alone(&self) -> bool {
        let own = self.seat().map(Seat::number);
        self.seats().all(|seat| Some(seat) == own || self.owner_of(seat).is_none())
    }

    /// All that sit here.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        let newest = self.common().map_or(0, |common| common.config.load(Ordering::Acquire));
        let own = self.own_seat().map(|(seat, _)| seat.number);
        let told = |seat| {
            self.owner_of(seat)?;
            let words = self.seat_words(seat)?;
            let config = words[CONFIG].load(Ordering::Acquire);
            Some(Process {
                seat,
                pid: words[PID].load(Ordering::Relaxed),
                own: own == Some(seat),
                alive: own == Some(seat) || self.keeper().is_none_or(|keeper| keeper.lives(seat)),
                behind: config != newest,
                config: format!("{config:016x}"),
                since_s: Nanos(words[SINCE].load(Ordering::Relaxed)).as_secs_f64() as u64,
            })
        };
        self.seats().filter_map(told).collect()
    }

    /// The numbers of all seats; none in a state that is not shared.
    pub(crate) fn seats(&self) -> impl Iterator<Item = u8> + use<> {
        let count = if self.is_shared() { SEATS } else { 0 };
        (0..count).filter_map(|seat| u8::try_from(seat).ok())
    }
}
