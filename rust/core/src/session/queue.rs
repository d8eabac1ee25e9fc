//! The order in which sessions were used last: an ordered set, whose entries each account knows its own of.

use std::collections::BTreeMap;

use crate::units::Nanos;

/// When an account was used last: its entry in the queue. The default is in no queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Used {
    at: Nanos,
    /// Of several at one time, which came first; 0 is none.
    turn: u64,
}

impl Used {
    /// Whether that is longer ago than `idle`.
    pub(super) fn is_older_than(self, idle: Nanos, now: Nanos) -> bool {
        now.since(self.at) > idle
    }
}

/// Accounts in the order of their last use.
#[derive(Debug, Default)]
pub(super) struct Queue {
    keys: BTreeMap<Used, u64>,
    turns: u64,
}

impl Queue {
    /// Enters an account as the last one.
    pub(super) fn join(&mut self, key: u64, now: Nanos) -> Used {
        self.turns += 1;
        // A reading that is older than the last one joins behind it all the same: clocks of threads differ by little.
        let at = self.keys.last_key_value().map_or(now, |(last, _)| last.at.max(now));
        let used = Used { at, turn: self.turns };
        self.keys.insert(used, key);
        used
    }

    /// Takes an account out, if it is in.
    pub(super) fn leave(&mut self, used: Used) {
        self.keys.remove(&used);
    }

    /// The one that was used longest ago.
    pub(super) fn first(&self) -> Option<(Used, u64)> {
        self.keys.first_key_value().map(|(used, key)| (*used, *key))
    }
}
