//! Everything mutable, in one slice of atomic words.
//!
//! The problem: limits, breakers and load must survive a reload, be shared by threads today and by processes tomorrow,
//! and never be guarded by a lock. The choice: one flat slice of `AtomicU64`, cut into sections of equal records; a
//! record is found by the identity (a stable hash of the name) in its first word, as in an open-addressing table.
//! The slice may be a heap allocation or a mapped segment; nothing but [`crate::process`] asks which. Rejected: structs of atomics
//! behind `Arc` (cannot be mapped), a map of locks (a lock). The cost: a fixed room, chosen at creation.
//!
//! All-zero words are a valid fresh record everywhere. Records are claimed when a fleet is compiled, never on the way
//! of a request.

use crate::limit::BUCKET_WORDS;
use crate::process::cells::{BLOCK_CELLS, BLOCKS};
use crate::process::seats::{COUNTERS, SEAT_WORDS, SEATS};
use crate::process::{Keeper, Party, Seat};
use crate::sync::{AtomicU64, Ordering};

/// Words per deployment: load, averages, breaker, the sent times of unanswered attempts.
pub const DEPLOYMENT_WORDS: usize = 64;
/// Words per group and learned output length.
pub const SMALL_WORDS: usize = 8;
/// Words of the router as a whole: budgets and counters.
pub const ROUTER_WORDS: usize = 40;
/// Those of the budgets of retries and hedges, which come first.
pub const BUDGETS: usize = 8;
/// Words that processes share a state by: when it was swept, what is to be audited, which configuration is newest.
const COMMON_WORDS: usize = 8;
/// Words of the host as a holder of leases, see [`crate::lease`].
pub const LEASE_WORDS: usize = 16;

/// A cell line; hot records begin at one.
const LINE_WORDS: usize = 8;
/// Identity of a record that was given back.
const TOMBSTONE: u64 = u64::MAX;
/// The slot of a record that is not there: beyond every slice of words that fits into memory, so nothing is ever read.
const ABSENT: u32 = u32::MAX >> 8;

/// How many records of each kind there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Deployments.
    pub deployments: usize,
    /// Limits of all pools together.
    pub buckets: usize,
    /// Groups, implied ones included.
    pub groups: usize,
    /// Learned output lengths, one per model and route.
    pub lengths: usize,
}

impl Room {
    /// Whether a fleet that needs `other` fits.
    #[must_use]
    pub const fn holds(self, other: Self) -> bool {
        self.deployments >= other.deployments
            && self.buckets >= other.buckets
            && self.groups >= other.groups
            && self.lengths >= other.lengths
    }

    /// Room for a fleet of this size and as much again, so that reloads can add to it.
    #[must_use]
    pub fn twice(self) -> Self {
        let grow = |count: usize| (count.saturating_mul(2)).max(64).next_power_of_two();
        Self {
            deployments: grow(self.deployments),
            buckets: grow(self.buckets),
            groups: grow(self.groups),
            lengths: grow(self.lengths),
        }
    }
}

/// The kinds of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// One per deployment.
    Deployments,
    /// One per limit.
    Buckets,
    /// One per group.
    Groups,
    /// One per model and route.
    Lengths,
}

