//! The answer of a walk and what it saw on the way.

use std::cell::RefCell;

use arrayvec::ArrayVec;

use crate::balance::load::Load;
use crate::learned::Source;
use crate::refusal::Refusal;
use crate::score::{Estimate, Move};
use crate::units::Nanos;

/// Candidates that a walk remembers in place. A draw looks at two or three. There are more where an objective has all
/// members looked at, or when most of a group is out.
const AT_HAND: usize = 4;
/// Candidates that a walk remembers at all. One that saw more says that it cannot be replayed.
pub const MAX_CONSIDERED: usize = 64;

/// One deployment that a walk looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Considered {
    /// Which one.
    pub deployment: u32,
    /// Why it is out, if it is.
    pub refusal: Option<Refusal>,
    /// Its load as seen; meaningless for one that was refused at first sight.
    pub load: Load,
    /// How well it meets the group's objective.
    pub tier: i32,
    /// What an attempt there was expected to cost at full price, in micro-dollars.
    pub cost: u64,
    /// What the prompt cache changes in that, and what of it the session would pay for leaving.
    pub moved: Move,
    /// How good its answer was expected to be, if the group's objective asks.
    pub quality: f32,
    /// Where that comes from.
    pub source: Source,
}

/// Candidates beyond those at hand. Nothing for most walks; else room that an earlier walk of this thread has left, so that
/// a warm walk over a large group allocates no more than one over a small one. In place it would be moved about by all.
#[derive(Clone, Debug, Default)]
struct More(Option<Box<Room>>);

/// Place for all candidates that are remembered beyond those at hand.
type Room = ArrayVec<Considered, { MAX_CONSIDERED - AT_HAND }>;
/// Rooms that a thread keeps: as many as it usually has decisions in flight, of four kilobytes each.
const MAX_ROOMS: usize = 64;

thread_local! {
    static ROOMS: RefCell<ArrayVec<Box<Room>, MAX_ROOMS>> = const { RefCell::new(ArrayVec::new_const()) };
}

impl More {
    /// Whether there was place for it.
    fn push(&mut self, seen: Considered) -> bool {
        let left = || ROOMS.try_with(|rooms| rooms.borrow_mut().pop()).ok().flatten();
        self.0.get_or_insert_with(|| left().unwrap_or_default()).try_push(seen).is_ok()
    }
}

#[cold]
fn leave(mut room: Box<Room>) {
    room.clear();
    // A thread that ends, or has enough of them, lets it go.
    let _ = ROOMS.try_with(|rooms| rooms.borrow_mut().try_push(room));
}

impl Drop for More {
    #[inline]
    fn drop(&mut self) {
        if let Some(room) = self.0.take() {
            leave(room);
        }
    }
}

/// Everything that a walk looked at, in order.
#[derive(Clone, Debug, Default)]
pub struct Log {
    at_hand: ArrayVec<Considered, AT_HAND>,
    /// The rest.
    more: More,
    overflowed: bool,
    /// The deployment that was taken because the request's prefix prefers it.
    pub warm: Option<u32>,
}

impl Log {
    /// What was remembered.
    pub fn considered(&self) -> impl Iterator<Item = &Considered> {
        self.at_hand.iter().chain(self.more.0.iter().flat_map(|room| room.iter()))
    }

    /// Whether nothing was forgotten.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        !self.overflowed
    }

    /// Whether this deployment was looked at, and what was seen.
    #[must_use]
    #[inline]
    pub fn find(&self, deployment: u32) -> Option<&Considered> {
        self.considered().find(|seen| seen.deployment == deployment)
    }

    /// Remembers one more.
    #[inline]
    pub fn add(&mut self, seen: Considered) {
        if let Err(full) = self.at_hand.try_push(seen) {
            self.add_to_the_rest(full.element());
        }
    }

    #[cold]
    fn add_to_the_rest(&mut self, seen: Considered) {
        self.overflowed |= !self.more.push(seen);
    }

    /// Notes that a candidate was lost after all.
    pub fn refuse(&mut self, deployment: u32, refusal: Refusal) {
        let mut all = self.at_hand.iter_mut().chain(self.more.0.iter_mut().flat_map(|room| room.iter_mut()));
        if let Some(seen) = all.find(|seen| seen.deployment == deployment) {
            seen.refusal = Some(refusal);
        }
    }
}

/// What a walk decided.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Time of the decision.
    pub at: Nanos,
    /// Seed of its draws.
    pub seed: u64,
    /// The rule that matched, as an index.
    pub rule: Option<u32>,
    /// The group that was asked for, as an index.
    pub asked_group: Option<u32>,
    /// The group that serves, as an index.
    pub group: Option<u32>,
    /// The deployment, as an index.
    pub deployment: Option<u32>,
    /// Record of the answer lengths learned for its model on this route.
    pub length_slot: Option<u32>,
    /// Whether it is a forced probe because everything else was out.
    pub last_resort: bool,
    /// Bound on the answer's tokens after rule and caller had their say.
    pub max_tokens: Option<u64>,
    /// What the attempt is expected to use.
    pub estimate: Estimate,
    /// Whether the answer comes in pieces, so that its first content can be seen.
    pub streamed: bool,
    /// Whether it is weaker than its session has reached, because nobody as strong could take the request.
    pub weaker: bool,
    /// Whether it is a second attempt beside a slow first one.
    pub hedge: bool,
    /// What was looked at.
    pub log: Log,
}

impl Decision {
    /// A decision that got nowhere, as every one begins.
    #[must_use]
    #[inline]
    pub fn nowhere(at: Nanos, seed: u64) -> Self {
        Self {
            at,
            seed,
            rule: None,
            asked_group: None,
            group: None,
            deployment: None,
            length_slot: None,
            last_resort: false,
            max_tokens: None,
            estimate: Estimate::default(),
            streamed: false,
            weaker: false,
            hedge: false,
            log: Log::default(),
        }
    }

    /// Whether a fallback group serves.
    #[must_use]
    pub fn is_downgrade(&self) -> bool {
        self.group.is_some() && self.group != self.asked_group
    }
}

/// Why nobody was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The asked name means nothing here.
    UnknownModel,
    /// `auto` was asked and no rule matches.
    NoRule,
    /// A rule refuses requests like this one.
    RefusedByRule,
    /// The gate let nobody through: waiting would not help.
    Refused,
    /// The request is more than a whole window of every candidate's limit.
    TooLarge,
    /// Nobody is free before this time.
    NoCapacity {
        /// When the same request could pass.
        until: Nanos,
    },
}

/// A walk that found nobody.
#[derive(Clone, Debug)]
pub struct Denial {
    /// The reason.
    pub why: Why,
    /// The walk so far.
    pub decision: Decision,
}