/// Where the words are. Two kinds and a branch, because a call through a table for each of some eighty accesses of a
/// walk costs more than all of them.
enum Words {
    Heap(Box<[AtomicU64]>),
    /// Mapped for the life of the process, so that nobody can be left with a slice that is gone.
    Mapped(&'static [AtomicU64]),
}

/// The mutable half of a router.
pub struct State {
    words: Words,
    room: Room,
    /// First word of each section, counted from the beginning of the slice.
    starts: Starts,
    /// First word of the counters that are this process's own.
    counters: usize,
    /// What it has of its own in a state that others share.
    party: Option<Party>,
}

#[derive(Clone, Copy)]
struct Starts {
    router: usize,
    leases: usize,
    deployments: usize,
    buckets: usize,
    groups: usize,
    lengths: usize,
    // Only where processes share the state.
    common: usize,
    seats: usize,
    owners: usize,
    cells: usize,
}

/// The words that processes share a state by.
pub(crate) struct Common<'s> {
    /// When the last sweep began.
    pub swept_at: &'s AtomicU64,
    /// How many audits of the gauges were asked for, and up to which they are done.
    pub audits_wanted: &'s AtomicU64,
    pub audits_done: &'s AtomicU64,
    /// The configuration that was adopted last.
    pub config: &'s AtomicU64,
    /// Wall time of the clock's zero in seconds; 0 if nobody has said.
    wall_epoch: &'s AtomicU64,
}

impl Starts {
    const fn of(room: Room, first: usize) -> Self {
        let leases = first + ROUTER_WORDS;
        let deployments = leases + LEASE_WORDS;
        let buckets = deployments + room.deployments * DEPLOYMENT_WORDS;
        let groups = buckets + room.buckets * BUCKET_WORDS;
        let lengths = groups + room.groups * SMALL_WORDS;
        let common = lengths + room.lengths * SMALL_WORDS;
        let seats = common + COMMON_WORDS;
        let owners = seats + SEATS * SEAT_WORDS;
        let cells = owners + BLOCKS;
        Self { router: first, leases, deployments, buckets, groups, lengths, common, seats, owners, cells }
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("room", &self.room).finish_non_exhaustive()
    }
}

impl State {
    /// Fresh state on the heap.
    #[must_use]
    pub fn on_heap(room: Room) -> Self {
        Self::new(Words::Heap((0..Self::words_needed(room)).map(|_| AtomicU64::new(0)).collect()), room, None)
    }

    /// State over words that processes share: at least [`State::shared_words_needed`] of them, mapped at a cache line for
    /// as long as the party's keeper lives, and read by nobody but this state.
    #[must_use]
    pub fn shared(words: &'static [AtomicU64], room: Room, party: Party) -> Self {
        Self::new(Words::Mapped(words), room, Some(party))
    }

    fn new(words: Words, room: Room, party: Option<Party>) -> Self {
        let mut state = Self { words, room, starts: Starts::of(room, 0), counters: 0, party };
        // Hot records begin at a cache line, wherever the allocator put the slice.
        let misaligned = state.words().as_ptr().addr() / size_of::<u64>() % LINE_WORDS;
        state.starts = Starts::of(room, (LINE_WORDS - misaligned) % LINE_WORDS);
        let seat = state.seat().map(|seat| state.starts.seats + usize::from(seat.number()) * SEAT_WORDS + COUNTERS);
        state.counters = seat.unwrap_or(state.starts.router + BUDGETS);
        state
    }

    #[inline]
    fn words(&self) -> &[AtomicU64] {
        match &self.words {
            Words::Heap(words) => words,
            Words::Mapped(words) => words,
        }
    }

    /// How many words a room takes.
    #[must_use]
    pub const fn words_needed(room: Room) -> usize {
        LINE_WORDS
            + ROUTER_WORDS
            + LEASE_WORDS
            + room.deployments * DEPLOYMENT_WORDS
            + room.buckets * BUCKET_WORDS
            + (room.groups + room.lengths) * SMALL_WORDS
    }

    /// How many words a room takes where processes share it.
    #[must_use]
    pub const fn shared_words_needed(room: Room) -> usize {
        Self::words_needed(room) + COMMON_WORDS + SEATS * SEAT_WORDS + BLOCKS + BLOCKS * BLOCK_CELLS
    }

    /// Whether processes share it.
    #[must_use]
    #[inline]
    pub const fn is_shared(&self) -> bool {
        self.party.is_some()
    }

    /// Whether this process only looks at what others share: it has no seat, claims no record and agrees to nothing.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.is_shared() && self.seat().is_none()
    }

    /// Whether it belongs to a process from which this one was forked: then it must be left alone.
    #[must_use]
    #[inline]
    pub fn is_foreign(&self) -> bool {
        self.seat().is_some_and(Seat::is_foreign)
    }

    /// This process's seat, if it has one.
    #[must_use]
    #[inline]
    pub fn seat(&self) -> Option<&Seat> {
        self.party.as_ref()?.seat.as_ref()
    }

    /// Who tells the living from the dead.
    pub(crate) fn keeper(&self) -> Option<&dyn Keeper> {
        Some(&*self.party.as_ref()?.keeper)
    }

    /// The words that processes share it by.
    #[inline]
    pub(crate) fn common(&self) -> Option<Common<'_>> {
        self.party.as_ref()?;
        let words = self.words().get(self.starts.common..)?.first_chunk()?;
        let [swept_at, audits_wanted, audits_done, config, wall_epoch] = words;
        Some(Common { swept_at, audits_wanted, audits_done, config, wall_epoch })
    }

    /// The wall time of the clock's zero, in seconds since 1970, on which all that share it agree: calendar days begin
    /// for all of them at once. Whoever is alone says it anew, so that a wrong clock at the beginning is not for ever.
    pub fn agree_on_wall(&self, own: i64) -> i64 {
        let Some(common) = self.common() else { return own };
        match common.wall_epoch.load(Ordering::Acquire) {
            said if said != 0 && (self.is_observed() || !self.is_alone()) => said.cast_signed(),
            _ if self.is_observed() => own,
            _ => {
                common.wall_epoch.store(own.cast_unsigned(), Ordering::Release);
                own
            }
        }
    }

    /// The words of a seat.
    pub(crate) fn seat_words(&self, seat: u8) -> Option<&[AtomicU64; SEAT_WORDS]> {
        self.party.as_ref()?;
        let seat = usize::from(seat);
        if seat < SEATS { self.words().get(self.starts.seats + seat * SEAT_WORDS..)?.first_chunk() } else { None }
    }

    /// Whose each block of cells is.
    pub(crate) fn block_owners(&self) -> &[AtomicU64] {
        let count = if self.is_shared() { BLOCKS } else { 0 };
        self.words().get(self.starts.owners..).and_then(|words| words.get(..count)).unwrap_or_default()
    }

    /// The cells of a block.
    #[inline]
    pub(crate) fn cells_of(&self, block: usize) -> Option<&[AtomicU64; BLOCK_CELLS]> {
        self.words().get(self.starts.cells + block * BLOCK_CELLS..)?.first_chunk()
    }

    /// Counters of this process, or of the router if nobody shares it.
    #[inline]
    pub(crate) fn own_counters(&self) -> Option<&[AtomicU64]> {
        self.words().get(self.counters..)
    }

    /// Counters of a seat.
    pub(crate) fn seat_counters(&self, seat: u8) -> Option<&[AtomicU64]> {
        self.seat_words(seat)?.get(COUNTERS..)
    }

    /// Counters of the router and of all that have left.
    pub(crate) fn common_counters(&self) -> Option<&[AtomicU64]> {
        self.router()?.get(BUDGETS..)
    }

    /// The room it was made with.
    #[must_use]
    pub const fn room(&self) -> Room {
        self.room
    }

    /// The router's own words.
    #[must_use]
    #[inline]
    pub fn router(&self) -> Option<&[AtomicU64; ROUTER_WORDS]> {
        self.words().get(self.starts.router..)?.first_chunk()
    }

    /// The host's words as a holder of leases.
    #[must_use]
    pub fn leases(&self) -> Option<&[AtomicU64; LEASE_WORDS]> {
        self.words().get(self.starts.leases..)?.first_chunk()
    }

    /// The record of a deployment.
    #[must_use]
    #[inline]
    pub fn deployment(&self, slot: u32) -> Option<&[AtomicU64; DEPLOYMENT_WORDS]> {
        self.record(self.starts.deployments, slot)
    }

    /// The record of a limit.
    #[must_use]
    #[inline]
    pub fn bucket(&self, slot: u32) -> Option<&[AtomicU64; BUCKET_WORDS]> {
        self.record(self.starts.buckets, slot)
    }

    /// The record of a group.
    #[must_use]
    #[inline]
    pub fn group(&self, slot: u32) -> Option<&[AtomicU64; SMALL_WORDS]> {
        self.record(self.starts.groups, slot)
    }

    /// The record of a learned output length.
    #[must_use]
    #[inline]
    pub fn length(&self, slot: u32) -> Option<&[AtomicU64; SMALL_WORDS]> {
        self.record(self.starts.lengths, slot)
    }

    #[inline]
    fn record<const N: usize>(&self, start: usize, slot: u32) -> Option<&[AtomicU64; N]> {
        self.words().get(start + slot as usize * N..)?.first_chunk()
    }

    const fn start(&self, section: Section) -> usize {
        match section {
            Section::Deployments => self.starts.deployments,
            Section::Buckets => self.starts.buckets,
            Section::Groups => self.starts.groups,
            Section::Lengths => self.starts.lengths,
        }
    }

    const fn shape(&self, section: Section) -> (usize, usize) {
        match section {
            Section::Deployments => (self.room.deployments, DEPLOYMENT_WORDS),
            Section::Buckets => (self.room.buckets, BUCKET_WORDS),
            Section::Groups => (self.room.groups, SMALL_WORDS),
            Section::Lengths => (self.room.lengths, SMALL_WORDS),
        }
    }

    fn words_of(&self, section: Section, slot: usize) -> Option<&[AtomicU64]> {
        let (_, width) = self.shape(section);
        let from = self.start(section) + slot * width;
        self.words().get(from..from + width)
    }

    /// The slot that belongs to `identity`, and whether it was claimed just now; `None` when there is no room left.
    ///
    /// `home` is where the search begins: records that are used together should have neighbouring homes, and the same
    /// identity always the same one.
    ///
    /// Whoever only looks claims nothing. It gets the slot of no record for what nobody has claimed.
    pub fn claim(&self, section: Section, identity: u64, home: u64) -> Option<(u32, bool)> {
        if self.is_observed() {
            return Some((self.find(section, identity, home).unwrap_or(ABSENT), false));
        }
        let (count, _) = self.shape(section);
        let first = usize::try_from(home % count.max(1) as u64).ok()?;
        let mut free = None;
        for slot in (0..count).map(|step| (first + step) % count) {
            match self.words_of(section, slot)?.first()?.load(Ordering::Acquire) {
                seen if seen == identity => return Some((u32::try_from(slot).ok()?, false)),
                TOMBSTONE => free = free.or(Some((slot, TOMBSTONE))),
                0 => {
                    free = free.or(Some((slot, 0)));
                    break;
                }
                _ => {}
            }
        }
        let (slot, seen) = free?;
        let word = self.words_of(section, slot)?.first()?;
        match word.compare_exchange(seen, identity, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Some((u32::try_from(slot).ok()?, true)),
            // Somebody took the record in between: look again. Each round is another's success.
            Err(_) => self.claim(section, identity, home),
        }
    }

    /// The slot that belongs to `identity`, if somebody has claimed one.
    #[must_use]
    pub fn find(&self, section: Section, identity: u64, home: u64) -> Option<u32> {
        let (count, _) = self.shape(section);
        let first = usize::try_from(home % count.max(1) as u64).ok()?;
        let claimed = |slot| Some((slot, self.words_of(section, slot)?.first()?.load(Ordering::Acquire)));
        let probed = (0..count).map_while(|step| claimed((first + step) % count));
        let found = probed.take_while(|&(_, seen)| seen != 0).find(|&(_, seen)| seen == identity)?;
        u32::try_from(found.0).ok()
    }

    /// How many records of a section belong to somebody.
    #[must_use]
    pub fn claimed(&self, section: Section) -> usize {
        self.claimed_slots(section).count()
    }

    /// Slots and identities of the records that belong to somebody.
    pub(crate) fn claimed_slots(&self, section: Section) -> impl Iterator<Item = (u32, u64)> {
        let (count, _) = self.shape(section);
        let identity = move |slot| Some(self.words_of(section, slot)?.first()?.load(Ordering::Acquire));
        let found = (0..count).filter_map(move |slot| Some((u32::try_from(slot).ok()?, identity(slot)?)));
        found.filter(|&(_, identity)| identity != 0 && identity != TOMBSTONE)
    }

    /// Gives back every record for which `keep(identity, words)` is false, as when a reload needs the room.
    ///
    /// A settlement that comes later finds another identity in the record and leaves it alone.
    pub fn give_back(&self, section: Section, keep: impl Fn(u64, &[AtomicU64]) -> bool) {
        let (count, _) = self.shape(section);
        for words in (0..count).filter_map(|slot| self.words_of(section, slot)) {
            let Some((first, rest)) = words.split_first() else { continue };
            let identity = first.load(Ordering::Acquire);
            if identity == 0 || identity == TOMBSTONE || keep(identity, words) {
                continue;
            }
            rest.iter().for_each(|word| word.store(0, Ordering::Release));
            first.store(TOMBSTONE, Ordering::Release);
        }
    }
}

impl Drop for State {
    /// Nothing is in flight here any more: every reservation keeps its state alive.
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(deployments: usize) -> Room {
        Room { deployments, buckets: 4, groups: 4, lengths: 4 }
    }

    #[test]
    fn an_identity_keeps_its_record() {
        let state = State::on_heap(room(4));
        let (slot, fresh) = state.claim(Section::Deployments, 41, 41).unwrap();
        assert!(fresh);
        assert_eq!(state.claim(Section::Deployments, 41, 41), Some((slot, false)));
        assert_ne!(
            state.claim(Section::Deployments, 45, 45).unwrap().0,
            slot,
            "45 and 41 meet at the same place of four"
        );
    }

    #[test]
    fn a_full_section_says_so_until_something_is_given_back() {
        let state = State::on_heap(room(2));
        let (slot, _) = state.claim(Section::Deployments, 10, 10).unwrap();
        state.claim(Section::Deployments, 11, 11).unwrap();
        assert_eq!(state.claim(Section::Deployments, 12, 12), None);
        state.deployment(slot).unwrap()[5].store(7, Ordering::Relaxed);
        state.give_back(Section::Deployments, |identity, _| identity == 11);
        assert_eq!(state.claim(Section::Deployments, 12, 12), Some((slot, true)));
        assert_eq!(state.deployment(slot).unwrap()[5].load(Ordering::Relaxed), 0, "a claimed record is fresh");
        assert!(
            state.claim(Section::Deployments, 11, 11).is_some_and(|(_, fresh)| !fresh),
            "probing passes tombstones"
        );
    }

    #[test]
    fn records_begin_at_cache_lines_and_do_not_overlap() {
        let state = State::on_heap(room(3));
        let address = |words: &[AtomicU64]| words.as_ptr().addr();
        assert_eq!(address(state.deployment(0).unwrap()) % 64, 0);
        assert_eq!(address(state.deployment(1).unwrap()) - address(state.deployment(0).unwrap()), 512);
        assert_eq!(address(state.bucket(0).unwrap()) - address(state.deployment(2).unwrap()), 512);
        assert_eq!(address(state.group(0).unwrap()) - address(state.bucket(3).unwrap()), 64);
        assert!(state.length(3).is_some());
        assert!(state.length(5).is_none());
    }
}
